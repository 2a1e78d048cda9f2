package ai.realm.guest.sdk;

import static ai.realm.guest.sdk.HostException.check;

import ai.realm.guest.Arena;
import ai.realm.guest.Host;

/// Matrices that the host multiplies, and layers that a realm keeps in host memory.
public final class LowLevel {
  private static final int STATS = 6;

  private final Scratch scratch;

  LowLevel(Scratch scratch) {
    this.scratch = scratch;
  }

  /// `a (m, k) · b (k, n)`.
  public float[] multiply(float[] a, float[] b, int m, int k, int n) {
    int mark = scratch.mark();
    int at = scratch.put(a);
    int bt = scratch.put(b);
    int to = scratch.take(4 * m * n);
    int result = Host.multiply(at, a.length, bt, b.length, m, k, n, to);
    scratch.release(mark);
    check(result);
    return Scratch.floats(to, m * n);
  }

  /// `a (m, k) · b (n, k)` transposed.
  public float[] multiplyTransposed(float[] a, float[] b, int m, int k, int n) {
    int mark = scratch.mark();
    int at = scratch.put(a);
    int bt = scratch.put(b);
    int to = scratch.take(4 * m * n);
    int result = Host.multiplyTransposed(at, a.length, bt, b.length, m, k, n, to);
    scratch.release(mark);
    check(result);
    return Scratch.floats(to, m * n);
  }

  /// Keeps a layer under a name of the realm's own.
  public void storeLayer(String model, int layer, byte[] data) {
    byte[] name = Scratch.utf8(model);
    int mark = scratch.mark();
    int result =
        Host.storeLayer(scratch.put(name), name.length, layer, scratch.put(data), data.length);
    scratch.release(mark);
    check(result);
  }

  public byte[] loadLayer(String model, int layer) {
    byte[] name = Scratch.utf8(model);
    int mark = scratch.mark();
    int at = scratch.put(name);
    try {
      return scratch.readBytes((to, cap) -> Host.loadLayer(at, name.length, layer, to, cap));
    } finally {
      scratch.release(mark);
    }
  }

  /// Bytes, layers, hits, misses, evictions, capacity.
  public long[] layerStats() {
    int mark = scratch.mark();
    int at = scratch.take(8 * STATS);
    int result = Host.layerStats(at, 8 * STATS);
    scratch.release(mark);
    check(result);
    long[] stats = new long[STATS];
    for (int i = 0; i < STATS; i++) {
      stats[i] = Arena.getLong(at + 8 * i);
    }
    return stats;
  }
}

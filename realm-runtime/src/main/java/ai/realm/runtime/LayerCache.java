package ai.realm.runtime;

import ai.realm.runtime.FileSpace.Extent;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Which of one tenant's layers are in memory: those used last, within the tenant's own share, whatever others
/// do. Where the host's memory has no room for the copy of one, it is read from its file meanwhile, which
/// costs time only. Used under the lock of [TenantLayers].
final class LayerCache {
  /// A layer in its file, and in memory perhaps.
  static final class Layer {
    final long bytes;
    final List<Extent> extents;
    private boolean counted;
    private @Nullable Arena arena;
    private @Nullable MemorySegment copy;

    Layer(long bytes, List<Extent> extents) {
      this.bytes = bytes;
      this.extents = extents;
    }

    /// Whether it counts as in memory.
    boolean isCached() {
      return counted;
    }

    @Nullable MemorySegment copy() {
      return copy;
    }
  }

  private volatile long share;
  private final MemoryBudget host;
  private long bytes;
  private long evictions;

  /// @param share the most bytes of the tenant's
  /// @param host bytes of all tenants' copies
  LayerCache(long share, MemoryBudget host) {
    this.share = share;
    this.host = host;
  }

  /// Goes on with another share. What is in memory beyond it leaves when the next layer comes.
  void share(long newShare) {
    share = newShare;
  }

  long share() {
    return share;
  }

  /// Bytes that count as in memory.
  long bytes() {
    return bytes;
  }

  long evictions() {
    return evictions;
  }

  /// Takes a layer in where it fits, at the cost of the `others` used longest ago; its copy is to be filled.
  void take(Layer layer, Iterable<Layer> others) {
    if (layer.bytes > share || layer.bytes == 0) {
      return;
    }
    Iterator<Layer> oldestFirst = others.iterator();
    while (bytes + layer.bytes > share && oldestFirst.hasNext()) {
      Layer oldest = oldestFirst.next();
      if (oldest.counted) {
        drop(oldest);
        evictions++;
      }
    }
    layer.counted = true;
    bytes += layer.bytes;
    if (host.take(layer.bytes)) {
      allocate(layer);
    }
  }

  private void allocate(Layer layer) {
    Arena arena = Arena.ofShared();
    try {
      layer.copy = arena.allocate(layer.bytes, 64);
      layer.arena = arena;
    } catch (OutOfMemoryError e) {
      // The system has less than the host was told: the file will do.
      arena.close();
      host.give(layer.bytes);
    }
  }

  /// Lets a layer out of memory.
  void drop(Layer layer) {
    if (layer.counted) {
      layer.counted = false;
      bytes -= layer.bytes;
    }
    Arena arena = layer.arena;
    if (arena != null) {
      arena.close();
      layer.arena = null;
      layer.copy = null;
      host.give(layer.bytes);
    }
  }
}

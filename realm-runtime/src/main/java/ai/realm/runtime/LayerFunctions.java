package ai.realm.runtime;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/// The low-level host functions: matrices in the guest's memory, and layers that a realm keeps in host
/// memory.
final class LayerFunctions {
  private static final int MAX_NAME_BYTES = 1024;

  /// Elements of the largest matrix that a guest may multiply on the host.
  private static final long MAX_MATRIX = 1L << 24;

  /// Multiplications of the largest product: some seconds on one core.
  private static final long MAX_PRODUCT = 1L << 32;

  private final GuestState state;

  LayerFunctions(GuestState state) {
    this.state = state;
  }

  /// `result (m, n) = a (m, k) · b`, where b is (k, n), or (n, k) when transposed.
  int matmul(GuestMemory memory, int[] x, boolean transposed) {
    int m = x[4];
    int k = x[5];
    int n = x[6];
    if (m < 1
        || k < 1
        || n < 1
        || (long) m * k > MAX_MATRIX
        || (long) k * n > MAX_MATRIX
        || (long) m * n > MAX_MATRIX
        || (long) m * n * k > MAX_PRODUCT
        || x[1] != m * k
        || x[3] != k * n) {
      return Errno.EINVAL;
    }
    memory.check(x[7], 4L * m * n);
    memory.check(x[0], 4L * x[1]);
    memory.check(x[2], 4L * x[3]);
    // The host's copies count as the guest's memory while they last.
    long copies = 4L * m * k + 4L * k * n + 4L * m * n;
    MemoryBudget budget = state.realm().memory();
    if (!budget.take(copies)) {
      state.call().refuse(Errno.EDQUOT, budget.refusal(copies));
      return Errno.EDQUOT;
    }
    try {
      return multiply(memory, x, transposed);
    } finally {
      budget.give(copies);
    }
  }

  private int multiply(GuestMemory memory, int[] x, boolean transposed) {
    int m = x[4];
    int k = x[5];
    int n = x[6];
    float[] a = memory.floats(x[0], x[1]);
    float[] b = memory.floats(x[2], x[3]);
    float[] result = new float[m * n];
    for (int i = 0; i < m; i++) {
      // A row at a time, so that a guest cannot hide from its deadline in here.
      if (Thread.currentThread().isInterrupted() || state.call().isCancelled()) {
        return Errno.ECANCELED;
      }
      if (transposed) {
        dots(a, i * k, k, b, n, result, i * n);
      } else {
        sums(a, i * k, k, b, n, result, i * n);
      }
    }
    memory.put(result, x[7], m * n);
    return 0;
  }

  /// A row of `a` with each row of `b`; four sums, so that additions need not wait for each other.
  private static void dots(float[] a, int row, int k, float[] b, int n, float[] result, int to) {
    for (int j = 0; j < n; j++) {
      float s0 = 0;
      float s1 = 0;
      float s2 = 0;
      float s3 = 0;
      int l = 0;
      for (; l < k - 3; l += 4) {
        s0 += a[row + l] * b[j * k + l];
        s1 += a[row + l + 1] * b[j * k + l + 1];
        s2 += a[row + l + 2] * b[j * k + l + 2];
        s3 += a[row + l + 3] * b[j * k + l + 3];
      }
      float sum = s0 + s1 + (s2 + s3);
      for (; l < k; l++) {
        sum += a[row + l] * b[j * k + l];
      }
      result[to + j] = sum;
    }
  }

  /// A row of `a` times `b`: rows of `b`, weighted and added, a loop that the JVM makes vectors of.
  private static void sums(float[] a, int row, int k, float[] b, int n, float[] result, int to) {
    for (int l = 0; l < k; l++) {
      float weight = a[row + l];
      int from = l * n;
      for (int j = 0; j < n; j++) {
        result[to + j] += weight * b[from + j];
      }
    }
  }

  /// `(model_ptr, model_len, layer, ptr, len)`.
  int storeLayer(GuestMemory memory, int[] a) {
    String model = layerName(memory, a);
    if (model == null) {
      return Errno.EINVAL;
    }
    byte[] data = memory.bytes(a[3], a[4]);
    try {
      state.realm().memory64().store(model, a[2], MemorySegment.ofArray(data));
      return 0;
    } catch (IllegalStateException e) {
      return Errno.EDQUOT;
    }
  }

  /// `(model_ptr, model_len, layer, ptr, cap)`; returns the layer's bytes.
  int loadLayer(GuestMemory memory, int[] a) {
    String model = layerName(memory, a);
    memory.check(a[3], a[4]);
    if (model == null) {
      return Errno.EINVAL;
    }
    long size = state.realm().memory64().size(model, a[2]);
    if (size < 0 || size > Integer.MAX_VALUE) {
      return size < 0 ? Errno.ENOENT : Errno.EMSGSIZE;
    }
    byte[] data = new byte[(int) Math.min(size, a[4])];
    state.realm().memory64().read(model, a[2], 0, MemorySegment.ofArray(data));
    memory.put(data, a[3], a[4]);
    return (int) size;
  }

  /// Layers are a realm's own: the name of another realm cannot be said.
  private @Nullable String layerName(GuestMemory memory, int[] a) {
    byte[] name = memory.bytes(a[0], Math.min(a[1], MAX_NAME_BYTES + 1));
    return name.length > MAX_NAME_BYTES
        ? null
        : state.realm().tenant().name() + '\0' + new String(name, StandardCharsets.UTF_8);
  }

  int cacheStats(GuestMemory memory, int[] a) {
    memory.check(a[0], a[1]);
    Memory64Stats stats = state.realm().memory64().stats();
    long[] values = {
      stats.residentBytes(),
      stats.layers(),
      stats.hits(),
      stats.misses(),
      stats.evictions(),
      stats.capacityBytes()
    };
    for (int i = 0; i < values.length && 8 * (i + 1) <= a[1]; i++) {
      memory.putLong(a[0] + 8 * i, values[i]);
    }
    return 8 * values.length;
  }
}

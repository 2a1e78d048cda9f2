package ai.realm.runtime;

import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/// The low-level host functions: matrices in the guest's memory, and layers that a realm keeps in host
/// memory.
final class LayerFunctions {

  /// Elements of the largest matrix that a guest may multiply on the host.
  private static final long MAX_MATRIX = 1L << 24;

  /// Multiplications of the largest product: some seconds on one core.
  private static final long MAX_PRODUCT = 1L << 32;

  private static final String[] SIZES = {"m", "k", "n"};
  private static final String AT_MOST = "%s: expected at most %d, found %d";

  private final GuestState state;

  LayerFunctions(GuestState state) {
    this.state = state;
  }

  /// `result (m, n) = a (m, k) · b`, where b is (k, n), or (n, k) when transposed.
  int matmul(GuestMemory memory, int[] x, boolean transposed) {
    int wrong = checkSizes(x);
    if (wrong < 0) {
      return wrong;
    }
    int m = x[4];
    int k = x[5];
    int n = x[6];
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

  /// 0, or `EINVAL` with the size that is wrong.
  private int checkSizes(int[] x) {
    for (int i = 4; i < 7; i++) {
      if (x[i] < 1) {
        return size("%s: expected at least %d, found %d", SIZES[i - 4], 1, x[i]);
      }
    }
    long m = x[4];
    long k = x[5];
    long n = x[6];
    if (m * k > MAX_MATRIX) {
      return size(AT_MOST, "m * k", MAX_MATRIX, m * k);
    }
    if (k * n > MAX_MATRIX) {
      return size(AT_MOST, "k * n", MAX_MATRIX, k * n);
    }
    if (m * n > MAX_MATRIX) {
      return size(AT_MOST, "m * n", MAX_MATRIX, m * n);
    }
    if (m * n * k > MAX_PRODUCT) {
      return size(AT_MOST, "m * n * k", MAX_PRODUCT, m * n * k);
    }
    if (x[1] != m * k) {
      return size("%s: expected m * k = %d, found %d", "a_len", m * k, x[1]);
    }
    return x[3] == k * n ? 0 : size("%s: expected k * n = %d, found %d", "b_len", k * n, x[3]);
  }

  private int size(String format, String name, long bound, long found) {
    return state.wrong(Errno.EINVAL, format, name, bound, found);
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
    memory.check(a[3], a[4]);
    if (model == null) {
      return nameTooLong(a[1]);
    }
    Call call = state.call();
    memory.reads(a[3], a[4]);
    try {
      state
          .realm()
          .layers()
          .store(
              model,
              a[2],
              a[4],
              (offset, piece, n) -> memory.bytes(a[3] + (int) offset, n, piece),
              LayerWait.of(call));
      return 0;
    } catch (LimitException e) {
      call.refuse(Errno.EDQUOT, e);
      return Errno.EDQUOT;
    } catch (LayerException e) {
      if (isCancelled(e)) {
        return Errno.ECANCELED;
      }
      // Most likely the disk is full; the layer before is still there, and the caller learns the
      // reason.
      call.refuse(Errno.EDQUOT, e);
      return Errno.EDQUOT;
    }
  }

  /// `(model_ptr, model_len, layer, ptr, cap)`; returns the layer's bytes.
  int loadLayer(GuestMemory memory, int[] a) {
    String model = layerName(memory, a);
    memory.check(a[3], a[4]);
    if (model == null) {
      return nameTooLong(a[1]);
    }
    try {
      long size =
          state
              .realm()
              .layers()
              .load(
                  model,
                  a[2],
                  a[4],
                  (offset, piece, n) -> memory.put(piece, a[3] + (int) offset, n),
                  LayerWait.of(state.call()));
      return size < 0 ? Errno.ENOENT : Math.toIntExact(size);
    } catch (LayerException e) {
      if (isCancelled(e)) {
        return Errno.ECANCELED;
      }
      throw e;
    }
  }

  private int nameTooLong(int length) {
    return state.wrong(
        Errno.EINVAL,
        "model_len: expected at most %d, found %d",
        HostFunctions.MAX_NAME_BYTES,
        length);
  }

  private static boolean isCancelled(LayerException e) {
    return e.code().equals("LAYER_CANCELLED");
  }

  /// A name byte by byte, whatever text it is; null for one that is too long.
  private static @Nullable String layerName(GuestMemory memory, int[] a) {
    memory.check(a[0], a[1]);
    return a[1] > HostFunctions.MAX_NAME_BYTES
        ? null
        : new String(memory.bytes(a[0], a[1]), StandardCharsets.ISO_8859_1);
  }

  int cacheStats(GuestMemory memory, int[] a) {
    memory.check(a[0], a[1]);
    Memory64Stats stats;
    try {
      stats = state.realm().layers().stats(LayerWait.of(state.call()));
    } catch (LayerException e) {
      return Errno.ECANCELED;
    }
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

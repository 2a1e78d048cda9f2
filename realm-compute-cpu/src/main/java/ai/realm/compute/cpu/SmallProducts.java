package ai.realm.compute.cpu;

import ai.realm.tensor.BlockCodec;
import java.lang.foreign.MemorySegment;

/// Products with small matrices in plain loops. The Vector API is slow until C2 has compiled its
/// kernels, a second or so in which a small model could have answered; plain loops are fast enough from
/// the start. Chosen by shape alone, so that equal calls give equal results.
///
/// Used by one thread at a time.
final class SmallProducts {
  /// Weights of one call below which plain loops are taken.
  private static final long MAX_WEIGHTS = 1 << 19;

  /// Multiply-adds of one call below which plain loops are taken.
  private static final long MAX_WORK = 1 << 24;

  /// Multiply-adds of one chunk.
  private static final long CHUNK_WORK = 1 << 16;

  private final WorkerPool pool;
  private final Scratch[] scratch;
  private final WorkerPool.Task task = this::chunk;
  private float[] inputs = new float[0];
  private VectorWeights[] weights = new VectorWeights[0];
  private BlockCodec[] codecs = new BlockCodec[0];
  private MemorySegment[] outs = new MemorySegment[0];
  private int[] firstChunk = new int[0];
  private int matrices;
  private int n;
  private int cols;
  private int chunkRows;

  SmallProducts(WorkerPool pool, Scratch[] scratch) {
    this.pool = pool;
    this.scratch = scratch;
  }

  /// Whether products of `n` inputs with this many weights are small.
  static boolean isSmall(long weights, int n) {
    return weights < MAX_WEIGHTS && weights * n < MAX_WORK;
  }

  /// Computes the products of the first `matrices` of `ws` with `n` rows of `x`.
  void run(
      VectorWeights[] ws, MemorySegment[] outs, int matrices, MemorySegment x, int n, int cols) {
    weights = ws;
    this.outs = outs;
    this.matrices = matrices;
    this.n = n;
    this.cols = cols;
    if (inputs.length < n * cols) {
      inputs = new float[n * cols];
    }
    MemorySegment.copy(x, Lanes.FLOAT, 0, inputs, 0, n * cols);
    if (codecs.length < matrices) {
      codecs = new BlockCodec[matrices];
      firstChunk = new int[matrices];
    }
    chunkRows = (int) Math.max(1, CHUNK_WORK / ((long) cols * n));
    int chunks = 0;
    for (int m = 0; m < matrices; m++) {
      codecs[m] = BlockCodec.of(ws[m].type());
      firstChunk[m] = chunks;
      chunks += Math.ceilDiv(ws[m].rows(), chunkRows);
    }
    pool.run(task, chunks);
  }

  private void chunk(int chunk, int worker) {
    int m = matrices - 1;
    while (firstChunk[m] > chunk) {
      m--;
    }
    VectorWeights w = weights[m];
    float[] row = scratch[worker].floats(cols);
    int from = (chunk - firstChunk[m]) * chunkRows;
    int to = Math.min(w.rows(), from + chunkRows);
    for (int r = from; r < to; r++) {
      codecs[m].dequantize(w.tensor().data(), r * w.rowBytes(), row, 0, cols);
      for (int i = 0; i < n; i++) {
        outs[m].set(
            Lanes.FLOAT, ((long) i * w.rows() + r) * Float.BYTES, dot(row, inputs, i * cols, cols));
      }
    }
  }

  /// Eight running sums, so that additions do not wait for each other.
  private static float dot(float[] row, float[] x, int at, int count) {
    float a = 0;
    float b = 0;
    float c = 0;
    float d = 0;
    float e = 0;
    float f = 0;
    float g = 0;
    float h = 0;
    int k = 0;
    for (; k + 8 <= count; k += 8) {
      a += row[k] * x[at + k];
      b += row[k + 1] * x[at + k + 1];
      c += row[k + 2] * x[at + k + 2];
      d += row[k + 3] * x[at + k + 3];
      e += row[k + 4] * x[at + k + 4];
      f += row[k + 5] * x[at + k + 5];
      g += row[k + 6] * x[at + k + 6];
      h += row[k + 7] * x[at + k + 7];
    }
    for (; k < count; k++) {
      a += row[k] * x[at + k];
    }
    return a + e + (b + f) + (c + g + (d + h));
  }
}

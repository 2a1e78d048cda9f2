package ai.realm.compute.cpu;

import ai.realm.tensor.GgmlType;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/// Products of one input with several packed matrices: the input is quantized once for each form that
/// the matrices' types read, then all threads take runs of panels of all matrices. panel.h has the
/// forms. Allocates nothing once its scratch memory has grown to the largest step.
final class NativeMatmul implements AutoCloseable {
  private static final int PANEL = 16;
  private static final int FORM_F32 = 0;
  private static final int FORM_A32 = 1;
  private static final int FORM_A256 = 2;
  private static final int FORM_TILES = 3;

  /// Tiles in two parts: F16 and BF16 weights keep their precision.
  private static final int FORM_SPLIT_TILES = 4;

  private static final int FORMS = 5;

  /// Tokens that one chunk of quantization takes: whole tiles for every variant's tile size.
  private static final int TOKENS_PER_CHUNK = 24;

  /// Inputs below this many floats are quantized by the caller alone.
  private static final long QUANTIZE_ALONE = 16_384;

  /// Runs of panels per thread: enough that a thread which was held back leaves little behind.
  private static final int CHUNKS_PER_THREAD = 8;

  /// Tokens from which the tile registers beat the byte dot products.
  private static final int TILES_FROM = 16;

  /// Panels that one chunk of a tiled product takes at least, so that the inputs, which each chunk
  /// reads anew, come from the cache for most of its work.
  private static final int TILED_PANELS = 8;

  private final NativeKernels kernels;
  private final NativeKernels.@Nullable Tiles tiles;
  private final NativePacking packing;
  private final WorkerPool pool;
  private final ReadAhead ahead;
  private final boolean repack;
  private final NativeScratch[] inputs = new NativeScratch[FORMS];
  private final NativeScratch[] workers;
  private final long[] inputAddress = new long[FORMS];
  private final MethodHandle[] byType = new MethodHandle[GgmlType.values().length];
  private final WorkerPool.Task quantizeTask = this::quantizeChunk;
  private final WorkerPool.Task productTask = this::productChunk;

  // The product in progress.
  private PackedWeights[] matrices = new PackedWeights[0];
  private long[] outs = new long[0];
  private int[] chunkEnd = new int[0];
  private int count;
  private long x;
  private int n;
  private int cols;
  private int form;

  /// @param tiles of the CPU, where they are to be used: they round otherwise than the kernels for fewer tokens
  NativeMatmul(
      NativeKernels kernels,
      NativeKernels.@Nullable Tiles tiles,
      NativePacking packing,
      WorkerPool pool,
      boolean repack) {
    this.kernels = kernels;
    this.tiles = tiles;
    this.packing = packing;
    this.pool = pool;
    this.repack = repack;
    ahead =
        new ReadAhead(
            kernels.memory().fetch(),
            pool.threads(),
            w -> kernels.packedBytes(w.packedType(), w.cols(), 1));
    pool.whileIdle(ahead);
    kernels.products().byType().forEach((type, handle) -> byType[type.ordinal()] = handle);
    for (int i = 0; i < FORMS; i++) {
      inputs[i] = new NativeScratch();
    }
    workers = new NativeScratch[pool.threads()];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new NativeScratch();
    }
  }

  /// Begins a product with `total` matrices over the floats at `input (tokens, columns)`.
  void begin(int total, long input, int tokens, int columns) {
    if (matrices.length < total) {
      matrices = new PackedWeights[total];
      outs = new long[total];
    }
    count = 0;
    x = input;
    n = tokens;
    cols = columns;
  }

  /// Adds a matrix and the floats that its product goes to, `(tokens, rows)`.
  void add(PackedWeights weights, long out) {
    matrices[count] = weights;
    outs[count++] = out;
  }

  /// Computes the products.
  void run() {
    int panels = 0;
    for (int m = 0; m < count; m++) {
      if (repack && matrices[m].address() == 0) {
        packing.pack(matrices[m]);
      }
      panels += Math.ceilDiv(matrices[m].rows(), PANEL);
    }
    for (form = 0; form < FORMS; form++) {
      for (int m = 0; m < count; m++) {
        if (formOf(matrices[m].packedType()) == form) {
          quantize();
          break;
        }
      }
    }
    int chunks;
    if (isTiled(widest())) {
      chunks = evenChunks(panels);
      ahead.end();
    } else {
      chunks = taperedChunks(panels);
      ahead.begin(matrices, count, chunkEnd, chunks);
    }
    pool.run(productTask, chunks);
  }

  /// The form in which products with panels of a type read their input.
  private int formOf(GgmlType type) {
    if (n >= TILES_FROM && tiles != null && type != GgmlType.F32) {
      return type.isQuantized() ? FORM_TILES : FORM_SPLIT_TILES;
    }
    return switch (type) {
      case Q8_0, Q4_0 -> FORM_A32;
      case Q4_K, Q5_K, Q6_K -> FORM_A256;
      default -> FORM_F32;
    };
  }

  /// The greatest form that any of the matrices reads.
  private int widest() {
    int widest = 0;
    for (int m = 0; m < count; m++) {
      widest = Math.max(widest, formOf(matrices[m].packedType()));
    }
    return widest;
  }

  private int evenChunks(int panels) {
    int size =
        Math.min(
            Math.max(panels / (pool.threads() * CHUNKS_PER_THREAD), TILED_PANELS),
            Math.ceilDiv(panels, pool.threads()));
    int chunks = Math.ceilDiv(panels, size);
    chunkEnds(chunks);
    for (int i = 0; i < chunks; i++) {
      chunkEnd[i] = Math.min(panels, (i + 1) * size);
    }
    return chunks;
  }

  private int taperedChunks(int panels) {
    chunkEnds(TaperedChunks.most(pool.threads()));
    return TaperedChunks.split(panels, pool.threads(), chunkEnd);
  }

  private void chunkEnds(int chunks) {
    if (chunkEnd.length < chunks) {
      chunkEnd = new int[chunks];
    }
  }

  private long inputBytes() {
    return switch (form) {
      case FORM_A32 -> (long) n * (cols / 32) * 44;
      case FORM_A256 -> (long) n * (cols / 256) * 340;
      case FORM_TILES -> tileBytes();
      case FORM_SPLIT_TILES -> 2 * tileBytes();
      default -> (long) n * cols * Float.BYTES;
    };
  }

  /// BF16, to whole tiles of 32 columns and pairs of tiles of 16 tokens.
  private long tileBytes() {
    return Math.ceilDiv(n, 32) * 32L * Math.ceilDiv(cols, 32) * 32 * Short.BYTES;
  }

  private static boolean isTiled(int form) {
    return form == FORM_TILES || form == FORM_SPLIT_TILES;
  }

  private void quantize() {
    inputAddress[form] = inputs[form].atLeast(inputBytes()).address();
    if ((long) n * cols < QUANTIZE_ALONE) {
      quantizeTokens(0, n);
    } else {
      pool.run(quantizeTask, Math.ceilDiv(n, tokensPerChunk()));
    }
  }

  private int tokensPerChunk() {
    return isTiled(form) ? 32 : TOKENS_PER_CHUNK;
  }

  private void quantizeChunk(int chunk, int worker) {
    int first = chunk * tokensPerChunk();
    quantizeTokens(first, Math.min(n, first + tokensPerChunk()));
  }

  private void quantizeTokens(long first, long last) {
    try {
      if (isTiled(form) && tiles != null) {
        long split = form == FORM_SPLIT_TILES ? 1 : 0;
        tiles
            .arrange()
            .invokeExact(x, (long) n, (long) cols, inputAddress[form], first, last, split);
      } else {
        kernels
            .products()
            .quantize()
            .invokeExact((long) form, x, (long) n, (long) cols, inputAddress[form], first, last);
      }
    } catch (Throwable t) {
      throw NativeKernels.failed(t);
    }
  }

  private void productChunk(int chunk, int worker) {
    int from = chunk == 0 ? 0 : chunkEnd[chunk - 1];
    int to = chunkEnd[chunk];
    int begin = 0;
    for (int m = 0; m < count && begin < to; m++) {
      int end = begin + Math.ceilDiv(matrices[m].rows(), PANEL);
      if (end > from) {
        product(m, Math.max(from, begin) - begin, Math.min(to, end) - begin, worker);
      }
      begin = end;
    }
  }

  /// Panels [first, last) of matrix `m`.
  private void product(int m, int first, int last, int worker) {
    PackedWeights weights = matrices[m];
    long address = weights.address();
    if (address != 0) {
      multiply(weights, address, weights.rows(), outs[m], first, last, worker);
      return;
    }
    // Not repacked for good: panel by panel, as the weights lie in the file.
    long bytes = kernels.packedBytes(weights.packedType(), cols, 1);
    long panel = workers[worker].atLeast(bytes + TILE_SCRATCH).address();
    for (int p = first; p < last; p++) {
      packing.packOne(weights, panel, p);
      int rows = weights.rows() - p * PANEL;
      multiply(weights, panel, rows, outs[m] + (long) p * PANEL * Float.BYTES, 0, 1, worker);
    }
  }

  /// Scratch of a tiled product: the widened panels and the sums, see amx.c.
  private static final long TILE_SCRATCH = 1 << 20;

  private void multiply(
      PackedWeights weights, long panels, long rows, long out, long first, long last, int worker) {
    long stride = weights.rows();
    try {
      int read = formOf(weights.packedType());
      if (isTiled(read) && tiles != null) {
        long bytes = kernels.packedBytes(weights.packedType(), cols, 1);
        long scratch = workers[worker].atLeast(bytes + TILE_SCRATCH).address() + bytes;
        tiles
            .multiply()
            .invokeExact(
                (long) weights.packedType().id(),
                panels,
                (long) cols,
                rows,
                inputAddress[read],
                (long) n,
                out,
                stride,
                first,
                last,
                (scratch + 63) & -64L);
      } else {
        byType[weights.packedType().ordinal()].invokeExact(
            panels, (long) cols, rows, inputAddress[read], (long) n, out, stride, first, last);
      }
    } catch (Throwable t) {
      throw NativeKernels.failed(t);
    }
  }

  @Override
  public void close() {
    for (NativeScratch scratch : inputs) {
      scratch.close();
    }
    for (NativeScratch scratch : workers) {
      scratch.close();
    }
  }
}

package ai.realm.compute.cpu;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// Matrix products of the vector backend: several matrices over one input, shared out over the worker
/// pool by rows of weights. One or two inputs run along rows; more are packed and multiplied panel by
/// panel, so that each weight is unpacked once for all of them.
///
/// Used by one thread at a time; the workers see what it prepared through the pool's barrier.
final class VectorMatmul {
  /// With more inputs than this, panels are faster than reading the rows once per input.
  private static final int MAX_ROW_INPUTS = 2;

  /// Most panels that share a run of the inputs' columns while it is in the second-level cache.
  private static final int MAX_PANELS = 4;

  /// Chunks of panels per thread, at least: so that all end together.
  private static final int CHUNKS_PER_THREAD = 4;

  /// Weights of the rows that two inputs share.
  private static final long CACHED_BYTES = 48 * 1024;

  private final WorkerPool pool;
  private final Scratch[] scratch;
  private final boolean plainWhenSmall;
  private final int maxRowInputs;
  private final SmallProducts small;
  private final Input[] inputs = new Input[MAX_ROW_INPUTS];
  private final WorkerPool.Task rowTask = this::rowChunk;
  private final WorkerPool.Task panelTask = this::panelChunk;
  private final WorkerPool.Task packTask = this::packGroup;

  // The product under way.
  private VectorWeights[] weights = new VectorWeights[0];
  private MemorySegment[] outs = new MemorySegment[0];

  /// Where chunks along rows end, counted over the rows of all matrices.
  private final int[] chunkEnd;

  /// Rows of what chunks along rows consist of.
  private int unitRows = 1;

  private int[] firstChunk = new int[0];

  /// Rows of a chunk of panels.
  private int chunkRows = VectorKernel.PANEL_ROWS;

  private int matrices;
  private int n;
  private int cols;
  private MemorySegment x = MemorySegment.NULL;
  private float[] packed = new float[0];

  /// @param batchInvariant whether one input must be summed as many are: by panels, however few there are
  VectorMatmul(WorkerPool pool, Scratch[] scratch, boolean plainWhenSmall, boolean batchInvariant) {
    maxRowInputs = batchInvariant ? 0 : MAX_ROW_INPUTS;
    this.plainWhenSmall = plainWhenSmall;
    this.pool = pool;
    this.scratch = scratch;
    chunkEnd = new int[TaperedChunks.most(pool.threads())];
    small = new SmallProducts(pool, scratch);
    for (int i = 0; i < inputs.length; i++) {
      inputs[i] = new Input();
    }
  }

  /// Begins a product over `n` rows of `x` with `cols` columns.
  void begin(MemorySegment x, int n, int cols) {
    this.x = x;
    this.n = n;
    this.cols = cols;
    matrices = 0;
  }

  /// Adds a matrix whose product goes to `out`.
  void add(VectorWeights w, MemorySegment out) {
    if (matrices == weights.length) {
      int room = matrices + 4;
      weights = Arrays.copyOf(weights, room);
      outs = Arrays.copyOf(outs, room);
      firstChunk = new int[room];
    }
    weights[matrices] = w;
    outs[matrices] = out;
    matrices++;
  }

  /// Computes what was begun.
  void run() {
    long count = 0;
    boolean rows = n <= maxRowInputs;
    for (int i = 0; i < matrices; i++) {
      rows &= weights[i].kernel().readsRows();
      count += (long) weights[i].rows() * cols;
    }
    if (plainWhenSmall && SmallProducts.isSmall(count, n)) {
      small.run(weights, outs, matrices, x, n, cols);
    } else if (rows) {
      alongRows();
    } else {
      byPanels();
    }
    x = MemorySegment.NULL;
    Arrays.fill(outs, 0, matrices, MemorySegment.NULL);
  }

  private void alongRows() {
    boolean over16 = false;
    boolean over32 = false;
    unitRows = 1;
    for (int i = 0; i < matrices; i++) {
      VectorWeights w = weights[i];
      over16 |= w.kernel().sumLength() == 16;
      over32 |= w.kernel().sumLength() == 32;
      if (w.interleaved() != null) {
        unitRows = Interleaved.GROUP_ROWS;
      }
    }
    int units = 0;
    for (int i = 0; i < matrices; i++) {
      units += Math.ceilDiv(weights[i].rows(), unitRows);
    }
    for (int i = 0; i < n; i++) {
      inputs[i].set(
          x.asSlice((long) i * cols * Float.BYTES, (long) cols * Float.BYTES).address(),
          cols,
          over16,
          over32);
    }
    pool.run(rowTask, TaperedChunks.split(units, pool.threads(), chunkEnd));
  }

  private void rowChunk(int chunk, int worker) {
    int from = chunk == 0 ? 0 : chunkEnd[chunk - 1];
    int to = chunkEnd[chunk];
    int begin = 0;
    for (int m = 0; m < matrices && begin < to; m++) {
      int end = begin + Math.ceilDiv(weights[m].rows(), unitRows);
      if (end > from) {
        int first = (Math.max(from, begin) - begin) * unitRows;
        int last = Math.min(weights[m].rows(), (Math.min(to, end) - begin) * unitRows);
        Interleaved interleaved = weights[m].interleaved();
        if (interleaved == null) {
          rows(m, first, last, worker);
        } else {
          panels(m, interleaved, first, last, scratch[worker]);
        }
      }
      begin = end;
    }
  }

  /// Rows [first, last) of a rearranged matrix, `first` at the begin of a group of panels.
  private void panels(int m, Interleaved interleaved, int first, int last, Scratch memory) {
    VectorWeights w = weights[m];
    long[] panels = memory.panels;
    for (int from = first; from < last; from += Interleaved.GROUP_ROWS) {
      for (int s = 0; s < Interleaved.STREAMS; s++) {
        panels[s] = w.panel(interleaved, from / Lanes.COUNT + s);
      }
      int rows = Math.min(Interleaved.GROUP_ROWS, last - from);
      interleaved.unpackHeads(panels, cols, memory);
      for (int i = 0; i < n; i++) {
        interleaved.multiply(panels, cols, inputs[i], memory, memory.group);
        long to = ((long) i * w.rows() + from) * Float.BYTES;
        MemorySegment.copy(memory.group, 0, outs[m], Lanes.FLOAT, to, rows);
      }
    }
  }

  /// Rows [first, last) of matrix `m`. Several inputs take turns on a few rows, which stay in the cache.
  private void rows(int m, int first, int last, int worker) {
    VectorWeights w = weights[m];
    int run = n == 1 ? last - first : (int) Math.max(1, CACHED_BYTES / w.rowBytes());
    for (int from = first; from < last; from += run) {
      for (int i = 0; i < n; i++) {
        w.kernel()
            .multiply(
                w.address() + from * w.rowBytes(),
                w.rowBytes(),
                Math.min(run, last - from),
                cols,
                inputs[i],
                scratch[worker],
                outs[m],
                ((long) i * w.rows() + from) * Float.BYTES);
      }
    }
  }

  private void byPanels() {
    int groups = Math.ceilDiv(n, Panels.TOKENS);
    int floats = Math.toIntExact((long) groups * Panels.TOKENS * cols);
    if (packed.length < floats) {
      packed = new float[floats];
    }
    int panels = 0;
    for (int i = 0; i < matrices; i++) {
      panels += Math.ceilDiv(weights[i].rows(), VectorKernel.PANEL_ROWS);
    }
    int perChunk = Math.clamp(panels / (pool.threads() * CHUNKS_PER_THREAD), 1, MAX_PANELS);
    chunkRows = perChunk * VectorKernel.PANEL_ROWS;
    int chunks = 0;
    for (int i = 0; i < matrices; i++) {
      firstChunk[i] = chunks;
      chunks += Math.ceilDiv(weights[i].rows(), chunkRows);
    }
    pool.run(packTask, groups);
    pool.run(panelTask, chunks);
  }

  private void packGroup(int group, int worker) {
    int first = group * Panels.TOKENS;
    long rowBytes = (long) cols * Float.BYTES;
    Panels.pack(
        x,
        first * rowBytes,
        rowBytes,
        Math.min(Panels.TOKENS, n - first),
        cols,
        packed,
        first * cols);
  }

  private void panelChunk(int chunk, int worker) {
    int matrix = matrixOf(chunk);
    VectorWeights w = weights[matrix];
    Scratch memory = scratch[worker];
    int begin = (chunk - firstChunk[matrix]) * chunkRows;
    int end = Math.min(begin + chunkRows, w.rows());
    for (int col = 0; col < cols; col += VectorKernel.PANEL_COLUMNS) {
      int count = Math.min(VectorKernel.PANEL_COLUMNS, cols - col);
      for (int first = begin; first < end; first += VectorKernel.PANEL_ROWS) {
        int rows = Math.min(VectorKernel.PANEL_ROWS, end - first);
        expand(w, first, rows, col, count, memory);
        for (int token = 0; token < n; token += Panels.TOKENS) {
          tile(w, outs[matrix], first, rows, token, col, count, memory);
        }
      }
    }
  }

  private static void expand(
      VectorWeights w, int first, int rows, int col, int count, Scratch memory) {
    Interleaved interleaved = w.interleaved();
    long column = w.type().byteSize(col);
    for (int r = 0; r < rows; r += Lanes.COUNT) {
      long to = r == 0 ? 0 : Lanes.BYTES;
      if (interleaved != null) {
        long panel = w.panel(interleaved, (first + r) / Lanes.COUNT);
        interleaved.expand(panel, w.cols(), col, count, memory, to);
        continue;
      }
      w.kernel()
          .expand(
              w.address() + (first + r) * w.rowBytes() + column,
              w.rowBytes(),
              Math.min(rows - r, Lanes.COUNT),
              count,
              memory,
              to);
    }
  }

  /// Up to 8 inputs times the panel's columns.
  private void tile(
      VectorWeights w,
      MemorySegment out,
      int first,
      int rows,
      int token,
      int col,
      int count,
      Scratch memory) {
    int tokens = Math.min(Panels.TOKENS, n - token);
    int packedAt = token * cols + col * Panels.TOKENS;
    long rowBytes = (long) w.rows() * Float.BYTES;
    long outAt = token * rowBytes + (long) first * Float.BYTES;
    boolean whole = rows == VectorKernel.PANEL_ROWS && (tokens == Panels.TOKENS || tokens == 4);
    if (!whole && col > 0) {
      // Sums go on from what is there, as in whole tiles: the same whichever rows make a tile.
      for (int t = 0; t < tokens; t++) {
        long from = outAt + t * rowBytes;
        MemorySegment.copy(out, from, memory.tile, t * VectorKernel.PANEL_STRIDE, bytes(rows));
      }
    }
    Panels.multiply(
        tokens,
        memory.panel,
        0,
        VectorKernel.PANEL_STRIDE,
        packed,
        packedAt,
        count,
        whole ? out : memory.tile,
        whole ? outAt : 0,
        whole ? rowBytes : VectorKernel.PANEL_STRIDE,
        col > 0);
    if (!whole) {
      for (int t = 0; t < tokens; t++) {
        long to = outAt + t * rowBytes;
        MemorySegment.copy(memory.tile, t * VectorKernel.PANEL_STRIDE, out, to, bytes(rows));
      }
    }
  }

  private static long bytes(int floats) {
    return (long) floats * Float.BYTES;
  }

  private int matrixOf(int chunk) {
    int i = matrices - 1;
    while (firstChunk[i] > chunk) {
      i--;
    }
    return i;
  }
}

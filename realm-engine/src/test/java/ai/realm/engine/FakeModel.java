package ai.realm.engine;

import ai.realm.compute.Activation;
import ai.realm.compute.Adapter;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Backend;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvLayout;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import ai.realm.model.CausalLm;
import ai.realm.model.ForwardPass;
import ai.realm.model.ModelConfig;
import ai.realm.model.Pooling;
import ai.realm.tensor.Tensor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// A model whose next token is a hash of all tokens before it, read back from the KV blocks: any error
/// in paging, sharing or copying changes the answer. With running state the hash goes from step to step through
/// the blocks, as a recurrent model's state does. Each row takes a fixed time, if one is set.
final class FakeModel implements CausalLm {
  static final int VOCABULARY = 100;
  static final int WIDTH = 5;

  final int contextLength;
  final FakeBackend backend = new FakeBackend();

  /// Rows per sequence of each step, as `tenant-independent` evidence of what was batched.
  final List<int[]> steps = new ArrayList<>();

  /// Running state per KV block, as recurrent models have.
  volatile int stateFloats;

  /// Whether it only gives embeddings.
  volatile boolean encoder;

  volatile long nanosPerRow;
  volatile @Nullable RuntimeException failNext;
  volatile @Nullable Error errorNext;

  /// Fails the next step when all of it is written.
  volatile @Nullable RuntimeException failWritten;

  /// Whether many tokens are likely, not one.
  volatile boolean manyLikely;

  FakeModel(int contextLength) {
    this.contextLength = contextLength;
  }

  /// Sizes of an engine for this model; up to 64 requests wait.
  static EngineConfig.Builder sizes(int maxRows, int maxSequences, int blockSize, int blocks) {
    return EngineConfig.builder()
        .maxRows(maxRows)
        .maxSequences(maxSequences)
        .blockSize(blockSize)
        .kvPositions((long) blocks * blockSize)
        .kvType(KvType.F32)
        .maxQueuedRequests(64)
        .maxStallMillis(50);
  }

  /// Remembers each token as `shift` more: whoever reads another's blocks answers wrongly.
  record FakeAdapter(String name, int shift) implements Adapter {
    static int shift(@Nullable Adapter adapter) {
      return adapter instanceof FakeAdapter fake ? fake.shift : 0;
    }

    @Override
    public void close() {}
  }

  /// The token that follows `tokens[0, n)`.
  static int next(int[] tokens, int n) {
    return (Arrays.hashCode(Arrays.copyOf(tokens, n)) & 0x7fffffff) % VOCABULARY;
  }

  /// The token that follows `tokens[0, n)` in a model with running state.
  static int nextByState(int[] tokens, int n) {
    int state = 0;
    for (int i = 0; i < n; i++) {
      state = advance(state, tokens[i]);
    }
    return state % VOCABULARY;
  }

  /// Exact as a float.
  private static int advance(int state, int token) {
    return (state * 31 + token + 7) % 1_000_003;
  }

  @Override
  public ModelConfig config() {
    return new ModelConfig(
        "fake", 1, WIDTH, VOCABULARY, contextLength, Pooling.NONE, !encoder, stateFloats > 0);
  }

  @Override
  public KvLayout kvLayout(int blockSize, KvType type) {
    return new KvLayout(1, 1, 1, 1, blockSize, KvType.F32, stateFloats);
  }

  @Override
  public ForwardPass newForwardPass(int maxRows, int maxSequences) {
    return new ForwardPass() {
      private float[] states = new float[0];

      @Override
      public Buffer forward(Batch batch, KvStore kv) {
        Buffer logits = step(batch, (FakeKv) kv);
        states = states(batch, (FakeKv) kv);
        return logits;
      }

      @Override
      public Buffer hidden(int firstRow, int count) {
        return new FakeBuffer(
            Arrays.copyOfRange(states, firstRow * WIDTH, (firstRow + count) * WIDTH));
      }

      @Override
      public void close() {}
    };
  }

  /// What hides behind `tokens[0, n)`.
  static float[] hidden(int[] tokens, int n) {
    float[] row = new float[WIDTH];
    for (int i = 0; i < WIDTH; i++) {
      row[i] = next(tokens, n) * (i + 1) % 37 - 11;
    }
    return row;
  }

  private static float[] states(Batch batch, FakeKv kv) {
    float[] states = new float[batch.rows() * WIDTH];
    for (int s = 0; s < batch.sequences(); s++) {
      for (int i = 0; i < batch.rows(s); i++) {
        int row = batch.firstRow(s) + i;
        int[] history = history(batch, kv, s, batch.positions()[row]);
        System.arraycopy(hidden(history, history.length), 0, states, row * WIDTH, WIDTH);
      }
    }
    return states;
  }

  private static int[] history(Batch batch, FakeKv kv, int s, int position) {
    int[] blocks = batch.blockTable(s);
    int[] history = new int[position + 1];
    for (int p = 0; p <= position; p++) {
      history[p] = kv.tokens[blocks[p / kv.blockSize]][p % kv.blockSize];
    }
    return history;
  }

  private Buffer step(Batch batch, FakeKv kv) {
    Error error = errorNext;
    if (error != null) {
      errorNext = null;
      throw error;
    }
    RuntimeException failure = failNext;
    if (failure != null) {
      failNext = null;
      throw failure;
    }
    if (nanosPerRow > 0) {
      long until = System.nanoTime() + nanosPerRow * batch.rows();
      while (System.nanoTime() < until) {
        LockSupport.parkNanos(until - System.nanoTime());
      }
    }
    int[] sizes = new int[batch.sequences()];
    float[] logits = new float[batch.outputs() * VOCABULARY];
    int out = 0;
    for (int s = 0; s < batch.sequences(); s++) {
      sizes[s] = batch.rows(s);
      int[] blocks = batch.blockTable(s);
      int state = stateFloats > 0 ? stateBefore(batch, kv, s) : 0;
      for (int i = 0; i < batch.rows(s); i++) {
        int row = batch.firstRow(s) + i;
        int position = batch.positions()[row];
        kv.tokens[blocks[position / kv.blockSize]][position % kv.blockSize] =
            batch.tokens()[row] + FakeAdapter.shift(batch.adapter(s));
        if (stateFloats > 0) {
          state = advance(state, batch.tokens()[row]);
          if (i == batch.rows(s) - 1 || (position + 1) % kv.blockSize == 0) {
            kv.writeState(blocks[position / kv.blockSize], 0, new float[] {state}, 1);
          }
        }
        if (out < batch.outputs() && batch.outputRows()[out] == row) {
          int[] history = history(batch, kv, s, position);
          int next = stateFloats > 0 ? state % VOCABULARY : next(history, history.length);
          putLogits(logits, out * VOCABULARY, next);
          out++;
        }
      }
    }
    failure = failWritten;
    if (failure != null) {
      failWritten = null;
      throw failure;
    }
    synchronized (steps) {
      steps.add(sizes);
    }
    return new FakeBuffer(logits);
  }

  private static int stateBefore(Batch batch, FakeKv kv, int s) {
    int position = batch.firstPosition(s);
    float[] state = new float[1];
    if (position > 0) {
      kv.readState(batch.blockTable(s)[(position - 1) / kv.blockSize], 0, state, 1);
    }
    return (int) state[0];
  }

  private void putLogits(float[] logits, int at, int next) {
    for (int t = 0; manyLikely && t < VOCABULARY; t++) {
      logits[at + t] = Math.floorMod(t * 37 + next * 11, 53) / 8f;
    }
    logits[at + next] = 10;
  }

  @Override
  public void close() {}

  record FakeBuffer(float[] floats) implements Buffer {
    @Override
    public long size() {
      return floats.length;
    }

    @Override
    public Buffer view(long offset, long size) {
      throw new AssertionError("not used by the engine");
    }

    @Override
    public void close() {}
  }

  static final class FakeKv implements KvStore {
    final KvLayout layout;
    final int blockSize;
    final int[][] tokens;
    final float[][] states;
    int cleared;

    FakeKv(KvLayout layout, int blocks) {
      this.layout = layout;
      this.blockSize = layout.blockSize();
      this.tokens = new int[blocks][layout.blockSize()];
      this.states = new float[blocks][layout.stateFloats()];
    }

    @Override
    public KvLayout layout() {
      return layout;
    }

    @Override
    public int blocks() {
      return tokens.length;
    }

    @Override
    public void copyBlock(int from, int to) {
      tokens[to] = tokens[from].clone();
      states[to] = states[from].clone();
    }

    @Override
    public void readState(int block, int offset, float[] to, int count) {
      System.arraycopy(states[block], offset, to, 0, count);
    }

    @Override
    public void writeState(int block, int offset, float[] from, int count) {
      System.arraycopy(from, 0, states[block], offset, count);
    }

    @Override
    public void readBlock(int block, byte[] to) {
      ByteBuffer out = ByteBuffer.wrap(to);
      out.asIntBuffer().put(tokens[block]);
      out.position(Integer.BYTES * blockSize).slice().asFloatBuffer().put(states[block]);
    }

    @Override
    public void writeBlock(int block, byte[] from) {
      ByteBuffer in = ByteBuffer.wrap(from);
      in.asIntBuffer().get(tokens[block]);
      in.position(Integer.BYTES * blockSize).slice().asFloatBuffer().get(states[block]);
    }

    @Override
    public void clearBlock(int block) {
      Arrays.fill(tokens[block], 0);
      Arrays.fill(states[block], 0);
      cleared++;
    }

    @Override
    public void close() {}
  }

  /// Only what the engine itself asks of a backend.
  static final class FakeBackend implements Backend {
    @Nullable FakeKv kv;
    volatile double free;

    private static AssertionError unused() {
      return new AssertionError("not used by the engine");
    }

    @Override
    public boolean isBatchInvariant() {
      return true;
    }

    @Override
    public KvStore kvStore(KvLayout layout, int blocks) {
      FakeKv store = new FakeKv(layout, blocks);
      kv = store;
      return store;
    }

    @Override
    public void read(Buffer from, long offset, float[] to, int toOffset, int count) {
      System.arraycopy(((FakeBuffer) from).floats(), (int) offset, to, toOffset, count);
    }

    @Override
    public void keepFree(double part) {
      free = part;
    }

    @Override
    public String name() {
      return "fake";
    }

    @Override
    public String description() {
      return "fake";
    }

    @Override
    public void close() {}

    @Override
    public Buffer allocate(long size) {
      throw unused();
    }

    @Override
    public Buffer floats(Tensor tensor) {
      throw unused();
    }

    @Override
    public WeightMatrix weights(Tensor tensor) {
      throw unused();
    }

    @Override
    public void write(Buffer to, long offset, float[] from, int fromOffset, int count) {
      throw unused();
    }

    @Override
    public void embed(Buffer out, WeightMatrix table, int[] ids, int n) {
      throw unused();
    }

    @Override
    public void gatherRows(Buffer out, Buffer x, int[] rows, int n, int dim) {
      throw unused();
    }

    @Override
    public void scatterAddRows(Buffer out, Buffer x, int[] rows, float[] factors, int n, int dim) {
      throw unused();
    }

    @Override
    public void copyColumns(
        Buffer out, int outCols, int outCol, Buffer x, int xCols, int xCol, int count, int n) {
      throw unused();
    }

    @Override
    public void rmsNorm(Buffer out, Buffer x, int n, int dim, @Nullable Buffer weight, float eps) {
      throw unused();
    }

    @Override
    public void layerNorm(
        Buffer out,
        Buffer x,
        int n,
        int dim,
        @Nullable Buffer weight,
        @Nullable Buffer bias,
        float eps) {
      throw unused();
    }

    @Override
    public void matmul(Buffer[] outs, WeightMatrix[] ws, Buffer x, int n) {
      throw unused();
    }

    @Override
    public void matmul(Buffer out, WeightMatrix w, Buffer x, int n) {
      throw unused();
    }

    @Override
    public void add(Buffer x, Buffer y, long count) {
      throw unused();
    }

    @Override
    public void multiply(Buffer x, Buffer y, long count) {
      throw unused();
    }

    @Override
    public void addRow(Buffer x, Buffer row, int n, int dim) {
      throw unused();
    }

    @Override
    public void multiplyRow(Buffer x, Buffer row, int n, int dim) {
      throw unused();
    }

    @Override
    public void scale(Buffer x, float factor, long count) {
      throw unused();
    }

    @Override
    public void softcap(Buffer x, float cap, long count) {
      throw unused();
    }

    @Override
    public void activate(Activation f, Buffer x, long count) {
      throw unused();
    }

    @Override
    public void gate(Activation f, Buffer gate, Buffer up, long count) {
      throw unused();
    }

    @Override
    public void gateClamped(Buffer gate, Buffer up, long count, float alpha, float limit) {
      throw unused();
    }

    @Override
    public void ropeTable(Buffer table, Batch batch, float[] frequencies, float magnitude) {
      throw unused();
    }

    @Override
    public void rope(
        Buffer x, int n, int heads, int headLength, Buffer table, int dims, RopeStyle style) {
      throw unused();
    }

    @Override
    public void storeKv(KvStore kv, int layer, Batch batch, Buffer k, Buffer v) {
      throw unused();
    }

    @Override
    public void attention(
        Buffer out, Buffer q, KvStore kv, int layer, Batch batch, AttentionSpec spec) {
      throw unused();
    }
  }
}

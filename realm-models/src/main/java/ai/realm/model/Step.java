package ai.realm.model;

import ai.realm.compute.Backend;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvStore;
import ai.realm.compute.WeightMatrix;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// One forward pass's scratch memory and the batch it computes. Buffers are made when they are first
/// wanted and kept, so that later steps allocate nothing.
final class Step implements ForwardPass {
  /// Scratch buffers by what they hold.
  enum Slot {
    /// Residual stream.
    X,
    /// Normed input of a sublayer.
    H,
    /// Result of a sublayer.
    Y,
    /// Result of the other sublayer where both run in parallel.
    Z,
    Q,
    K,
    V,
    /// Attention's result before the output projection.
    ATTENDED,
    /// Compressed queries and keys of latent attention, projections of recurrent layers.
    LATENT,
    LATENT_NORMED,
    LATENT_EXPANDED,
    ROPE_PART,
    GATE,
    UP,
    SHARED,
    ROUTER,
    EXPERT_IN,
    EXPERT_GATE,
    EXPERT_UP,
    EXPERT_OUT,
    POOLED
  }

  final Backend backend;
  private final Decoder model;
  private final int maxRows;
  private final int maxSequences;
  private final @Nullable Buffer[] buffers = new @Nullable Buffer[Slot.values().length];
  private final @Nullable Buffer[] ropeTables;
  private final Buffer[] outs2 = new Buffer[2];
  private final Buffer[] outs3 = new Buffer[3];
  private final int[] lastRows;
  private float[] hostFloats = new float[0];
  private final int[] firstRows;
  private @Nullable Buffer logits;
  private @Nullable Batch batch;
  private @Nullable KvStore kv;
  private @Nullable Routing routing;
  private GatedDeltaNet.@Nullable Scratch deltaScratch;
  private SelectiveStateSpace.@Nullable Scratch stateSpaceScratch;

  Step(Decoder model, Backend backend, int maxRows, int maxSequences) {
    if (maxRows < 1 || maxSequences < 1) {
      throw new IllegalArgumentException(
          "expected positive rows and sequences, found " + maxRows + ", " + maxSequences);
    }
    this.model = model;
    this.backend = backend;
    this.maxRows = maxRows;
    this.maxSequences = maxSequences;
    ropeTables = new @Nullable Buffer[model.ropes().length];
    lastRows = new int[maxSequences];
    firstRows = new int[maxSequences];
  }

  @Override
  public Buffer forward(Batch step, KvStore store) {
    begin(step, store);
    return model.logits(this);
  }

  @Override
  public Buffer embed(Batch step, KvStore store) {
    begin(step, store);
    return model.embeddings(this);
  }

  private void begin(Batch step, KvStore store) {
    if (step.rows() < 1 || step.rows() > maxRows || step.sequences() > maxSequences) {
      throw new IllegalArgumentException(
          "expected a batch of 1 to %d rows and up to %d sequences, found %d and %d"
              .formatted(maxRows, maxSequences, step.rows(), step.sequences()));
    }
    batch = step;
    kv = store;
    Rope[] ropes = model.ropes();
    for (int i = 0; i < ropes.length; i++) {
      Buffer table = ropeTables[i];
      if (table == null) {
        table = backend.allocate((long) maxRows * ropes[i].dims());
        ropeTables[i] = table;
      }
      backend.ropeTable(table, step, ropes[i].frequencies(), ropes[i].magnitude());
    }
    model.layers(this);
  }

  /// The batch of this step.
  Batch batch() {
    return Objects.requireNonNull(batch);
  }

  /// The KV store of this step.
  KvStore kv() {
    return Objects.requireNonNull(kv);
  }

  /// Rows of this step.
  int rows() {
    return batch().rows();
  }

  int maxRows() {
    return maxRows;
  }

  /// Scratch of at least `maxRows` rows of `width` floats.
  Buffer buffer(Slot slot, int width) {
    Buffer buffer = buffers[slot.ordinal()];
    long size = (long) maxRows * width;
    if (buffer == null || buffer.size() < size) {
      if (buffer != null) {
        buffer.close();
      }
      buffer = backend.allocate(size);
      buffers[slot.ordinal()] = buffer;
    }
    return buffer;
  }

  /// Width of the residual stream.
  int width() {
    return model.width();
  }

  /// The residual stream.
  Buffer x() {
    return buffer(Slot.X, model.width());
  }

  /// Cosines and sines of this step's positions.
  Buffer ropeTable(Rope rope) {
    return Objects.requireNonNull(ropeTables[rope.index()]);
  }

  /// Room for `rows` rows of logits.
  Buffer logits(int rows) {
    Buffer buffer = logits;
    long size = (long) rows * model.config().vocabularySize();
    if (buffer == null || buffer.size() < size) {
      if (buffer != null) {
        buffer.close();
      }
      // A decoding step wants one row per sequence; more only where prompts are scored.
      long usual = (long) Math.min(maxSequences, maxRows) * model.config().vocabularySize();
      buffer = backend.allocate(Math.max(size, usual));
      logits = buffer;
    }
    return buffer;
  }

  /// Routing scratch of mixture-of-experts layers.
  Routing routing(int experts, int used, int width) {
    Routing current = routing;
    if (current == null || !current.fits(experts, used, width)) {
      current = new Routing(maxRows, experts, used, width);
      routing = current;
    }
    return current;
  }

  /// Heap scratch of recurrent layers, which are all of one shape.
  GatedDeltaNet.Scratch deltaScratch(GatedDeltaNet layer) {
    GatedDeltaNet.Scratch current = deltaScratch;
    if (current == null) {
      current = layer.newScratch(maxRows);
      deltaScratch = current;
    }
    return current;
  }

  /// The same for state space layers.
  SelectiveStateSpace.Scratch stateSpaceScratch(SelectiveStateSpace layer) {
    SelectiveStateSpace.Scratch current = stateSpaceScratch;
    if (current == null) {
      current = layer.newScratch(maxRows);
      stateSpaceScratch = current;
    }
    return current;
  }

  /// `a = x · wsᵀ`, `b = x · wsᵀ` in one operation.
  void matmul(Buffer a, Buffer b, WeightMatrix[] ws, Buffer x, int n) {
    outs2[0] = a;
    outs2[1] = b;
    backend.matmul(outs2, ws, x, n);
  }

  /// As above, for three matrices.
  void matmul(Buffer a, Buffer b, Buffer c, WeightMatrix[] ws, Buffer x, int n) {
    outs3[0] = a;
    outs3[1] = b;
    outs3[2] = c;
    backend.matmul(outs3, ws, x, n);
  }

  /// Limits n · width floats of x to ± limit.
  void clamp(Buffer x, int count, float limit) {
    float[] values = hostFloats;
    if (values.length < count) {
      values = new float[count];
      hostFloats = values;
    }
    backend.read(x, 0, values, 0, count);
    for (int i = 0; i < count; i++) {
      values[i] = Math.clamp(values[i], -limit, limit);
    }
    backend.write(x, 0, values, 0, count);
  }

  /// The last row of each sequence.
  int[] lastRows() {
    for (int s = 0; s < batch().sequences(); s++) {
      lastRows[s] = batch().firstRow(s) + batch().rows(s) - 1;
    }
    return lastRows;
  }

  /// The first row of each sequence.
  int[] firstRows() {
    for (int s = 0; s < batch().sequences(); s++) {
      firstRows[s] = batch().firstRow(s);
    }
    return firstRows;
  }

  /// The sequence of each row.
  int[] sequenceOfRow() {
    int[] sequences = new int[rows()];
    for (int s = 0; s < batch().sequences(); s++) {
      Arrays.fill(sequences, batch().firstRow(s), batch().firstRow(s) + batch().rows(s), s);
    }
    return sequences;
  }

  /// For each row, 1 / the number of rows of its sequence.
  float[] meanFactors() {
    float[] factors = new float[rows()];
    for (int s = 0; s < batch().sequences(); s++) {
      int first = batch().firstRow(s);
      Arrays.fill(factors, first, first + batch().rows(s), 1f / batch().rows(s));
    }
    return factors;
  }

  /// At least `count` zeros.
  float[] zeros(int count) {
    return new float[count];
  }

  @Override
  public void close() {
    closeAll(buffers);
    closeAll(ropeTables);
    if (logits != null) {
      logits.close();
    }
  }

  private static void closeAll(@Nullable Buffer[] all) {
    for (Buffer buffer : all) {
      if (buffer != null) {
        buffer.close();
      }
    }
  }
}

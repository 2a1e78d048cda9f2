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
    LAYER_INPUTS,
    Q_PADDED,
    K_PADDED,
    V_PADDED,
    K_REPEATED,
    V_REPEATED,
    ADAPTER_IN,
    ADAPTER_RANK,
    ADAPTER_OUT
  }

  final Backend backend;
  private final Decoder model;
  private final int maxRows;
  private final int maxSequences;
  private final @Nullable Buffer[] buffers = new @Nullable Buffer[Slot.values().length];
  private final @Nullable Buffer[] ropeTables;
  private final Buffer[] outs2 = new Buffer[2];
  private final Buffer[] outs3 = new Buffer[3];
  private final int[] rowNumbers;
  private final float[] rowFactors;
  private float[] hostFloats = new float[0];
  private boolean outputsOnly;
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
    rowNumbers = new int[maxRows];
    rowFactors = new float[maxRows];
  }

  @Override
  public Buffer forward(Batch step, KvStore store) {
    begin(step, store);
    return model.logits(this);
  }

  @Override
  public Buffer hidden(int firstRow, int count) {
    Objects.checkFromIndexSize(firstRow, count, rows());
    return model.hidden(this, firstRow, count);
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

  /// Whether the rows that linear layers see are those that want logits, instead of all.
  void selectOutputs(boolean only) {
    outputsOnly = only;
  }

  /// Adds what the sequences' adapters add to `y = linear(x)`; sequences of one adapter together.
  void addAdapters(Linear linear, Buffer y, Buffer x) {
    Batch step = batch();
    for (int s = 0; s < step.sequences(); s++) {
      if (step.adapter(s) instanceof LoraAdapter adapter && firstWith(adapter) == s) {
        LoraAdapter.LowRank change = adapter.at(linear.index());
        if (change != null) {
          int n = rowsWith(adapter);
          if (n > 0) {
            addLowRank(change, y, x, n);
          }
        }
      }
    }
  }

  private void addLowRank(LoraAdapter.LowRank change, Buffer y, Buffer x, int n) {
    int cols = change.a().cols();
    Buffer in = buffer(Slot.ADAPTER_IN, cols);
    Buffer middle = buffer(Slot.ADAPTER_RANK, change.a().rows());
    Buffer out = buffer(Slot.ADAPTER_OUT, change.b().rows());
    Arrays.fill(rowFactors, 0, n, change.scale());
    backend.gatherRows(in, x, rowNumbers, n, cols);
    backend.matmul(middle, change.a(), in, n);
    backend.matmul(out, change.b(), middle, n);
    backend.scatterAddRows(y, out, rowNumbers, rowFactors, n, change.b().rows());
  }

  private int firstWith(LoraAdapter adapter) {
    int s = 0;
    while (batch().adapter(s) != adapter) {
      s++;
    }
    return s;
  }

  /// Fills `rowNumbers` with the rows of sequences that use `adapter`.
  private int rowsWith(LoraAdapter adapter) {
    Batch step = batch();
    int n = 0;
    int output = 0;
    for (int s = 0; s < step.sequences(); s++) {
      int end = step.firstRow(s) + step.rows(s);
      boolean own = step.adapter(s) == adapter;
      if (outputsOnly) {
        while (output < step.outputs() && step.outputRows()[output] < end) {
          if (own) {
            rowNumbers[n++] = output;
          }
          output++;
        }
      } else if (own) {
        for (int row = step.firstRow(s); row < end; row++) {
          rowNumbers[n++] = row;
        }
      }
    }
    return n;
  }

  /// Room for row numbers, of which an operation uses as many as it wants.
  int[] scratchRows() {
    return rowNumbers;
  }

  /// Room for factors of rows.
  float[] scratchFactors() {
    return rowFactors;
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

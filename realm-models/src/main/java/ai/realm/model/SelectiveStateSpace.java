package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.Buffer;
import org.jspecify.annotations.Nullable;

/// The layer of Mamba (Gu and Dao, 2023). Per channel c, with state S (length):
///
/// ```
/// u, z    = in(h)                       u ← silu(conv(u))
/// δ, B, C = x(u)                        δ ← softplus(dt(δ) + bias)
/// S       = e^(δ a) · S + δ u B
/// y       = (C · S + d u) · silu(z)
/// ```
///
/// The recurrence runs on the heap, in one thread, on every backend.
///
/// @param in (2 · inner, width)
/// @param kernel (inner, taps) of the convolution
/// @param kernelBias (inner)
/// @param x (rank + 2 · length, inner)
/// @param dt (inner, rank)
/// @param a (inner, length), negative
/// @param d (inner)
/// @param out (width, inner)
/// @param norms of δ, B and C (Falcon Mamba), or null
@SuppressWarnings("ArrayRecordComponent") // never compared, never changed
record SelectiveStateSpace(
    RunningState state,
    Linear in,
    float[] kernel,
    float[] kernelBias,
    Linear x,
    Linear dt,
    float[] a,
    float[] d,
    Linear out,
    Sizes sizes,
    @Nullable InnerNorms norms)
    implements TokenMixer {
  /// Widths of the layer.
  record Sizes(int inner, int length, int rank, int taps) {}

  /// RMS norms without weights.
  record InnerNorms(Norm rank, Norm state) {}

  /// Heap scratch of a step, reused by all layers.
  static final class Scratch {
    private final float[] u;
    private final float[] steps;
    private final float[] inputs;
    private final float[] outputs;
    private final float[] y;
    private final float[] state;

    Scratch(int maxRows, Sizes sizes, int stateSize) {
      u = new float[maxRows * sizes.inner];
      steps = new float[maxRows * sizes.inner];
      inputs = new float[maxRows * sizes.length];
      outputs = new float[maxRows * sizes.length];
      y = new float[maxRows * sizes.inner];
      state = new float[stateSize];
    }
  }

  Scratch newScratch(int maxRows) {
    return new Scratch(maxRows, sizes, state.size());
  }

  @Override
  public void apply(Step s, Buffer y, Buffer h) {
    int n = s.rows();
    int inner = sizes.inner;
    int length = sizes.length;
    int rank = sizes.rank;
    Scratch t = s.stateSpaceScratch(this);
    Buffer both = s.buffer(Step.Slot.LATENT, 2 * inner);
    Buffer u = s.buffer(Step.Slot.UP, inner);
    Buffer z = s.buffer(Step.Slot.GATE, inner);
    Buffer mixed = s.buffer(Step.Slot.LATENT_EXPANDED, x.out());
    Buffer part = s.buffer(Step.Slot.ROPE_PART, Math.max(rank, length));
    Buffer steps = s.buffer(Step.Slot.ATTENDED, inner);

    in.apply(s, both, h, n);
    s.backend.copyColumns(u, inner, 0, both, 2 * inner, 0, inner, n);
    s.backend.copyColumns(z, inner, 0, both, 2 * inner, inner, inner, n);
    s.backend.read(u, 0, t.u, 0, n * inner);
    for (int sequence = 0; sequence < s.batch().sequences(); sequence++) {
      convolve(s, t, sequence);
    }
    s.backend.write(u, 0, t.u, 0, n * inner);
    x.apply(s, mixed, u, n);

    s.backend.copyColumns(part, length, 0, mixed, x.out(), rank, length, n);
    normState(s, part, n);
    s.backend.read(part, 0, t.inputs, 0, n * length);
    s.backend.copyColumns(part, length, 0, mixed, x.out(), rank + length, length, n);
    normState(s, part, n);
    s.backend.read(part, 0, t.outputs, 0, n * length);
    s.backend.copyColumns(part, rank, 0, mixed, x.out(), 0, rank, n);
    if (norms != null) {
      norms.rank.apply(s, part, part, n);
    }
    dt.apply(s, steps, part, n);
    s.backend.read(steps, 0, t.steps, 0, n * inner);

    for (int sequence = 0; sequence < s.batch().sequences(); sequence++) {
      scan(s, t, sequence);
    }
    s.backend.write(steps, 0, t.y, 0, n * inner);
    s.backend.gate(Activation.SILU, z, steps, (long) n * inner);
    out.apply(s, y, z, n);
  }

  private void normState(Step s, Buffer part, int n) {
    if (norms != null) {
      norms.state.apply(s, part, part, n);
    }
  }

  private int convolutionFloats() {
    return (sizes.taps - 1) * sizes.inner;
  }

  /// Depthwise causal convolution with SiLU over a sequence's rows, in place. Its part of the state,
  /// the last taps − 1 inputs, oldest first, is stored before the scan's.
  private void convolve(Step s, Scratch t, int sequence) {
    int inner = sizes.inner;
    int taps = sizes.taps;
    RunningState own = new RunningState(state.offset(), convolutionFloats());
    own.load(s, sequence, t.state);
    for (int i = 0; i < s.batch().rows(sequence); i++) {
      int row = (s.batch().firstRow(sequence) + i) * inner;
      for (int c = 0; c < inner; c++) {
        float input = t.u[row + c];
        float sum = kernelBias[c] + input * kernel[c * taps + taps - 1];
        for (int tap = 0; tap < taps - 1; tap++) {
          sum += t.state[tap * inner + c] * kernel[c * taps + tap];
        }
        for (int tap = 0; tap < taps - 2; tap++) {
          t.state[tap * inner + c] = t.state[(tap + 1) * inner + c];
        }
        t.state[(taps - 2) * inner + c] = input;
        t.u[row + c] = (float) (sum / (1 + Math.exp(-sum)));
      }
      own.store(s, sequence, i, t.state);
    }
  }

  private void scan(Step s, Scratch t, int sequence) {
    int inner = sizes.inner;
    int length = sizes.length;
    RunningState own = new RunningState(state.offset() + convolutionFloats(), inner * length);
    own.load(s, sequence, t.state);
    for (int i = 0; i < s.batch().rows(sequence); i++) {
      int row = s.batch().firstRow(sequence) + i;
      for (int c = 0; c < inner; c++) {
        float u = t.u[row * inner + c];
        double step = softplus(t.steps[row * inner + c]);
        float y = d[c] * u;
        for (int j = 0; j < length; j++) {
          int at = c * length + j;
          t.state[at] =
              (float)
                  (t.state[at] * Math.exp(step * a[at]) + step * u * t.inputs[row * length + j]);
          y += t.state[at] * t.outputs[row * length + j];
        }
        t.y[row * inner + c] = y;
      }
      own.store(s, sequence, i, t.state);
    }
  }

  private static double softplus(double x) {
    return x > 20 ? x : Math.log1p(Math.exp(x));
  }
}

package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.Buffer;
import java.util.Arrays;

/// Gated delta rule (Yang, Kautz, Hatamizadeh, "Gated Delta Networks", 2024), as Qwen 3.5 has it. Per
/// value head, with state S (keyLength, valueLength), after a short causal convolution of q, k and v:
///
/// ```
/// q, k = q / ‖q‖ / √keyLength, k / ‖k‖
/// S    = e^g · S                      g = a · softplus(alpha(h) + dt)
/// S   += k ⊗ β (v − Sᵀk)              β = sigmoid(beta(h))
/// o    = rmsNorm(Sᵀq) · silu(z(h))
/// ```
///
/// The recurrence runs on the heap, in one thread, on every backend.
///
/// @param qkv (2 · keyHeads · length + valueHeads · length, width)
/// @param z (valueHeads · length, width)
/// @param beta (valueHeads, width)
/// @param alpha (valueHeads, width)
/// @param kernel (channels, taps) of the convolution
/// @param dt (valueHeads)
/// @param a (valueHeads), negative
/// @param norm (length)
/// @param out (width, valueHeads · length)
/// @param keyHeads value head j uses key head j mod keyHeads
/// @param length elements of every head
@SuppressWarnings("ArrayRecordComponent") // never compared, never changed
record GatedDeltaNet(
    RunningState state,
    Linear qkv,
    Linear z,
    Linear beta,
    Linear alpha,
    float[] kernel,
    float[] dt,
    float[] a,
    Norm norm,
    Linear out,
    int keyHeads,
    int valueHeads,
    int length,
    int taps)
    implements TokenMixer {
  /// Floats of state: the convolution's last inputs, then S of every value head.
  static int stateSize(int channels, int taps, int valueHeads, int length) {
    return (taps - 1) * channels + valueHeads * length * length;
  }

  /// Heap scratch of a step, reused by all layers of the same shape.
  static final class Scratch {
    private final float[] mixed;
    private final float[] betas;
    private final float[] alphas;
    private final float[] outputs;
    private final float[] state;
    private final float[] convolved;
    private final float[] delta;

    Scratch(int maxRows, int channels, int valueHeads, int length, int stateSize) {
      mixed = new float[maxRows * channels];
      betas = new float[maxRows * valueHeads];
      alphas = new float[maxRows * valueHeads];
      outputs = new float[maxRows * valueHeads * length];
      state = new float[stateSize];
      convolved = new float[channels];
      delta = new float[length];
    }
  }

  private int channels() {
    return (2 * keyHeads + valueHeads) * length;
  }

  Scratch newScratch(int maxRows) {
    return new Scratch(maxRows, channels(), valueHeads, length, state.size());
  }

  @Override
  public void apply(Step s, Buffer y, Buffer h) {
    int n = s.rows();
    int channels = channels();
    int valueWidth = valueHeads * length;
    Scratch scratch = s.deltaScratch(this);
    Buffer mixed = s.buffer(Step.Slot.LATENT, channels);
    Buffer gate = s.buffer(Step.Slot.GATE, valueWidth);
    Buffer betas = s.buffer(Step.Slot.Q, valueHeads);
    Buffer alphas = s.buffer(Step.Slot.K, valueHeads);
    Buffer outputs = s.buffer(Step.Slot.ATTENDED, valueWidth);

    qkv.apply(s, mixed, h, n);
    z.apply(s, gate, h, n);
    beta.apply(s, betas, h, n);
    alpha.apply(s, alphas, h, n);
    s.backend.read(mixed, 0, scratch.mixed, 0, n * channels);
    s.backend.read(betas, 0, scratch.betas, 0, n * valueHeads);
    s.backend.read(alphas, 0, scratch.alphas, 0, n * valueHeads);
    for (int sequence = 0; sequence < s.batch().sequences(); sequence++) {
      state.load(s, sequence, scratch.state);
      for (int i = 0; i < s.batch().rows(sequence); i++) {
        row(scratch, s.batch().firstRow(sequence) + i);
        state.store(s, sequence, i, scratch.state);
      }
    }
    s.backend.write(outputs, 0, scratch.outputs, 0, n * valueWidth);
    norm.apply(s, outputs, outputs, n * valueHeads);
    s.backend.gate(Activation.SILU, gate, outputs, (long) n * valueWidth);
    out.apply(s, y, gate, n);
  }

  /// Advances the state by one row and writes its output.
  private void row(Scratch t, int row) {
    convolve(t, row);
    float[] c = t.convolved;
    for (int head = 0; head < keyHeads; head++) {
      normalise(c, head * length, 1 / Math.sqrt(length));
      normalise(c, (keyHeads + head) * length, 1);
    }
    int stateBase = (taps - 1) * channels();
    for (int head = 0; head < valueHeads; head++) {
      int q = head % keyHeads * length;
      int k = (keyHeads + head % keyHeads) * length;
      int v = (2 * keyHeads + head) * length;
      int at = row * valueHeads + head;
      float rate = (float) Math.exp(a[head] * softplus(t.alphas[at] + dt[head]));
      float strength = (float) (1 / (1 + Math.exp(-t.betas[at])));
      delta(t, stateBase + head * length * length, q, k, v, rate, strength, at * length);
    }
  }

  /// One step of the delta rule for one head. Rows of S belong to keys, so that all loops run along
  /// values.
  private void delta(
      Scratch t, int base, int q, int k, int v, float rate, float strength, int output) {
    float[] state = t.state;
    float[] c = t.convolved;
    float[] d = t.delta;
    Arrays.fill(d, 0);
    for (int i = 0; i < length; i++) {
      float key = c[k + i];
      int at = base + i * length;
      for (int j = 0; j < length; j++) {
        state[at + j] *= rate;
        d[j] += state[at + j] * key;
      }
    }
    for (int j = 0; j < length; j++) {
      d[j] = (c[v + j] - d[j]) * strength;
    }
    Arrays.fill(t.outputs, output, output + length, 0);
    for (int i = 0; i < length; i++) {
      float key = c[k + i];
      float query = c[q + i];
      int at = base + i * length;
      for (int j = 0; j < length; j++) {
        state[at + j] += key * d[j];
        t.outputs[output + j] += state[at + j] * query;
      }
    }
  }

  /// Depthwise causal convolution with SiLU; the state keeps the last taps − 1 inputs, oldest first.
  private void convolve(Scratch t, int row) {
    int channels = channels();
    int in = row * channels;
    for (int c = 0; c < channels; c++) {
      float sum = t.mixed[in + c] * kernel[c * taps + taps - 1];
      for (int tap = 0; tap < taps - 1; tap++) {
        sum += t.state[tap * channels + c] * kernel[c * taps + tap];
      }
      t.convolved[c] = (float) (sum / (1 + Math.exp(-sum)));
    }
    System.arraycopy(t.state, channels, t.state, 0, (taps - 2) * channels);
    System.arraycopy(t.mixed, in, t.state, (taps - 2) * channels, channels);
  }

  private void normalise(float[] values, int from, double factor) {
    double squares = 0;
    for (int i = from; i < from + length; i++) {
      squares += (double) values[i] * values[i];
    }
    float scale = (float) (factor / Math.max(Math.sqrt(squares), norm.epsilon()));
    for (int i = from; i < from + length; i++) {
      values[i] *= scale;
    }
  }

  private static double softplus(double x) {
    return x > 20 ? x : Math.log1p(Math.exp(x));
  }
}

package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.Buffer;
import ai.realm.compute.WeightMatrix;
import org.jspecify.annotations.Nullable;

/// `down(f(gate(h)) · up(h))` (Shazeer, "GLU Variants Improve Transformer", 2020), or without a gate
/// `down(f(up(h)))`.
///
/// @param gate (hidden, width), or null
/// @param up (hidden, width)
/// @param down (width, hidden)
/// @param gateAndUp the weights of both, multiplied in one operation; empty without a gate
@SuppressWarnings("ArrayRecordComponent") // never compared, never changed
record DenseFeedForward(
    @Nullable Linear gate, Linear up, Linear down, Activation f, WeightMatrix[] gateAndUp)
    implements FeedForward {
  DenseFeedForward(@Nullable Linear gate, Linear up, Linear down, Activation f) {
    this(
        gate,
        up,
        down,
        f,
        gate == null ? new WeightMatrix[0] : new WeightMatrix[] {gate.weight(), up.weight()});
  }

  @Override
  public void apply(Step s, Buffer y, Buffer h) {
    apply(s, y, h, s.rows(), s.buffer(Step.Slot.GATE, up.out()), s.buffer(Step.Slot.UP, up.out()));
  }

  /// The same over n rows with scratch given (n, hidden).
  void apply(Step s, Buffer y, Buffer h, int n, Buffer gated, Buffer upped) {
    long count = (long) n * up.out();
    if (gate == null) {
      up.apply(s, upped, h, n);
      s.backend.activate(f, upped, count);
      down.apply(s, y, upped, n);
    } else {
      s.matmul(gated, upped, gateAndUp, h, n);
      gate.finish(s, gated, h, n);
      up.finish(s, upped, h, n);
      s.backend.gate(f, gated, upped, count);
      down.apply(s, y, gated, n);
    }
  }
}

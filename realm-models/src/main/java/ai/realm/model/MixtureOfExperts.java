package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.Buffer;
import org.jspecify.annotations.Nullable;

/// Each row goes through the few experts that a router chooses for it (Shazeer et al. 2017; Fedus et
/// al. 2021), and through a shared expert where there is one (DeepSeekMoE, 2024).
///
/// @param router (experts, width)
/// @param experts the experts
/// @param shared expert of all rows, or null
/// @param sharedGate (1, width): the shared expert counts `sigmoid(gate(h))`, or null for 1
@SuppressWarnings("ArrayRecordComponent") // never compared, never changed
record MixtureOfExperts(
    Linear router,
    Expert[] experts,
    Choice choice,
    @Nullable DenseFeedForward shared,
    @Nullable Linear sharedGate)
    implements FeedForward {
  /// How experts are chosen and weighed.
  ///
  /// @param used experts per row
  /// @param bias added to scores for the choice only, or null
  /// @param groups groups that experts lie in; 1 for none
  /// @param usedGroups groups that may be chosen from
  /// @param normalise whether a row's weights are made to sum to 1
  /// @param scale factor on weights
  record Choice(
      int used,
      Routing.Gating gating,
      float @Nullable [] bias,
      int groups,
      int usedGroups,
      boolean normalise,
      float scale) {
    static Choice softmax(int used, boolean normalise) {
      return new Choice(used, Routing.Gating.SOFTMAX, null, 1, 1, normalise, 1);
    }
  }

  /// One expert.
  interface Expert {
    /// Width of its hidden layer.
    int hidden();

    /// `y = f(h)` over n rows, with scratch (n, hidden).
    void apply(Step s, Buffer y, Buffer h, int n, Buffer gated, Buffer upped);
  }

  /// SwiGLU and the like.
  record Dense(DenseFeedForward feedForward) implements Expert {
    @Override
    public int hidden() {
      return feedForward.up().out();
    }

    @Override
    public void apply(Step s, Buffer y, Buffer h, int n, Buffer gated, Buffer upped) {
      feedForward.apply(s, y, h, n, gated, upped);
    }
  }

  /// The clamped SwiGLU of gpt-oss.
  record Clamped(DenseFeedForward feedForward, float alpha, float limit) implements Expert {
    @Override
    public int hidden() {
      return feedForward.up().out();
    }

    @Override
    public void apply(Step s, Buffer y, Buffer h, int n, Buffer gated, Buffer upped) {
      Linear gate = feedForward.gate();
      if (gate == null) {
        throw new IllegalStateException("a clamped expert needs a gate");
      }
      s.matmul(gated, upped, feedForward.gateAndUp(), h, n);
      gate.finish(s, gated, h, n);
      feedForward.up().finish(s, upped, h, n);
      s.backend.gateClamped(gated, upped, (long) n * hidden(), alpha, limit);
      feedForward.down().apply(s, y, gated, n);
    }
  }

  @Override
  public void apply(Step s, Buffer y, Buffer h) {
    int n = s.rows();
    int width = s.width();
    Routing routing = s.routing(experts.length, choice.used, width);
    Buffer logits = s.buffer(Step.Slot.ROUTER, experts.length);
    router.apply(s, logits, h, n);
    s.backend.read(logits, 0, routing.logits(), 0, n * experts.length);
    routing.select(
        n,
        choice.gating,
        choice.bias,
        choice.groups,
        choice.usedGroups,
        choice.normalise,
        choice.scale);

    s.backend.write(y, 0, routing.zeros(), 0, n * width);
    Buffer in = s.buffer(Step.Slot.EXPERT_IN, width);
    Buffer out = s.buffer(Step.Slot.EXPERT_OUT, width);
    for (int e = 0; e < experts.length; e++) {
      int m = routing.collect(e, n);
      if (m > 0) {
        Expert expert = experts[e];
        s.backend.gatherRows(in, h, routing.expertRows(), m, width);
        expert.apply(
            s,
            out,
            in,
            m,
            s.buffer(Step.Slot.EXPERT_GATE, expert.hidden()),
            s.buffer(Step.Slot.EXPERT_UP, expert.hidden()));
        s.backend.scatterAddRows(y, out, routing.expertRows(), routing.expertWeights(), m, width);
      }
    }
    if (shared != null) {
      addShared(s, shared, y, h, routing);
    }
  }

  private void addShared(
      Step s, DenseFeedForward feedForward, Buffer y, Buffer h, Routing routing) {
    int n = s.rows();
    int width = s.width();
    Buffer out = s.buffer(Step.Slot.SHARED, width);
    feedForward.apply(s, out, h);
    if (sharedGate == null) {
      s.backend.add(y, out, (long) n * width);
      return;
    }
    Buffer gate = s.buffer(Step.Slot.ROUTER, 1);
    float[] factors = routing.expertWeights();
    sharedGate.apply(s, gate, h, n);
    s.backend.activate(Activation.SIGMOID, gate, n);
    s.backend.read(gate, 0, factors, 0, n);
    s.backend.scatterAddRows(y, out, routing.identity(), factors, n, width);
  }
}

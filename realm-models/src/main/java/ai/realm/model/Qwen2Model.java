package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Qwen 2 and 2.5 (Yang et al. 2024): Llama with biases on queries, keys and values, and rotation of
/// halves. The mixture-of-experts form (`qwen2moe`) adds a shared expert behind a gate of its own.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(rmsNorm(x))
///   x += swiGlu(rmsNorm(x))          or experts + sigmoid(gate(h)) · sharedExpert(h)
/// logits = output(rmsNorm(x))
/// ```
final class Qwen2Model {
  private Qwen2Model() {}

  static CausalLm load(ModelReader r) {
    return load(r, false);
  }

  static CausalLm loadExperts(ModelReader r) {
    return load(r, true);
  }

  private static CausalLm load(ModelReader r, boolean experts) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.HALVES, heads);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.preNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, rope, heads.causal()),
              experts
                  ? experts(r, b, false)
                  : Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU)));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }

  /// Experts and a shared one behind its gate.
  ///
  /// @param normalise whether weights are made to sum to 1
  static MixtureOfExperts experts(ModelReader r, String b, boolean normalise) {
    int used = Pieces.usedExperts(r);
    int hidden =
        r.has("expert_feed_forward_length")
            ? r.bounded("expert_feed_forward_length", 1 << 20)
            : r.feedForwardLength() / used;
    int shared =
        r.has("expert_shared_feed_forward_length")
            ? r.bounded("expert_shared_feed_forward_length", 1 << 20)
            : r.feedForwardLength();
    return new MixtureOfExperts(
        r.linear(b + "ffn_gate_inp", r.width(), Pieces.expertCount(r)),
        Pieces.denseExperts(r, b, hidden, Activation.SILU),
        MixtureOfExperts.Choice.softmax(used, normalise),
        Pieces.sharedExpert(r, b, shared, Activation.SILU),
        r.linear(b + "ffn_gate_inp_shexp", r.width(), 1));
  }
}

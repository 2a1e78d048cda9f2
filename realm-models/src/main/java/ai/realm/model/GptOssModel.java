package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// gpt-oss (OpenAI 2025): a sink logit per head in the softmax, a sliding window in every other layer, the
/// first one included, experts with a clamped SwiGLU weighed by a softmax over the chosen ones only.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(rmsNorm(x))       softmax over scores and the head's sink
///   x += experts(rmsNorm(x))         g · sigmoid(1.702 g) · (1 + u), clamped at 7
/// logits = output(rmsNorm(x))
/// ```
final class GptOssModel {
  private GptOssModel() {}

  private static final float ALPHA = 1.702f;
  private static final float LIMIT = 7;

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.HALVES, heads);
    int window = r.bounded("attention.sliding_window", Integer.MAX_VALUE);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      AttentionSpec spec =
          heads.spec(
              heads.usualScale(),
              0,
              l % 2 == 0 ? window : 0,
              r.vector(
                  b + (r.hasTensor(b + "attn_sinks.weight") ? "attn_sinks.weight" : "attn_sinks"),
                  heads.heads()));
      blocks.add(
          new Block.Sequential(
              r.rmsNorm(b + "attn_norm", r.width()),
              Pieces.attention(r, b, l, heads, rope, spec),
              null,
              r.rmsNorm(b + "post_attention_norm", r.width()),
              experts(r, b),
              null,
              1));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }

  private static MixtureOfExperts experts(ModelReader r, String b) {
    int count = Pieces.expertCount(r);
    int hidden = r.bounded("expert_feed_forward_length", 1 << 20);
    Linear[] gates = r.experts(b + "ffn_gate_exps", r.width(), hidden, count);
    Linear[] ups = r.experts(b + "ffn_up_exps", r.width(), hidden, count);
    Linear[] downs = r.experts(b + "ffn_down_exps", hidden, r.width(), count);
    MixtureOfExperts.Expert[] experts = new MixtureOfExperts.Expert[count];
    for (int e = 0; e < count; e++) {
      experts[e] =
          new MixtureOfExperts.Clamped(
              new DenseFeedForward(gates[e], ups[e], downs[e], Activation.SILU), ALPHA, LIMIT);
    }
    return new MixtureOfExperts(
        r.linear(b + "ffn_gate_inp", r.width(), count),
        experts,
        new MixtureOfExperts.Choice(
            Pieces.usedExperts(r), Routing.Gating.SOFTMAX_OF_SELECTED, null, 1, 1, false, 1),
        null,
        null);
  }
}

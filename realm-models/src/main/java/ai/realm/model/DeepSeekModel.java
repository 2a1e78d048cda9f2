package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// DeepSeek MoE (Dai et al. 2024): Llama with many small experts besides shared ones.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(rmsNorm(x))
///   x += swiGlu(rmsNorm(x))               the first layers
///   x += experts(h) + sharedExpert(h)     the others, h = rmsNorm(x)
/// logits = output(rmsNorm(x))
/// ```
final class DeepSeekModel {
  private DeepSeekModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.INTERLEAVED, heads);
    int dense = r.int32("leading_dense_block_count", 0);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.preNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, rope, heads.causal()),
              l < dense
                  ? Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU)
                  : experts(r, b)));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }

  private static MixtureOfExperts experts(ModelReader r, String b) {
    int hidden = r.bounded("expert_feed_forward_length", 1 << 20);
    int shared = r.bounded("expert_shared_count", 4096);
    return new MixtureOfExperts(
        r.linear(b + "ffn_gate_inp", r.width(), Pieces.expertCount(r)),
        Pieces.denseExperts(r, b, hidden, Activation.SILU),
        // llama.cpp reads this model's expert_weights_scale and does not apply it.
        MixtureOfExperts.Choice.softmax(Pieces.usedExperts(r), false),
        Pieces.sharedExpert(r, b, hidden * shared, Activation.SILU),
        null);
  }
}

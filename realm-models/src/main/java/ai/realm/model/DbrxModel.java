package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// DBRX (Databricks 2024): experts, layer norms without bias, q, k and v limited to a range.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(layerNorm(x))       q, k, v ← clamp(q), clamp(k), clamp(v)
///   x += experts(layerNorm(x))
/// logits = output(layerNorm(x))
/// ```
final class DbrxModel {
  private DbrxModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.HALVES, heads);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          new Block.Sequential(
              r.layerNorm(b + "attn_norm", r.width()),
              Pieces.attention(r, b, l, heads, rope, heads.causal()).clampedBy(Pieces.clamp(r)),
              null,
              r.layerNorm(b + "attn_output_norm", r.width()),
              Pieces.denseOrExperts(r, b, Activation.SILU, true),
              null,
              1));
    }
    return new Decoder(
        r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.layerOutput(r, tokens));
  }
}

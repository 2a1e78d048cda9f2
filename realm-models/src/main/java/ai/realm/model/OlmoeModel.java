package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// OLMoE (Muennighoff et al. 2024): many small experts whose weights are not made to sum to 1, norms of
/// queries and keys as whole rows.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(rmsNorm(x))       q, k ← rope(rmsNorm(q)), rope(rmsNorm(k))
///   x += experts(rmsNorm(x))
/// logits = output(rmsNorm(x))
/// ```
final class OlmoeModel {
  private OlmoeModel() {}

  static CausalLm load(ModelReader r) {
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
              Pieces.attention(
                  r,
                  b,
                  l,
                  heads,
                  rope,
                  heads.causal(),
                  new HeadNorm(r.rmsNorm(b + "attn_q_norm", heads.queryWidth()), null),
                  new HeadNorm(r.rmsNorm(b + "attn_k_norm", heads.keyWidth()), null)),
              Pieces.denseOrExperts(r, b, Activation.SILU, false)));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }
}

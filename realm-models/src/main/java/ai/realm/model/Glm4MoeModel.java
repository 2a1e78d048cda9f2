package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// GLM 4.5 and 4.6 (GLM Team 2025): many experts chosen by sigmoid scores plus a bias, besides a shared
/// one; part of each head rotated; norms of query and key heads in the large models. Layers that predict
/// further tokens are not used.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(rmsNorm(x))            q, k ← rope(rmsNorm(q)), rope(rmsNorm(k)) per head
///   x += swiGlu(rmsNorm(x))               the first layers
///   x += experts(h) + sharedExpert(h)     the others, h = rmsNorm(x)
/// logits = output(rmsNorm(x))
/// ```
final class Glm4MoeModel {
  private Glm4MoeModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.HALVES, heads);
    int dense = r.int32("leading_dense_block_count", 0);
    int used = r.layers() - r.int32("nextn_predict_layers", 0);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < used; l++) {
      String b = "blk." + l + ".";
      boolean normed = r.hasTensor(b + "attn_q_norm.weight");
      blocks.add(
          new Block.Sequential(
              r.rmsNorm(b + "attn_norm", r.width()),
              Pieces.attention(
                  r,
                  b,
                  l,
                  heads,
                  rope,
                  heads.causal(),
                  normed ? Pieces.headNorm(r, b + "attn_q_norm", heads.keyLength()) : null,
                  normed ? Pieces.headNorm(r, b + "attn_k_norm", heads.keyLength()) : null),
              null,
              r.rmsNorm(b + "post_attention_norm", r.width()),
              l < dense
                  ? Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU)
                  : DeepSeek2Model.experts(r, b, Routing.Gating.SIGMOID),
              null,
              1));
    }
    for (int l = used; l < r.layers(); l++) {
      r.ignoreAll("blk." + l + ".");
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }
}

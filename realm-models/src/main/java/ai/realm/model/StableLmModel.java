package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// StableLM 2 and StableLM 3B (Bellagente et al. 2024): layer norms, a quarter of each head rotated; the
/// 12B model norms query and key heads and puts attention and feed-forward side by side.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(layerNorm(x))
///   x += swiGlu(layerNorm(x))
/// logits = output(layerNorm(x))
/// ```
final class StableLmModel {
  private StableLmModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.HALVES, heads);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      Norm norm = r.layerNorm(b + "attn_norm", r.width());
      Norm feedForwardNorm = r.optionalLayerNorm(b + "ffn_norm", r.width());
      Attention attention =
          Pieces.attention(
              r,
              b,
              l,
              heads,
              rope,
              heads.causal(),
              Pieces.layerHeadNorm(r, b + "attn_q_norm", heads.keyLength(), heads.heads()),
              Pieces.layerHeadNorm(r, b + "attn_k_norm", heads.keyLength(), heads.kvHeads()));
      FeedForward feedForward = Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU);
      blocks.add(
          feedForwardNorm == null
              ? new Block.Parallel(norm, attention, null, feedForward)
              : new Block.Sequential(norm, attention, null, feedForwardNorm, feedForward, null, 1));
    }
    return new Decoder(
        r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.layerOutput(r, tokens));
  }
}

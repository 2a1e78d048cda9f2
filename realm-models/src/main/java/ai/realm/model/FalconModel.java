package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Falcon (Almazrouei et al. 2023): attention and feed-forward side by side, one key/value head (7B) or a
/// few with a norm of attention's own (40B).
///
/// ```
/// x = tokens[id]
/// for each layer
///   h = layerNorm(x)
///   x += attention(h) + down(gelu(up(h)))
/// logits = output(layerNorm(x))
/// ```
final class FalconModel {
  private FalconModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.HALVES, heads);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      Norm norm = r.layerNorm(b + "attn_norm", r.width());
      Norm attentionNorm = r.optionalLayerNorm(b + "attn_norm_2", r.width());
      blocks.add(
          new Block.Parallel(
              attentionNorm == null ? norm : attentionNorm,
              Pieces.attention(r, b, l, heads, rope, heads.causal()),
              attentionNorm == null ? null : norm,
              Pieces.ungated(r, b, r.feedForwardLength(), Activation.GELU)));
    }
    return new Decoder(
        r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.layerOutput(r, tokens));
  }
}

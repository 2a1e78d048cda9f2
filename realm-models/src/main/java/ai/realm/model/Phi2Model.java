package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Phi 1, 1.5 and 2 (Li et al. 2023): attention and feed-forward side by side behind one layer norm, part
/// of each head rotated, biases everywhere.
///
/// ```
/// x = tokens[id]
/// for each layer
///   h = layerNorm(x)
///   x += attention(h) + down(gelu(up(h)))
/// logits = output(layerNorm(x))
/// ```
final class Phi2Model {
  private Phi2Model() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.HALVES, heads);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          new Block.Parallel(
              r.layerNorm(b + "attn_norm", r.width()),
              Pieces.attention(r, b, l, heads, rope, heads.causal()),
              null,
              Pieces.ungated(r, b, r.feedForwardLength(), Activation.GELU)));
    }
    return new Decoder(
        r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.layerOutput(r, tokens));
  }
}

package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// StarCoder 2 (Lozhkov et al. 2024) and CodeShell (Xie et al. 2024): layer norms, biases everywhere, grouped queries, rotation of halves,
/// a feed-forward layer without a gate.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(layerNorm(x))
///   x += down(gelu(up(layerNorm(x))))
/// logits = output(layerNorm(x))
/// ```
final class Starcoder2Model {
  private Starcoder2Model() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.HALVES, heads);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.layerPreNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, rope, heads.causal()),
              Pieces.ungated(r, b, r.feedForwardLength(), Activation.GELU)));
    }
    return new Decoder(
        r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.layerOutput(r, tokens));
  }
}

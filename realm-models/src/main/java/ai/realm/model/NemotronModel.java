package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Nemotron and Minitron (Parmar et al. 2024): layer norms, part of each head rotated, a feed-forward
/// layer with the square of a ReLU.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(layerNorm(x))
///   x += down(relu(up(layerNorm(x)))²)
/// logits = output(layerNorm(x))
/// ```
final class NemotronModel {
  private NemotronModel() {}

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
              Pieces.ungated(r, b, r.feedForwardLength(), Activation.RELU_SQUARED)));
    }
    return new Decoder(
        r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.layerOutput(r, tokens));
  }
}

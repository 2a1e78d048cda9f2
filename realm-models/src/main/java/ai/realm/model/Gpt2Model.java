package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// GPT-2 (Radford et al. 2019) and StarCoder (Li et al. 2023), which has one key/value head: learned positions, layer norms, biases everywhere.
///
/// ```
/// x = tokens[id] + positions[p]
/// for each layer
///   x += attention(layerNorm(x))
///   x += down(gelu(up(layerNorm(x))))
/// logits = output(layerNorm(x))
/// ```
final class Gpt2Model {
  private Gpt2Model() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.layerPreNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, null, heads.causal()),
              Pieces.ungated(r, b, r.feedForwardLength(), Activation.GELU)));
    }
    return new Decoder(
        r,
        heads,
        new Decoder.Embedding(tokens, 1, r.positionEmbedding(), null, null),
        blocks,
        Pieces.layerOutput(r, tokens));
  }
}

package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Orion (2024): Llama with layer norms.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(layerNorm(x))
///   x += swiGlu(layerNorm(x))
/// logits = output(layerNorm(x))
/// ```
final class OrionModel {
  private OrionModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.INTERLEAVED, heads);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.layerPreNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, rope, heads.causal()),
              Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU)));
    }
    return new Decoder(
        r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.layerOutput(r, tokens));
  }
}

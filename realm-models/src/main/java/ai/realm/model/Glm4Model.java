package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// GLM 4 (GLM Team 2024; the 0414 models): norms on both sides of each sublayer, half of each head rotated
/// as neighbours, biases on queries, keys and values, gate and up fused.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += rmsNorm(attention(rmsNorm(x)))
///   x += rmsNorm(swiGlu(rmsNorm(x)))
/// logits = output(rmsNorm(x))
/// ```
final class Glm4Model {
  private Glm4Model() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.INTERLEAVED, heads);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.sandwichNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, rope, heads.causal()),
              Pieces.gatedFused(r, b, r.feedForwardLength(), Activation.SILU)));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }
}

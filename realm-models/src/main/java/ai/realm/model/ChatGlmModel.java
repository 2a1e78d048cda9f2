package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// ChatGLM 3 and GLM 4 (GLM Team 2024, before 0414): Llama with fused projections, biases on queries, keys
/// and values, half of each head rotated.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(rmsNorm(x))
///   x += swiGlu(rmsNorm(x))
/// logits = output(rmsNorm(x))
/// ```
final class ChatGlmModel {
  private ChatGlmModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.INTERLEAVED, heads);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.preNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, rope, heads.causal()),
              Pieces.gatedFused(r, b, r.feedForwardLength(), Activation.SILU)));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }
}

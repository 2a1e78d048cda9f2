package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Gemma (Gemma Team 2024): embeddings times √width, GeGLU, wide heads, tied output. The norms' "1 +"
/// lies in the file's weights.
///
/// ```
/// x = √width · tokens[id]
/// for each layer
///   x += attention(rmsNorm(x))
///   x += geGlu(rmsNorm(x))
/// logits = tokens · rmsNorm(x)
/// ```
final class GemmaModel {
  private GemmaModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.HALVES, heads);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.preNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, rope, heads.causal()),
              Pieces.gated(r, b, r.feedForwardLength(), Activation.GELU)));
    }
    return new Decoder(
        r, heads, Pieces.scaledEmbedding(r, tokens), blocks, Pieces.rmsOutput(r, tokens));
  }
}

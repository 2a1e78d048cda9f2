package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Refact (2023): one key/value head, biases that grow with distance (ALiBi), SwiGLU.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(rmsNorm(x))       scores − slope · distance
///   x += swiGlu(rmsNorm(x))
/// logits = output(rmsNorm(x))
/// ```
final class RefactModel {
  private RefactModel() {}

  private static final float MAX_BIAS = 8;

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.preNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, null, heads.alibi(MAX_BIAS)),
              Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU)));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }
}

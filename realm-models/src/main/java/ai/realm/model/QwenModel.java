package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Qwen (Bai et al. 2023): Llama with fused, biased q, k and v and rotation of halves; the file states
/// twice the feed-forward length.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(rmsNorm(x))
///   x += swiGlu(rmsNorm(x))
/// logits = output(rmsNorm(x))
/// ```
final class QwenModel {
  private QwenModel() {}

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
              Pieces.gated(r, b, r.feedForwardLength() / 2, Activation.SILU)));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }
}

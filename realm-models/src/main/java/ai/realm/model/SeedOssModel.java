package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Seed-OSS (ByteDance 2025): Llama with biases on queries, keys and values and rotation of halves.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(rmsNorm(x))
///   x += swiGlu(rmsNorm(x))
/// logits = output(rmsNorm(x))
/// ```
final class SeedOssModel {
  private SeedOssModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.HALVES, heads);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          new Block.Sequential(
              r.rmsNorm(b + "attn_norm", r.width()),
              Pieces.attention(r, b, l, heads, rope, heads.causal()),
              null,
              r.rmsNorm(b + "post_attention_norm", r.width()),
              Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU),
              null,
              1));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }
}

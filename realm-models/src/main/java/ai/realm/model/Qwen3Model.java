package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Qwen 3 (Yang et al. 2025), dense and with experts (`qwen3moe`), and the embedding models made of it:
/// Qwen 2 without biases, with an RMS norm of each query and key head before it is rotated.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(rmsNorm(x))       q, k ← rope(rmsNorm(q)), rope(rmsNorm(k)) per head
///   x += swiGlu(rmsNorm(x))          or the best of many experts, weights made to sum to 1
/// logits = output(rmsNorm(x))
/// ```
final class Qwen3Model {
  private Qwen3Model() {}

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
              Pieces.attention(
                  r,
                  b,
                  l,
                  heads,
                  rope,
                  heads.causal(),
                  Pieces.headNorm(r, b + "attn_q_norm", heads.keyLength()),
                  Pieces.headNorm(r, b + "attn_k_norm", heads.keyLength())),
              Pieces.denseOrExperts(r, b, Activation.SILU, true)));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }
}

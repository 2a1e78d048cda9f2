package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// SmolLM 3 (Hugging Face 2025): Llama in which every fourth layer has no positions (NoPE, Yang et al.
/// 2025).
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(rmsNorm(x))       without rotation in layers 3, 7, 11 …
///   x += swiGlu(rmsNorm(x))
/// logits = output(rmsNorm(x))
/// ```
final class SmolLm3Model {
  private SmolLm3Model() {}

  private static final int PERIOD = 4;

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.INTERLEAVED, heads);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      Rope used = (l + 1) % PERIOD == 0 ? null : rope;
      blocks.add(
          Pieces.preNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, used, heads.causal()),
              Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU)));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }
}

package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Phi 3, 3.5 and 4 mini (Abdin et al. 2024): Llama with fused projections, a sliding window, and LongRoPE
/// (Ding et al. 2024): divisors of the rotary frequencies, one set for contexts within the original
/// length, one beyond.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(rmsNorm(x))       q, k, v are rows of one matrix
///   x += swiGlu(rmsNorm(x))          gate and up too
/// logits = output(rmsNorm(x))
/// ```
final class Phi3Model {
  private Phi3Model() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.HALVES, heads);
    int window = r.int32("attention.sliding_window", 0);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.preNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, rope, heads.windowed(heads.usualScale(), window)),
              Pieces.gatedFused(r, b, r.feedForwardLength(), Activation.SILU)));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }
}

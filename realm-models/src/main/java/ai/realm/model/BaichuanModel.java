package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Baichuan (2023): Llama; the 13B model, which llama.cpp knows by its 40 layers, has biases that grow with
/// distance (ALiBi) instead of rotations.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(rmsNorm(x))
///   x += swiGlu(rmsNorm(x))
/// logits = output(rmsNorm(x))
/// ```
final class BaichuanModel {
  private BaichuanModel() {}

  private static final int LAYERS_OF_13B = 40;
  private static final float MAX_BIAS = 8;

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    boolean alibi = r.layers() == LAYERS_OF_13B;
    Rope rope = alibi ? null : r.rope(RopeStyle.INTERLEAVED, heads);
    AttentionSpec spec = alibi ? heads.alibi(MAX_BIAS) : heads.causal();
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.preNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, rope, spec),
              Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU)));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }
}

package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// MPT (MosaicML 2023) and BLOOM (Workshop et al. 2022): biases that grow with distance (ALiBi) instead of
/// positions.
///
/// ```
/// x = tokens[id]                               BLOOM: layerNorm(tokens[id])
/// for each layer
///   x += attention(layerNorm(x))               scores − slope · distance
///   x += down(gelu(up(layerNorm(x))))
/// logits = output(layerNorm(x))
/// ```
final class MptModel {
  private MptModel() {}

  /// The maximum bias of files that do not state it.
  private static final float BLOOM_BIAS = 8;

  static CausalLm load(ModelReader r) {
    return load(r, r.positive("attention.max_alibi_bias", BLOOM_BIAS), false);
  }

  static CausalLm loadBloom(ModelReader r) {
    return load(r, BLOOM_BIAS, true);
  }

  private static CausalLm load(ModelReader r, float maxBias, boolean normed) {
    Heads heads = r.heads();
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.layerPreNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, null, heads.alibi(maxBias))
                  .clampedBy(Pieces.clamp(r)),
              Pieces.ungated(r, b, r.feedForwardLength(), Activation.GELU)));
    }
    Norm norm = normed ? r.layerNorm("token_embd_norm", r.width()) : null;
    return new Decoder(
        r,
        heads,
        new Decoder.Embedding(tokens, 1, null, null, norm),
        blocks,
        Pieces.layerOutput(r, tokens));
  }
}

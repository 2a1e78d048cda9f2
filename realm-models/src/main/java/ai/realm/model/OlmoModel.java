package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// OLMo (Groeneveld et al. 2024): layer norms without weights, q, k and v limited to a range.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(layerNorm(x))       q, k, v ← clamp(q), clamp(k), clamp(v)
///   x += swiGlu(layerNorm(x))
/// logits = output(layerNorm(x))
/// ```
final class OlmoModel {
  private OlmoModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.INTERLEAVED, heads);
    Norm norm = new Norm(Norm.Kind.LAYER, r.width(), null, null, r.layerEpsilon());
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          new Block.Sequential(
              norm,
              Pieces.attention(r, b, l, heads, rope, heads.causal()).clampedBy(Pieces.clamp(r)),
              null,
              norm,
              Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU),
              null,
              1));
    }
    Decoder.Output output = new Decoder.Output(norm, r.outputProjection(tokens), 1, 0);
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, output);
  }
}

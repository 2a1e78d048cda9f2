package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// PLaMo (Preferred Networks 2023): attention and feed-forward side by side behind one RMS norm.
///
/// ```
/// x = tokens[id]
/// for each layer
///   h = rmsNorm(x)
///   x += attention(h) + swiGlu(h)
/// logits = output(rmsNorm(x))
/// ```
final class PlamoModel {
  private PlamoModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.INTERLEAVED, heads);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          new Block.Parallel(
              r.rmsNorm(b + "attn_norm", r.width()),
              Pieces.attention(r, b, l, heads, rope, heads.causal()),
              null,
              Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU)));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }
}

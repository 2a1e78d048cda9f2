package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Jais (Sengupta et al. 2023): biases that grow with distance (ALiBi), SwiGLU, scores divided by the head
/// length instead of its root.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(layerNorm(x))       scores · 1/headLength − slope · distance
///   x += swiGlu(layerNorm(x))
/// logits = output(layerNorm(x))
/// ```
final class JaisModel {
  private JaisModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    AttentionSpec spec =
        new AttentionSpec(
            heads.heads(),
            heads.kvHeads(),
            heads.keyLength(),
            heads.valueLength(),
            1f / heads.keyLength(),
            0,
            0,
            true,
            r.positive("attention.max_alibi_bias", 8),
            null);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.layerPreNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, null, spec),
              Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU)));
    }
    return new Decoder(
        r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.layerOutput(r, tokens));
  }
}

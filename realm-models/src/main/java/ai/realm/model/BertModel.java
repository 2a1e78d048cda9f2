package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// BERT (Devlin et al. 2018) and Nomic BERT (Nussbaum et al. 2024): encoders whose rows all see each other
/// and whose norms follow the sums. Nomic's rotates halves instead of learning positions and has SwiGLU.
///
/// ```
/// x = layerNorm(tokens[id] + types[0] + positions[p])
/// for each layer
///   x = layerNorm(x + attention(x))
///   x = layerNorm(x + down(gelu(up(x))))     or swiGlu(x)
/// embedding = pool(x)
/// ```
final class BertModel {
  private BertModel() {}

  static CausalLm load(ModelReader r) {
    return load(r, null);
  }

  static CausalLm loadNomic(ModelReader r) {
    return load(r, r.rope(RopeStyle.HALVES, r.heads()));
  }

  private static CausalLm load(ModelReader r, @Nullable Rope rope) {
    Heads heads = r.heads();
    WeightMatrix tokens = r.tokenEmbedding();
    AttentionSpec spec = r.bool("attention.causal", true) ? heads.causal() : heads.bidirectional();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          new Block.PostNorm(
              Pieces.attention(r, b, l, heads, rope, spec),
              r.layerNorm(b + "attn_output_norm", r.width()),
              rope == null
                  ? Pieces.ungated(r, b, r.feedForwardLength(), Activation.GELU)
                  : Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU),
              r.layerNorm(b + "layer_output_norm", r.width())));
    }
    return new Decoder(
        r,
        heads,
        new Decoder.Embedding(
            tokens,
            1,
            rope == null ? r.positionEmbedding() : null,
            r.firstRow("token_types.weight"),
            r.layerNorm("token_embd_norm", r.width())),
        blocks,
        new Decoder.Output(null, null, 1, 0));
  }
}

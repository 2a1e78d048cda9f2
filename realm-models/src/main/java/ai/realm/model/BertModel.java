package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// BERT (Devlin et al. 2018) and Nomic BERT (Nussbaum et al. 2024): encoders whose rows all see each other
/// and whose norms follow the sums. Nomic's rotates halves instead of learning positions and has SwiGLU;
/// Jina's (Günther et al. 2023) has biases that grow with distance and GeGLU.
///
/// ```
/// x = layerNorm(tokens[id] + types[0] + positions[p])
/// for each layer
///   x = layerNorm(x + attention(x))
///   x = layerNorm(x + down(gelu(up(x))))     or a gated layer
/// embedding = pool(x)
/// ```
final class BertModel {
  private BertModel() {}

  private static final float JINA_MAX_BIAS = 8;

  static CausalLm load(ModelReader r) {
    return load(r, null, 0);
  }

  static CausalLm loadNomic(ModelReader r) {
    return load(r, r.rope(RopeStyle.HALVES, r.heads()), 0);
  }

  static CausalLm loadJina(ModelReader r) {
    return load(r, null, JINA_MAX_BIAS);
  }

  private static CausalLm load(ModelReader r, @Nullable Rope rope, float maxBias) {
    Heads heads = r.heads();
    boolean learned = rope == null && maxBias == 0;
    WeightMatrix tokens = r.tokenEmbedding();
    AttentionSpec spec = heads.encoder(r.bool("attention.causal", true), maxBias);
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          new Block.PostNorm(
              Pieces.attention(
                  r,
                  b,
                  l,
                  heads,
                  rope,
                  spec,
                  Pieces.layerRowNorm(r, b + "attn_q_norm", heads.queryWidth()),
                  Pieces.layerRowNorm(r, b + "attn_k_norm", heads.keyWidth())),
              r.layerNorm(b + "attn_output_norm", r.width()),
              learned
                  ? Pieces.ungated(r, b, r.feedForwardLength(), Activation.GELU)
                  : Pieces.gated(
                      r,
                      b,
                      r.feedForwardLength(),
                      rope == null ? Activation.GELU : Activation.SILU),
              r.layerNorm(b + "layer_output_norm", r.width())));
    }
    Decoder.Embedding embedding =
        new Decoder.Embedding(
            tokens,
            1,
            learned ? r.positionEmbedding() : null,
            r.firstRow("token_types.weight"),
            r.layerNorm("token_embd_norm", r.width()));
    return new Decoder(r, heads, embedding, blocks, new Decoder.Output(null, null, 1, 0));
  }
}

package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// OLMo 2 and 3 (Groeneveld et al. 2024, 2025): norms of each sublayer's result instead of its input, and
/// of queries and keys as whole rows. OLMo 3 has a sliding window, and plain rotation, in three of four
/// layers.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += rmsNorm(attention(x))       q, k ← rope(rmsNorm(q)), rope(rmsNorm(k))
///   x += rmsNorm(swiGlu(x))
/// logits = output(rmsNorm(x))
/// ```
final class Olmo2Model {
  private Olmo2Model() {}

  private static final int PERIOD = 4;

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope global = r.rope(RopeStyle.HALVES, heads);
    Rope local =
        r.rope(
            RopeStyle.HALVES, r.ropeDims(heads), r.ropeBase(), new RopeScaling.Uniform(1, 1), null);
    int window = r.int32("attention.sliding_window", 0);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      boolean sliding = window > 0 && l % PERIOD < PERIOD - 1;
      blocks.add(
          new Block.Sequential(
              null,
              Pieces.attention(
                  r,
                  b,
                  l,
                  heads,
                  sliding ? local : global,
                  heads.windowed(heads.usualScale(), sliding ? window : 0),
                  new HeadNorm(r.rmsNorm(b + "attn_q_norm", heads.queryWidth()), null),
                  new HeadNorm(r.rmsNorm(b + "attn_k_norm", heads.keyWidth()), null)),
              r.rmsNorm(b + "post_attention_norm", r.width()),
              null,
              Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU),
              r.rmsNorm(b + "post_ffw_norm", r.width()),
              1));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }
}

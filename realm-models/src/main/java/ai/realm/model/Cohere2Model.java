package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Command R7B and A (Cohere 2024): Command R with a sliding window and rotation in three of four layers;
/// the fourth sees everything and knows no positions.
///
/// ```
/// x = tokens[id]
/// for each layer
///   h = layerNorm(x)
///   x += attention(h) + swiGlu(h)
/// logits = logitScale · tokens · layerNorm(x)
/// ```
final class Cohere2Model {
  private Cohere2Model() {}

  private static final int PERIOD = 4;

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.INTERLEAVED, heads);
    int window = r.bounded("attention.sliding_window", Integer.MAX_VALUE);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      boolean sliding = l % PERIOD < PERIOD - 1;
      AttentionSpec spec = heads.windowed(heads.usualScale(), sliding ? window : 0);
      blocks.add(
          new Block.Parallel(
              r.layerNorm(b + "attn_norm", r.width()),
              Pieces.attention(r, b, l, heads, sliding ? rope : null, spec),
              null,
              Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU)));
    }
    Decoder.Output output =
        new Decoder.Output(
            r.layerNorm("output_norm", r.width()),
            r.outputProjection(tokens),
            r.positive("logit_scale", 1),
            0);
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, output);
  }
}

package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Command R and R+ (Cohere 2024): attention and feed-forward side by side behind one layer norm without
/// bias, logits times a factor, tied output; R+ norms query and key heads.
///
/// ```
/// x = tokens[id]
/// for each layer
///   h = layerNorm(x)
///   x += attention(h) + swiGlu(h)
/// logits = logitScale · tokens · layerNorm(x)
/// ```
final class CommandRModel {
  private CommandRModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.INTERLEAVED, heads);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          new Block.Parallel(
              r.layerNorm(b + "attn_norm", r.width()),
              Pieces.attention(
                  r,
                  b,
                  l,
                  heads,
                  rope,
                  heads.causal(),
                  Pieces.layerHeadNorm(r, b + "attn_q_norm", heads.keyLength(), heads.heads()),
                  Pieces.layerHeadNorm(r, b + "attn_k_norm", heads.keyLength(), heads.kvHeads())),
              null,
              Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU)));
    }
    return new Decoder(
        r,
        heads,
        Decoder.Embedding.of(tokens),
        blocks,
        new Decoder.Output(
            r.layerNorm("output_norm", r.width()),
            r.outputProjection(tokens),
            r.positive("logit_scale", 1),
            0));
  }
}

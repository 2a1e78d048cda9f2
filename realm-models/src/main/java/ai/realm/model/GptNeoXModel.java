package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// GPT-NeoX and Pythia (Black et al. 2022; Biderman et al. 2023): attention and feed-forward side by side,
/// each behind its own layer norm, or one after the other where the file says so.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(layerNorm₁(x)) + down(gelu(up(layerNorm₂(x))))
/// logits = output(layerNorm(x))
/// ```
final class GptNeoXModel {
  private GptNeoXModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.HALVES, heads);
    boolean parallel = r.bool("use_parallel_residual", true);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      Attention attention = Pieces.attention(r, b, l, heads, rope, heads.causal());
      FeedForward feedForward = Pieces.ungated(r, b, r.feedForwardLength(), Activation.GELU);
      blocks.add(
          parallel
              ? new Block.Parallel(
                  r.layerNorm(b + "attn_norm", r.width()),
                  attention,
                  r.layerNorm(b + "ffn_norm", r.width()),
                  feedForward)
              : Pieces.layerPreNorm(r, b, attention, feedForward));
    }
    return new Decoder(
        r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.layerOutput(r, tokens));
  }
}

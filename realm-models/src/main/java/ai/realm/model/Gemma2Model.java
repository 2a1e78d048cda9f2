package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Gemma 2 (Gemma Team 2024): Gemma with norms on both sides of each sublayer, soft caps on scores and
/// logits, and a sliding window in every other layer, the first one included.
///
/// ```
/// x = √width · tokens[id]
/// for each layer
///   x += rmsNorm(attention(rmsNorm(x)))     scores ← cap · tanh(score / cap)
///   x += rmsNorm(geGlu(rmsNorm(x)))
/// logits = cap · tanh(tokens · rmsNorm(x) / cap)
/// ```
final class Gemma2Model {
  private Gemma2Model() {}

  /// The 27B model divides by √(width / heads) instead of √headLength, which its file does not say;
  /// llama.cpp knows it by its layers.
  private static final int LAYERS_OF_27B = 46;

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.HALVES, heads);
    float scale =
        r.layers() == LAYERS_OF_27B
            ? (float) (1 / Math.sqrt((double) r.width() / heads.heads()))
            : heads.usualScale();
    float scoreCap = r.positive("attn_logit_softcapping", 50);
    float logitCap = r.positive("final_logit_softcapping", 30);
    int window = r.bounded("attention.sliding_window", Integer.MAX_VALUE, 4096);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      AttentionSpec spec = heads.spec(scale, scoreCap, l % 2 == 0 ? window : 0, null);
      blocks.add(
          Pieces.sandwichNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, rope, spec),
              Pieces.gated(r, b, r.feedForwardLength(), Activation.GELU)));
    }
    Decoder.Output output =
        new Decoder.Output(
            r.rmsNorm("output_norm", r.width()), r.outputProjection(tokens), 1, logitCap);
    return new Decoder(r, heads, Pieces.scaledEmbedding(r, tokens), blocks, output);
  }
}

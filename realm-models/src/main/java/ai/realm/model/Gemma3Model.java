package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Gemma 3 (Gemma Team 2025): five layers with a sliding window and their own rotary base for each one
/// that sees everything; norms of query and key heads instead of capped scores.
///
/// ```
/// x = √width · tokens[id]
/// for each layer
///   x += rmsNorm(attention(rmsNorm(x)))     q, k ← rope(rmsNorm(q)), rope(rmsNorm(k)) per head
///   x += rmsNorm(geGlu(rmsNorm(x)))
/// logits = tokens · rmsNorm(x)
/// ```
final class Gemma3Model {
  private Gemma3Model() {}

  /// The 27B model divides by √(width / heads) instead of √headLength, which its file does not say;
  /// llama.cpp knows it by its layers.
  private static final int LAYERS_OF_27B = 62;

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope global = r.rope(RopeStyle.HALVES, heads);
    Rope local =
        r.rope(
            RopeStyle.HALVES,
            r.ropeDims(heads),
            r.positive("rope.freq_base_swa", 10000),
            new RopeScaling.Uniform(1, 1),
            null);
    float scale =
        r.layers() == LAYERS_OF_27B
            ? (float) (1 / Math.sqrt((double) r.width() / heads.heads()))
            : heads.usualScale();
    int window = r.bounded("attention.sliding_window", Integer.MAX_VALUE);
    int period = r.bounded("attention.sliding_window_pattern", 4096, 6);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      boolean sliding = l % period < period - 1;
      blocks.add(
          Pieces.sandwichNorm(
              r,
              b,
              Pieces.attention(
                  r,
                  b,
                  l,
                  heads,
                  sliding ? local : global,
                  heads.windowed(scale, sliding ? window : 0),
                  Pieces.headNorm(r, b + "attn_q_norm", heads.keyLength()),
                  Pieces.headNorm(r, b + "attn_k_norm", heads.keyLength())),
              Pieces.gated(r, b, r.feedForwardLength(), Activation.GELU)));
    }
    Decoder.Output output =
        new Decoder.Output(
            r.rmsNorm("output_norm", r.width()),
            r.outputProjection(tokens),
            1,
            r.float32("final_logit_softcapping", 0));
    return new Decoder(r, heads, Pieces.scaledEmbedding(r, tokens), blocks, output);
  }
}

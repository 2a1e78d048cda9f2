package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Llama (Touvron et al. 2023; Llama 3, 2024), and what is stored under its name: Mistral, Mixtral
/// (Jiang et al. 2024), SmolLM, Yi and others; under their own names InternLM 2, XVERSE, Mistral 3
/// (`mistral3`) and ERNIE 4.5.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(rmsNorm(x))        RoPE on neighbours, grouped queries
///   x += swiGlu(rmsNorm(x))           or the two best of several experts
/// logits = output(rmsNorm(x))
/// ```
final class LlamaModel {
  private LlamaModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.INTERLEAVED, heads);
    QueryScaling scaling = queryScaling(r);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.preNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, rope, heads.windowed(attentionScale(r, heads), 0))
                  .scaledBy(scaling),
              Pieces.denseOrExperts(r, b, Activation.SILU, true)));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }

  /// The scaling of queries by position that Mistral 3 states, or null for none.
  private static @Nullable QueryScaling queryScaling(ModelReader r) {
    float strength = r.float32("attention.temperature_scale", 0);
    return strength == 0 ? null : new QueryScaling(strength, r.originalContext());
  }

  private static float attentionScale(ModelReader r, Heads heads) {
    float stated = r.float32("attention.scale", 0);
    return stated == 0 ? heads.usualScale() : stated;
  }
}

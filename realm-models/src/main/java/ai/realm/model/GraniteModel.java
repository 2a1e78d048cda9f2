package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Granite 3 (IBM 2024), dense and with experts (`granitemoe`): Llama with factors on embeddings, scores,
/// what is added to the residual stream, and logits.
///
/// ```
/// x = embeddingScale · tokens[id]
/// for each layer
///   x += residualScale · attention(rmsNorm(x))     scores · attentionScale
///   x += residualScale · swiGlu(rmsNorm(x))
/// logits = output(rmsNorm(x)) / logitScale
/// ```
final class GraniteModel {
  private GraniteModel() {}

  static CausalLm load(ModelReader r) {
    return load(r, new Factors(1, 1, 1));
  }

  /// MiniCPM (Hu et al. 2024), which is Granite's form; files that do not state the factors have those
  /// of its paper.
  static CausalLm loadMiniCpm(ModelReader r) {
    return load(r, new Factors(12, (float) (1.4 / Math.sqrt(r.layers())), r.width() / 256f));
  }

  /// Factors where the file states none.
  private record Factors(float embedding, float residual, float logits) {}

  private static CausalLm load(ModelReader r, Factors usual) {
    Heads heads = r.heads();
    // Granite 4 leaves positions out and says so with this key.
    Rope rope =
        r.bool("rope.scaling.finetuned", true) ? r.rope(RopeStyle.INTERLEAVED, heads) : null;
    float stated = r.float32("attention.scale", 0);
    float scale = stated == 0 ? heads.usualScale() : stated;
    float residualScale = factor(r, "residual_scale", usual.residual);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          new Block.Sequential(
              r.rmsNorm(b + "attn_norm", r.width()),
              Pieces.attention(r, b, l, heads, rope, heads.windowed(scale, 0)),
              null,
              r.rmsNorm(b + "ffn_norm", r.width()),
              feedForward(r, b),
              null,
              residualScale));
    }
    float embeddingScale = factor(r, "embedding_scale", usual.embedding);
    return new Decoder(
        r,
        heads,
        new Decoder.Embedding(tokens, embeddingScale, null, null, null),
        blocks,
        new Decoder.Output(
            r.rmsNorm("output_norm", r.width()),
            r.outputProjection(tokens),
            1 / factor(r, "logit_scale", usual.logits),
            0));
  }

  private static FeedForward feedForward(ModelReader r, String b) {
    FeedForward own = Pieces.denseOrExperts(r, b, Activation.SILU, true);
    int shared = r.int32("expert_shared_feed_forward_length", 0);
    if (shared == 0 || !(own instanceof MixtureOfExperts experts)) {
      return own;
    }
    return new MixtureOfExperts(
        experts.router(),
        experts.experts(),
        experts.choice(),
        Pieces.sharedExpert(r, b, shared, Activation.SILU),
        null);
  }

  /// A factor that the file states as 0 is not applied.
  private static float factor(ModelReader r, String name, float usual) {
    float stated = r.float32(name, usual);
    return stated == 0 ? 1 : stated;
  }
}

package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Phi 3.5 MoE (Abdin et al. 2024): Phi 3 with experts and biases. Norms are RMS norms with a bias added
/// and the window is not applied, as llama.cpp runs these files.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += attention(rmsNorm(x) + bias)
///   x += experts(rmsNorm(x) + bias)
/// logits = output(rmsNorm(x) + bias)
/// ```
final class PhiMoeModel {
  private PhiMoeModel() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.HALVES, heads);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.preNorm(
              r,
              b,
              Pieces.attention(r, b, l, heads, rope, heads.causal()),
              Pieces.denseOrExperts(r, b, Activation.SILU, true)));
    }
    return new Decoder(r, heads, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }
}

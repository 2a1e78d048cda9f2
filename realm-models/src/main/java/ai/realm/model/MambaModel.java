package ai.realm.model;

import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Mamba (Gu and Dao, 2023): no attention at all.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += selectiveStateSpace(rmsNorm(x))
/// logits = output(rmsNorm(x))
/// ```
final class MambaModel {
  private MambaModel() {}

  static CausalLm load(ModelReader r) {
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    int stateFloats = 0;
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      SelectiveStateSpace mixer = stateSpace(r, b, stateFloats);
      stateFloats = Math.addExact(stateFloats, mixer.state().size());
      blocks.add(new Block.MixerOnly(r.rmsNorm(b + "attn_norm", r.width()), mixer));
    }
    // Nothing is kept per position; the layout still wants a head.
    Heads none = new Heads(1, 1, 1, 1);
    return new Decoder(
        r, none, 0, stateFloats, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }

  private static SelectiveStateSpace stateSpace(ModelReader r, String b, int stateOffset) {
    int inner = r.bounded("ssm.inner_size", 1 << 20);
    int length = r.bounded("ssm.state_size", 4096);
    int rank = r.bounded("ssm.time_step_rank", 1 << 16);
    int taps = r.bounded("ssm.conv_kernel", 64);
    if (taps < 2) {
      throw new UnsupportedModelException(
          "mamba.ssm.conv_kernel: expected at least 2, found " + taps);
    }
    boolean normed = r.bool("ssm.dt_b_c_rms", false);
    return new SelectiveStateSpace(
        new RunningState(stateOffset, (taps - 1) * inner + inner * length),
        r.linear(b + "ssm_in", r.width(), 2 * inner),
        r.values(b + "ssm_conv1d.weight", taps, inner),
        r.values(b + "ssm_conv1d.bias", inner),
        r.linear(b + "ssm_x", inner, rank + 2 * length),
        r.linear(b + "ssm_dt", rank, inner),
        r.values(b + "ssm_a", length, inner),
        r.values(b + "ssm_d", inner),
        r.linear(b + "ssm_out", inner, r.width()),
        new SelectiveStateSpace.Sizes(inner, length, rank, taps),
        normed
            ? new SelectiveStateSpace.InnerNorms(
                new Norm(Norm.Kind.RMS, rank, null, null, r.rmsEpsilon()),
                new Norm(Norm.Kind.RMS, length, null, null, r.rmsEpsilon()))
            : null);
  }
}

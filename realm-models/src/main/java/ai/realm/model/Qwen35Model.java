package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// Qwen 3.5 (Qwen Team 2026), text, dense and with experts (`qwen35moe`): three layers of gated delta rule for each one of gated attention.
/// Rotation by sections of time, height and width is, for text, plain rotation.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += gatedDeltaNet(rmsNorm(x))      or, every fourth, gatedAttention
///   x += swiGlu(rmsNorm(x))             or experts and a gated shared one
/// logits = output(rmsNorm(x))
/// ```
final class Qwen35Model {
  private Qwen35Model() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    Rope rope = r.rope(RopeStyle.HALVES, heads);
    int interval = r.bounded("full_attention_interval", 4096, 4);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    int kvLayers = 0;
    int stateFloats = 0;
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      TokenMixer mixer;
      if ((l + 1) % interval == 0) {
        mixer = attention(r, b, kvLayers++, heads, rope);
      } else {
        GatedDeltaNet deltaNet = deltaNet(r, b, stateFloats);
        stateFloats = Math.addExact(stateFloats, deltaNet.state().size());
        mixer = deltaNet;
      }
      blocks.add(
          new Block.Sequential(
              r.rmsNorm(b + "attn_norm", r.width()),
              mixer,
              null,
              r.rmsNorm(b + "post_attention_norm", r.width()),
              r.hasTensor(b + "ffn_gate_inp.weight")
                  ? Qwen2Model.experts(r, b, true)
                  : Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU),
              null,
              1));
    }
    return new Decoder(
        r,
        heads,
        kvLayers,
        stateFloats,
        Decoder.Embedding.of(tokens),
        blocks,
        Pieces.rmsOutput(r, tokens));
  }

  private static GatedAttention attention(
      ModelReader r, String b, int kvLayer, Heads heads, Rope rope) {
    return new GatedAttention(
        kvLayer,
        r.linear(b + "attn_q", r.width(), 2 * heads.queryWidth()),
        r.linear(b + "attn_k", r.width(), heads.keyWidth()),
        r.linear(b + "attn_v", r.width(), heads.valueWidth()),
        r.linear(b + "attn_output", heads.attendedWidth(), r.width()),
        Pieces.headNorm(r, b + "attn_q_norm", heads.keyLength()),
        Pieces.headNorm(r, b + "attn_k_norm", heads.keyLength()),
        rope,
        heads.causal());
  }

  private static GatedDeltaNet deltaNet(ModelReader r, String b, int stateOffset) {
    int length = r.bounded("ssm.state_size", 4096);
    int keyHeads = r.bounded("ssm.group_count", 4096);
    int valueHeads = r.bounded("ssm.time_step_rank", 4096);
    int taps = r.bounded("ssm.conv_kernel", 64);
    if (taps < 2 || valueHeads % keyHeads != 0) {
      throw new UnsupportedModelException(
          ("%s: expected at least 2 taps and a multiple of %d value heads, found %d and %d")
              .formatted(r.architecture(), keyHeads, taps, valueHeads));
    }
    int channels = (2 * keyHeads + valueHeads) * length;
    int valueWidth = valueHeads * length;
    return new GatedDeltaNet(
        new RunningState(stateOffset, GatedDeltaNet.stateSize(channels, taps, valueHeads, length)),
        r.linear(b + "attn_qkv", r.width(), channels),
        r.linear(b + "attn_gate", r.width(), valueWidth),
        r.linear(b + "ssm_beta", r.width(), valueHeads),
        r.linear(b + "ssm_alpha", r.width(), valueHeads),
        r.values(b + "ssm_conv1d.weight", taps, channels),
        r.values(b + "ssm_dt.bias", valueHeads),
        r.values(b + "ssm_a", valueHeads),
        r.rmsNorm(b + "ssm_norm", length),
        r.linear(b + "ssm_out", valueWidth, r.width()),
        keyHeads,
        valueHeads,
        length,
        taps);
  }
}

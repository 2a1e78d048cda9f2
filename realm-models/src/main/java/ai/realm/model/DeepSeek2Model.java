package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.List;

/// DeepSeek V2 and V3 (DeepSeek-AI 2024): latent attention, whose keys and values come from one small
/// vector per position (expanded, or absorbed into the queries in newer files), and many small experts besides a shared one.
///
/// ```
/// x = tokens[id]
/// for each layer
///   x += latentAttention(rmsNorm(x))
///   x += swiGlu(rmsNorm(x))               the first layers
///   x += experts(h) + sharedExpert(h)     the others, h = rmsNorm(x)
/// logits = output(rmsNorm(x))
/// ```
final class DeepSeek2Model {
  private DeepSeek2Model() {}

  static CausalLm load(ModelReader r) {
    Heads heads = r.heads();
    int rotated = r.ropeDims(heads);
    boolean absorbed = r.hasTensor("blk.0.attn_k_b.weight");
    int keyLength = absorbed ? r.bounded("attention.key_length_mla", 1 << 14) : heads.keyLength();
    LatentAttention.Scaling scaling = LatentAttention.Scaling.read(r, keyLength);
    Rope rope =
        r.rope(
            RopeStyle.INTERLEAVED, rotated, r.ropeBase(), scaling.rope(), r.ropeFactors(rotated));
    int dense = r.int32("leading_dense_block_count", 0);
    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    for (int l = 0; l < r.layers(); l++) {
      String b = "blk." + l + ".";
      blocks.add(
          Pieces.preNorm(
              r,
              b,
              absorbed
                  ? AbsorbedLatentAttention.read(r, b, l, heads, rope, scaling.scale())
                  : LatentAttention.read(r, b, l, heads, rope, scaling.scale()),
              l < dense
                  ? Pieces.gated(r, b, r.feedForwardLength(), Activation.SILU)
                  : experts(r, b, Routing.Gating.SOFTMAX)));
    }
    Heads stored =
        absorbed
            ? new Heads(
                heads.heads(),
                1,
                r.bounded("attention.kv_lora_rank", 1 << 20) + rotated,
                r.bounded("attention.kv_lora_rank", 1 << 20))
            : new Heads(heads.heads(), heads.heads(), heads.keyLength(), heads.valueLength());
    return new Decoder(
        r, stored, Decoder.Embedding.of(tokens), blocks, Pieces.rmsOutput(r, tokens));
  }

  /// Routed experts and a shared one.
  ///
  /// @param usual gating where the file states none
  static MixtureOfExperts experts(ModelReader r, String b, Routing.Gating usual) {
    int count = Pieces.expertCount(r);
    int hidden = r.bounded("expert_feed_forward_length", 1 << 20);
    int shared = r.bounded("expert_shared_count", 4096);
    String bias = b + "exp_probs_b.bias";
    MixtureOfExperts.Choice choice =
        new MixtureOfExperts.Choice(
            Pieces.usedExperts(r),
            gating(r, usual),
            r.hasTensor(bias) ? r.values(bias, count) : null,
            r.bounded("expert_group_count", count, 1),
            r.bounded("expert_group_used_count", count, 1),
            r.bool("expert_weights_norm", false),
            scale(r));
    return new MixtureOfExperts(
        r.linear(b + "ffn_gate_inp", r.width(), count),
        Pieces.denseExperts(r, b, hidden, Activation.SILU),
        choice,
        Pieces.sharedExpert(r, b, hidden * shared, Activation.SILU),
        null);
  }

  private static float scale(ModelReader r) {
    float scale = r.float32("expert_weights_scale", 1);
    return scale == 0 ? 1 : scale;
  }

  private static Routing.Gating gating(ModelReader r, Routing.Gating usual) {
    int id = r.int32("expert_gating_func", 0);
    return switch (id) {
      case 0 -> usual;
      case 1 -> Routing.Gating.SOFTMAX;
      case 2 -> Routing.Gating.SIGMOID;
      default ->
          throw new UnsupportedModelException(
              "expert_gating_func: expected 1 (softmax) or 2 (sigmoid), found " + id);
    };
  }
}

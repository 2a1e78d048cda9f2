package ai.realm.model;

import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Buffer;

/// Multi-head latent attention (DeepSeek V2, 2024) with keys and values expanded before they are
/// stored:
///
/// ```
/// q          = qUp(rmsNorm(qDown(h)))              per head: plain | rotated
/// latent, kr = kvDown(h)                           kr is one rotated part for all heads
/// k plain, v = kvUp(rmsNorm(latent))               per head
/// k          = k plain | kr
/// ```
///
/// @param queries where queries come from
/// @param kvDown (kvRank + rotated, width)
/// @param kvNorm (kvRank)
/// @param kvUp (heads · (plain + valueLength), kvRank)
/// @param o (width, heads · valueLength)
record LatentAttention(
    int kvLayer,
    LatentQueries queries,
    Linear kvDown,
    Norm kvNorm,
    Linear kvUp,
    Linear o,
    Rope rope,
    AttentionSpec spec)
    implements TokenMixer {
  /// YaRN as DeepSeek uses it: scores instead of rotated elements take the magnitude, squared because
  /// both queries and keys would have.
  ///
  /// @param scale factor on scores
  record Scaling(RopeScaling rope, float scale) {
    static Scaling read(ModelReader r, int keyLength) {
      RopeScaling scaling = r.ropeScaling();
      if (!(scaling instanceof RopeScaling.Yarn yarn)) {
        return new Scaling(scaling, (float) (1 / Math.sqrt(keyLength)));
      }
      double log = Math.log(yarn.factor());
      double magnitude =
          yarn.attentionFactor() * (1 + r.float32("rope.scaling.yarn_log_multiplier", 0) * log);
      RopeScaling unit =
          new RopeScaling.Yarn(
              yarn.factor(),
              yarn.originalContext(),
              yarn.extrapolation(),
              (float) (1 / (1 + 0.1 * log)),
              yarn.betaFast(),
              yarn.betaSlow());
      return new Scaling(unit, (float) (magnitude * magnitude / Math.sqrt(keyLength)));
    }
  }

  static LatentAttention read(
      ModelReader r, String b, int layer, Heads heads, Rope rope, float scale) {
    int width = r.width();
    int kvRank = r.bounded("attention.kv_lora_rank", 1 << 20);
    int plain = heads.keyLength() - rope.dims();
    return new LatentAttention(
        layer,
        LatentQueries.read(r, b, heads.heads(), heads.keyLength(), rope),
        r.linear(b + "attn_kv_a_mqa", width, kvRank + rope.dims()),
        r.rmsNorm(b + "attn_kv_a_norm", kvRank),
        r.linear(b + "attn_kv_b", kvRank, heads.heads() * (plain + heads.valueLength())),
        r.linear(b + "attn_output", heads.attendedWidth(), width),
        rope,
        new AttentionSpec(
            heads.heads(),
            heads.heads(),
            heads.keyLength(),
            heads.valueLength(),
            scale,
            0,
            0,
            true,
            0,
            null));
  }

  @Override
  public void apply(Step s, Buffer y, Buffer h) {
    int n = s.rows();
    int heads = spec.heads();
    Buffer q = s.buffer(Step.Slot.Q, heads * spec.keyLength());
    queries.apply(s, q, h);

    int rotated = rope.dims();
    int plain = spec.keyLength() - rotated;
    int valueLength = spec.valueLength();
    int rank = kvNorm.dim();
    Buffer compressed = s.buffer(Step.Slot.LATENT, kvDown.out());
    Buffer latent = s.buffer(Step.Slot.LATENT_NORMED, rank);
    Buffer expanded = s.buffer(Step.Slot.LATENT_EXPANDED, kvUp.out());
    Buffer part = s.buffer(Step.Slot.ROPE_PART, heads * rotated);
    Buffer k = s.buffer(Step.Slot.K, heads * spec.keyLength());
    Buffer v = s.buffer(Step.Slot.V, heads * valueLength);

    kvDown.apply(s, compressed, h, n);
    s.backend.copyColumns(latent, rank, 0, compressed, kvDown.out(), 0, rank, n);
    kvNorm.apply(s, latent, latent, n);
    kvUp.apply(s, expanded, latent, n);
    int perHead = plain + valueLength;
    s.backend.copyColumns(k, spec.keyLength(), 0, expanded, perHead, 0, plain, n * heads);
    s.backend.copyColumns(v, valueLength, 0, expanded, perHead, plain, valueLength, n * heads);

    s.backend.copyColumns(part, rotated, 0, compressed, kvDown.out(), rank, rotated, n);
    rope.apply(s, part, n, 1, rotated);
    for (int head = 0; head < heads; head++) {
      int column = head * spec.keyLength() + plain;
      s.backend.copyColumns(k, heads * spec.keyLength(), column, part, rotated, 0, rotated, n);
    }

    Buffer attended = s.buffer(Step.Slot.ATTENDED, heads * valueLength);
    s.backend.storeKv(s.kv(), kvLayer, s.batch(), k, v);
    s.backend.attention(attended, q, s.kv(), kvLayer, s.batch(), spec);
    o.apply(s, y, attended, n);
  }
}

package ai.realm.model;

import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Buffer;
import org.jspecify.annotations.Nullable;

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
/// @param qDown (qRank, width), or null where queries come straight from `qUp`
/// @param qNorm (qRank), or null with it
/// @param qUp (heads · keyLength, qRank or width)
/// @param kvDown (kvRank + rotated, width)
/// @param kvNorm (kvRank)
/// @param kvUp (heads · (plain + valueLength), kvRank)
/// @param o (width, heads · valueLength)
record LatentAttention(
    int kvLayer,
    @Nullable Linear qDown,
    @Nullable Norm qNorm,
    Linear qUp,
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
    static Scaling read(ModelReader r, Heads heads) {
      RopeScaling scaling = r.ropeScaling();
      if (!(scaling instanceof RopeScaling.Yarn yarn)) {
        return new Scaling(scaling, heads.usualScale());
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
      return new Scaling(unit, (float) (magnitude * magnitude / Math.sqrt(heads.keyLength())));
    }
  }

  static LatentAttention read(
      ModelReader r, String b, int layer, Heads heads, Rope rope, float scale) {
    int width = r.width();
    int qRank = r.int32("attention.q_lora_rank", 0);
    int kvRank = r.bounded("attention.kv_lora_rank", 1 << 20);
    int plain = heads.keyLength() - rope.dims();
    boolean compressed = r.hasTensor(b + "attn_q_a.weight");
    return new LatentAttention(
        layer,
        compressed ? r.linear(b + "attn_q_a", width, qRank) : null,
        compressed ? r.rmsNorm(b + "attn_q_a_norm", qRank) : null,
        compressed
            ? r.linear(b + "attn_q_b", qRank, heads.queryWidth())
            : r.linear(b + "attn_q", width, heads.queryWidth()),
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
    Buffer q = s.buffer(Step.Slot.Q, qUp.out());
    queries(s, q, h);

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

  /// Queries with their last `rope.dims()` elements of each head rotated.
  private void queries(Step s, Buffer q, Buffer h) {
    int n = s.rows();
    if (qDown == null || qNorm == null) {
      qUp.apply(s, q, h, n);
    } else {
      Buffer compressed = s.buffer(Step.Slot.LATENT, qDown.out());
      qDown.apply(s, compressed, h, n);
      qNorm.apply(s, compressed, compressed, n);
      qUp.apply(s, q, compressed, n);
    }
    int rows = n * spec.heads();
    int rotated = rope.dims();
    int plain = spec.keyLength() - rotated;
    Buffer part = s.buffer(Step.Slot.ROPE_PART, spec.heads() * rotated);
    s.backend.copyColumns(part, rotated, 0, q, spec.keyLength(), plain, rotated, rows);
    rope.apply(s, part, n, spec.heads(), rotated);
    s.backend.copyColumns(q, spec.keyLength(), plain, part, rotated, 0, rotated, rows);
  }
}

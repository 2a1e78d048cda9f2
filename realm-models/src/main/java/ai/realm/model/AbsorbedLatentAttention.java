package ai.realm.model;

import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Buffer;

/// Multi-head latent attention with the expansions absorbed (DeepSeek V2, 2024, section 2.1.2): the
/// latent vector itself is stored, once for all heads, and queries are brought into its space instead.
///
/// ```
/// latent, kr = kvDown(h)                     latent ← rmsNorm(latent), kr ← rope(kr)
/// k, v       = latent | kr, latent           one key/value head
/// q          = kUpᵀ q plain | rope(q rotated)
/// o          = vUp · attention(q, k, v)      per head
/// ```
///
/// @param queries where queries come from
/// @param kUp one (kvRank, plain) per head
/// @param vUp one (valueLength, kvRank) per head
/// @param spec attention over the latent vectors: one key/value head
@SuppressWarnings("ArrayRecordComponent") // never compared, never changed
record AbsorbedLatentAttention(
    int kvLayer,
    LatentQueries queries,
    Linear kvDown,
    Norm kvNorm,
    Linear[] kUp,
    Linear[] vUp,
    Linear o,
    Rope rope,
    AttentionSpec spec)
    implements TokenMixer {
  /// @param heads as the file states them: key length of the latent form
  static AbsorbedLatentAttention read(
      ModelReader r, String b, int layer, Heads heads, Rope rope, float scale) {
    int rank = r.bounded("attention.kv_lora_rank", 1 << 20);
    int keyLength = r.bounded("attention.key_length_mla", 1 << 14);
    int valueLength = r.bounded("attention.value_length_mla", 1 << 14);
    int plain = keyLength - rope.dims();
    if (plain < 1) {
      throw new UnsupportedModelException(
          "%s.attention.key_length_mla: expected more than the %d rotated elements, found %d"
              .formatted(r.architecture(), rope.dims(), keyLength));
    }
    int latent = rank + rope.dims();
    return new AbsorbedLatentAttention(
        layer,
        LatentQueries.read(r, b, heads.heads(), keyLength, rope),
        r.linear(b + "attn_kv_a_mqa", r.width(), latent),
        r.rmsNorm(b + "attn_kv_a_norm", rank),
        r.experts(b + "attn_k_b", plain, rank, heads.heads()),
        r.experts(b + "attn_v_b", rank, valueLength, heads.heads()),
        r.linear(b + "attn_output", heads.heads() * valueLength, r.width()),
        rope,
        new AttentionSpec(heads.heads(), 1, latent, rank, scale, 0, 0, true, 0, null));
  }

  @Override
  public void apply(Step s, Buffer y, Buffer h) {
    int n = s.rows();
    int heads = spec.heads();
    int rank = kvNorm.dim();
    int rotated = rope.dims();
    int latentLength = rank + rotated;
    int keyLength = queries.keyLength();
    int plain = keyLength - rotated;

    Buffer expanded = s.buffer(Step.Slot.LATENT_EXPANDED, heads * keyLength);
    queries.apply(s, expanded, h);
    Buffer q = s.buffer(Step.Slot.Q, heads * latentLength);
    Buffer part = s.buffer(Step.Slot.ROPE_PART, Math.max(plain, rank));
    Buffer product = s.buffer(Step.Slot.LATENT_NORMED, rank);
    for (int head = 0; head < heads; head++) {
      s.backend.copyColumns(
          part, plain, 0, expanded, heads * keyLength, head * keyLength, plain, n);
      kUp[head].apply(s, product, part, n);
      s.backend.copyColumns(
          q, heads * latentLength, head * latentLength, product, rank, 0, rank, n);
    }
    s.backend.copyColumns(q, latentLength, rank, expanded, keyLength, plain, rotated, n * heads);

    Buffer k = s.buffer(Step.Slot.K, latentLength);
    Buffer v = s.buffer(Step.Slot.V, rank);
    kvDown.apply(s, k, h, n);
    s.backend.copyColumns(v, rank, 0, k, latentLength, 0, rank, n);
    kvNorm.apply(s, v, v, n);
    s.backend.copyColumns(part, rotated, 0, k, latentLength, rank, rotated, n);
    rope.apply(s, part, n, 1, rotated);
    s.backend.copyColumns(k, latentLength, 0, v, rank, 0, rank, n);
    s.backend.copyColumns(k, latentLength, rank, part, rotated, 0, rotated, n);

    Buffer attended = s.buffer(Step.Slot.ATTENDED, heads * rank);
    s.backend.storeKv(s.kv(), kvLayer, s.batch(), k, v);
    s.backend.attention(attended, q, s.kv(), kvLayer, s.batch(), spec);
    int valueLength = vUp[0].out();
    Buffer values = s.buffer(Step.Slot.LATENT_EXPANDED, heads * valueLength);
    Buffer value = s.buffer(Step.Slot.LATENT, valueLength);
    for (int head = 0; head < heads; head++) {
      s.backend.copyColumns(product, rank, 0, attended, heads * rank, head * rank, rank, n);
      vUp[head].apply(s, value, product, n);
      s.backend.copyColumns(
          values, heads * valueLength, head * valueLength, value, valueLength, 0, valueLength, n);
    }
    o.apply(s, y, values, n);
  }
}

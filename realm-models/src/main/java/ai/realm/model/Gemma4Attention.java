package ai.realm.model;

import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Buffer;
import org.jspecify.annotations.Nullable;

/// Attention whose heads may be fewer and shorter than those of other layers. The KV store has one shape
/// for all: short heads are padded with zeros, which change neither scores nor sums, and where there
/// are fewer key/value heads each is stored as often as its queries' share of the others.
///
/// @param kvLayer index of the keys and values in the KV store, of an earlier layer where shared
/// @param k (kvHeads · length, width), or null where keys and values are an earlier layer's
/// @param v the same for values, or null where the keys before their norm are the values
/// @param heads this layer's own
/// @param spec attention over the stored shape
record Gemma4Attention(
    int kvLayer,
    Linear q,
    @Nullable Linear k,
    @Nullable Linear v,
    Linear o,
    Norm qNorm,
    @Nullable Norm kNorm,
    Norm vNorm,
    Rope rope,
    Heads heads,
    AttentionSpec spec)
    implements TokenMixer {
  static Gemma4Attention read(
      ModelReader r,
      String b,
      int kvLayer,
      boolean keeps,
      Heads heads,
      Rope rope,
      AttentionSpec spec) {
    int length = heads.keyLength();
    if (!keeps) {
      // Converters may leave the unused projections in the file.
      r.ignore(b + "attn_k.weight");
      r.ignore(b + "attn_v.weight");
      r.ignore(b + "attn_k_norm.weight");
    }
    return new Gemma4Attention(
        kvLayer,
        r.linear(b + "attn_q", r.width(), heads.queryWidth()),
        keeps ? r.linear(b + "attn_k", r.width(), heads.keyWidth()) : null,
        keeps && r.hasTensor(b + "attn_v.weight")
            ? r.linear(b + "attn_v", r.width(), heads.valueWidth())
            : null,
        r.linear(b + "attn_output", heads.attendedWidth(), r.width()),
        r.rmsNorm(b + "attn_q_norm", length),
        keeps ? r.rmsNorm(b + "attn_k_norm", length) : null,
        new Norm(Norm.Kind.RMS, length, null, null, r.rmsEpsilon()),
        rope,
        heads,
        spec);
  }

  @Override
  public void apply(Step s, Buffer y, Buffer h) {
    int n = s.rows();
    int length = heads.keyLength();
    int stored = spec.keyLength();
    Buffer queries = s.buffer(Step.Slot.Q, q.out());
    q.apply(s, queries, h, n);
    qNorm.apply(s, queries, queries, n * heads.heads());
    rope.apply(s, queries, n, heads.heads(), length);
    if (k != null && kNorm != null) {
      keep(s, h, k, kNorm);
    }
    if (length == stored) {
      Buffer attended = s.buffer(Step.Slot.ATTENDED, q.out());
      s.backend.attention(attended, queries, s.kv(), kvLayer, s.batch(), spec);
      o.apply(s, y, attended, n);
      return;
    }
    int rows = n * heads.heads();
    Buffer padded = s.buffer(Step.Slot.Q_PADDED, heads.heads() * stored);
    Buffer wide = s.buffer(Step.Slot.LATENT, heads.heads() * stored);
    Buffer attended = s.buffer(Step.Slot.ATTENDED, q.out());
    s.backend.copyColumns(padded, stored, 0, queries, length, 0, length, rows);
    s.backend.attention(wide, padded, s.kv(), kvLayer, s.batch(), spec);
    s.backend.copyColumns(attended, length, 0, wide, stored, 0, length, rows);
    o.apply(s, y, attended, n);
  }

  /// Computes and stores keys and values.
  private void keep(Step s, Buffer h, Linear keyWeights, Norm keyNorm) {
    int n = s.rows();
    int kvHeads = heads.kvHeads();
    Buffer keys = s.buffer(Step.Slot.K, keyWeights.out());
    Buffer values = s.buffer(Step.Slot.V, keyWeights.out());
    keyWeights.apply(s, keys, h, n);
    if (v == null) {
      s.backend.copyColumns(
          values, keyWeights.out(), 0, keys, keyWeights.out(), 0, keyWeights.out(), n);
    } else {
      v.apply(s, values, h, n);
    }
    keyNorm.apply(s, keys, keys, n * kvHeads);
    vNorm.apply(s, values, values, n * kvHeads);
    rope.apply(s, keys, n, kvHeads, heads.keyLength());
    s.backend.storeKv(
        s.kv(),
        kvLayer,
        s.batch(),
        asStored(s, keys, Step.Slot.K_PADDED, Step.Slot.K_REPEATED),
        asStored(s, values, Step.Slot.V_PADDED, Step.Slot.V_REPEATED));
  }

  /// The heads in the store's shape. Padded and unpadded layers use different scratch, so that the
  /// padding stays zero.
  private Buffer asStored(Step s, Buffer x, Step.Slot padded, Step.Slot repeated) {
    int length = heads.keyLength();
    int stored = spec.keyLength();
    int kvHeads = heads.kvHeads();
    if (length == stored && kvHeads == spec.kvHeads()) {
      return x;
    }
    Buffer out = s.buffer(length == stored ? repeated : padded, spec.kvHeads() * stored);
    int times = spec.kvHeads() / kvHeads;
    for (int head = 0; head < spec.kvHeads(); head++) {
      s.backend.copyColumns(
          out,
          spec.kvHeads() * stored,
          head * stored,
          x,
          kvHeads * length,
          head / times * length,
          length,
          s.rows());
    }
    return out;
  }
}

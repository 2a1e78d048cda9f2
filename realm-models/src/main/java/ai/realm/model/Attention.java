package ai.realm.model;

import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Buffer;
import ai.realm.compute.WeightMatrix;
import org.jspecify.annotations.Nullable;

/// Grouped-query attention (Vaswani et al. 2017; Ainslie et al. 2023) over the paged KV store.
///
/// @param kvLayer index of its keys and values in the KV store
/// @param q (heads · keyLength, width)
/// @param k (kvHeads · keyLength, width)
/// @param v (kvHeads · valueLength, width)
/// @param o (width, heads · valueLength)
/// @param qNorm of queries before rotation, or null
/// @param kNorm of keys before rotation, or null
/// @param rope rotation of queries and keys, or null
/// @param clamp where positive, q, k and v are limited to ± this before anything else (MPT, OLMo)
/// @param scaling of queries by their position, or null
/// @param qkv the three weights, multiplied in one operation
@SuppressWarnings("ArrayRecordComponent") // never compared, never changed
record Attention(
    int kvLayer,
    Linear q,
    Linear k,
    Linear v,
    Linear o,
    @Nullable HeadNorm qNorm,
    @Nullable HeadNorm kNorm,
    @Nullable Rope rope,
    AttentionSpec spec,
    float clamp,
    @Nullable QueryScaling scaling,
    WeightMatrix[] qkv)
    implements TokenMixer {
  Attention(
      int kvLayer,
      Linear q,
      Linear k,
      Linear v,
      Linear o,
      @Nullable HeadNorm qNorm,
      @Nullable HeadNorm kNorm,
      @Nullable Rope rope,
      AttentionSpec spec) {
    this(
        kvLayer,
        q,
        k,
        v,
        o,
        qNorm,
        kNorm,
        rope,
        spec,
        0,
        null,
        new WeightMatrix[] {q.weight(), k.weight(), v.weight()});
  }

  /// The same with q, k and v limited to ± `limit`; 0 for no limit.
  Attention clampedBy(float limit) {
    return new Attention(kvLayer, q, k, v, o, qNorm, kNorm, rope, spec, limit, scaling, qkv);
  }

  /// The same with queries that grow with their position; null for none.
  Attention scaledBy(@Nullable QueryScaling queryScaling) {
    return new Attention(kvLayer, q, k, v, o, qNorm, kNorm, rope, spec, clamp, queryScaling, qkv);
  }

  @Override
  public void apply(Step s, Buffer y, Buffer h) {
    int n = s.rows();
    int heads = spec.heads();
    int kvHeads = spec.kvHeads();
    Buffer queries = s.buffer(Step.Slot.Q, q.out());
    Buffer keys = s.buffer(Step.Slot.K, k.out());
    Buffer values = s.buffer(Step.Slot.V, v.out());
    Buffer attended = s.buffer(Step.Slot.ATTENDED, heads * spec.valueLength());

    s.matmul(queries, keys, values, qkv, h, n);
    q.finish(s, queries, h, n);
    k.finish(s, keys, h, n);
    v.finish(s, values, h, n);
    if (clamp > 0) {
      s.clamp(queries, n * q.out(), clamp);
      s.clamp(keys, n * k.out(), clamp);
      s.clamp(values, n * v.out(), clamp);
    }
    if (qNorm != null) {
      qNorm.apply(s, queries, n, heads, spec.keyLength());
    }
    if (kNorm != null) {
      kNorm.apply(s, keys, n, kvHeads, spec.keyLength());
    }
    if (rope != null) {
      rope.apply(s, queries, n, heads, spec.keyLength());
      rope.apply(s, keys, n, kvHeads, spec.keyLength());
    }
    if (scaling != null) {
      scaling.apply(s, queries, q.out());
    }
    s.backend.storeKv(s.kv(), kvLayer, s.batch(), keys, values);
    s.backend.attention(attended, queries, s.kv(), kvLayer, s.batch(), spec);
    o.apply(s, y, attended, n);
  }
}

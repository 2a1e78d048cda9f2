package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Buffer;

/// Grouped-query attention whose result is gated by the input: `o(attention · sigmoid(gate))` (Qwen 3
/// Next, Qwen 3.5).
///
/// @param qAndGate (heads · 2 · keyLength, width): per head, the query, then the gate
record GatedAttention(
    int kvLayer,
    Linear qAndGate,
    Linear k,
    Linear v,
    Linear o,
    HeadNorm qNorm,
    HeadNorm kNorm,
    Rope rope,
    AttentionSpec spec)
    implements TokenMixer {
  @Override
  public void apply(Step s, Buffer y, Buffer h) {
    int n = s.rows();
    int heads = spec.heads();
    int length = spec.keyLength();
    Buffer both = s.buffer(Step.Slot.LATENT, qAndGate.out());
    Buffer q = s.buffer(Step.Slot.Q, heads * length);
    Buffer gate = s.buffer(Step.Slot.GATE, heads * length);
    Buffer keys = s.buffer(Step.Slot.K, k.out());
    Buffer values = s.buffer(Step.Slot.V, v.out());
    Buffer attended = s.buffer(Step.Slot.ATTENDED, heads * length);

    qAndGate.apply(s, both, h, n);
    s.backend.copyColumns(q, length, 0, both, 2 * length, 0, length, n * heads);
    s.backend.copyColumns(gate, length, 0, both, 2 * length, length, length, n * heads);
    k.apply(s, keys, h, n);
    v.apply(s, values, h, n);
    qNorm.apply(s, q, n, heads, length);
    kNorm.apply(s, keys, n, spec.kvHeads(), length);
    rope.apply(s, q, n, heads, length);
    rope.apply(s, keys, n, spec.kvHeads(), length);
    s.backend.storeKv(s.kv(), kvLayer, s.batch(), keys, values);
    s.backend.attention(attended, q, s.kv(), kvLayer, s.batch(), spec);
    s.backend.gate(Activation.SIGMOID, gate, attended, (long) n * heads * length);
    o.apply(s, y, gate, n);
  }
}

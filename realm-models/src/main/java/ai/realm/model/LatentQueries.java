package ai.realm.model;

import ai.realm.compute.Buffer;
import org.jspecify.annotations.Nullable;

/// Queries of latent attention: `up(rmsNorm(down(h)))`, or `up(h)` where they are not compressed, with
/// the last elements of each head rotated.
///
/// @param down (rank, width), or null
/// @param norm (rank), or null with it
/// @param up (heads · keyLength, rank or width)
record LatentQueries(
    @Nullable Linear down, @Nullable Norm norm, Linear up, int heads, int keyLength, Rope rope) {
  static LatentQueries read(ModelReader r, String b, int heads, int keyLength, Rope rope) {
    int width = r.width();
    if (!r.hasTensor(b + "attn_q_a.weight")) {
      Linear up = r.linear(b + "attn_q", width, heads * keyLength);
      return new LatentQueries(null, null, up, heads, keyLength, rope);
    }
    int rank = r.bounded("attention.q_lora_rank", 1 << 20);
    return new LatentQueries(
        r.linear(b + "attn_q_a", width, rank),
        r.rmsNorm(b + "attn_q_a_norm", rank),
        r.linear(b + "attn_q_b", rank, heads * keyLength),
        heads,
        keyLength,
        rope);
  }

  /// Shapes: h (rows, width), q (rows, heads · keyLength).
  void apply(Step s, Buffer q, Buffer h) {
    int n = s.rows();
    if (down == null || norm == null) {
      up.apply(s, q, h, n);
    } else {
      Buffer compressed = s.buffer(Step.Slot.LATENT, down.out());
      down.apply(s, compressed, h, n);
      norm.apply(s, compressed, compressed, n);
      up.apply(s, q, compressed, n);
    }
    int rows = n * heads;
    int rotated = rope.dims();
    int plain = keyLength - rotated;
    Buffer part = s.buffer(Step.Slot.ROPE_PART, heads * rotated);
    s.backend.copyColumns(part, rotated, 0, q, keyLength, plain, rotated, rows);
    rope.apply(s, part, n, heads, rotated);
    s.backend.copyColumns(q, keyLength, plain, part, rotated, 0, rotated, rows);
  }
}

// Q4_0: 32 weights of 4 bits, offset by 8, with one f16 scale. See block_q4_0 in ggml-common.h; layout in
// panel.h.
#include "matmul.h"

INLINE void q4_0_tile(const uint8_t *panel, const uint8_t *act, long cols, const int nt, f32x16 *sum) {
  UNROLL for (int t = 0; t < nt; t++) sum[t] = zero_f32();
  long blocks = cols / 32;
  for (long b = 0; b < blocks; b++, act += nt * A32_BYTES) {
    const uint8_t *pair = panel + (b >> 1) * Q4_0_PAIR, *q = pair + 64 + (b & 1) * 256;
    const uint8_t *aq = act + 12 * nt;
    const float *da = (const float *)act;
    const int32_t *bias = (const int32_t *)act + nt;
    i32x16 s[TILE];
    UNROLL for (int t = 0; t < nt; t++) s[t] = splat_i32(bias[t]);
    UNROLL for (int j = 0; j < 4; j++) {
      prefetch(q + j * 64 + AHEAD);
      bytes64 w = load_bytes(q + j * 64), lo = low_nibbles(w), hi = high_nibbles(w);
      UNROLL for (int t = 0; t < nt; t++) s[t] = dot7(s[t], lo, aq + (j * nt + t) * 4);
      UNROLL for (int t = 0; t < nt; t++) s[t] = dot7(s[t], hi, aq + ((j + 4) * nt + t) * 4);
    }
    f32x16 d = load_f16(pair + (b & 1) * 32);
    UNROLL for (int t = 0; t < nt; t++)
      sum[t] = fma_f32(to_f32(s[t]), mul_f32(d, splat_f32(da[t])), sum[t]);
  }
}

MATMUL(q4_0, T_Q4_0)

// Q4_K and Q5_K: 256 weights of 4 or 5 bits in 8 sub-blocks of 32, weight = d * scale * q - dmin * min.
// See block_q4_K and block_q5_K in ggml-common.h; layout in panel.h.
//
// sum = da * (d * sum_s scale_s * dot_s - dmin * sum_s min_s * Σq_s): the second sum is one 16-bit dot
// product per pair of sub-blocks against the sums that come with the activations.
#include "matmul.h"

INLINE void k_tile(const uint8_t *panel, const uint8_t *act, long cols, const int nt, f32x16 *sum,
                   const int fifth) {
  UNROLL for (int t = 0; t < nt; t++) sum[t] = zero_f32();
  long supers = cols / 256;
  for (long b = 0; b < supers; b++, act += nt * A256_BYTES) {
    const uint8_t *w = panel + b * (fifth ? Q5_K_SUPER : Q4_K_SUPER);
    const uint8_t *scales = w + 64, *mins = w + 192, *q = w + 320, *bits = w + 320 + 2048;
    const float *da = (const float *)act;
    const uint8_t *sums = act + 4 * nt, *aq = act + (4 + 16 + 64) * nt;
    f32x16 f[TILE];
    UNROLL for (int t = 0; t < nt; t++) f[t] = zero_f32();
    for (int sub = 0; sub < 8; sub++, q += 256, aq += 32 * nt) {
      bytes64 high;
      if (fifth) {
        fetch_ahead(w + sub * (Q5_K_SUPER / 8), Q5_K_SUPER / 8, nt);
        high = load_bytes(bits + sub * 64);
      }
      i32x16 s[TILE];
      UNROLL for (int t = 0; t < nt; t++) s[t] = splat_i32(0);
      UNROLL for (int j = 0; j < 4; j++) {
        if (!fifth) prefetch(q + j * 64 + AHEAD);
        bytes64 v = load_bytes(q + j * 64), lo = low_nibbles(v), hi = high_nibbles(v);
        if (fifth) {
          lo = or_bytes(lo, bit_as_16(high, j));
          hi = or_bytes(hi, bit_as_16(high, j + 4));
        }
        UNROLL for (int t = 0; t < nt; t++) s[t] = dot7(s[t], lo, aq + (j * nt + t) * 4);
        UNROLL for (int t = 0; t < nt; t++) s[t] = dot7(s[t], hi, aq + ((j + 4) * nt + t) * 4);
      }
      f32x16 scale = load_u8_f32(scales + sub * 16);
      UNROLL for (int t = 0; t < nt; t++) f[t] = fma_f32(to_f32(s[t]), scale, f[t]);
    }
    f32x16 d = load_f16(w), dmin = load_f16(w + 32);
    i32x16 m[TILE];
    UNROLL for (int t = 0; t < nt; t++) m[t] = splat_i32(0);
    UNROLL for (int p = 0; p < 4; p++) {
      bytes64 min = load_u8_i16(mins + p * 32);
      UNROLL for (int t = 0; t < nt; t++) m[t] = dot_pairs(m[t], min, sums + (p * nt + t) * 4);
    }
    UNROLL for (int t = 0; t < nt; t++) {
      f32x16 v = sub_f32(mul_f32(f[t], d), mul_f32(to_f32(m[t]), dmin));
      sum[t] = fma_f32(v, splat_f32(da[t]), sum[t]);
    }
  }
}

INLINE void q4_k_tile(const uint8_t *panel, const uint8_t *act, long cols, const int nt, f32x16 *sum) {
  k_tile(panel, act, cols, nt, sum, 0);
}

INLINE void q5_k_tile(const uint8_t *panel, const uint8_t *act, long cols, const int nt, f32x16 *sum) {
  k_tile(panel, act, cols, nt, sum, 1);
}

MATMUL(q4_k, T_Q4_K)
MATMUL(q5_k, T_Q5_K)

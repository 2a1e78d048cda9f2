// Q6_K: 256 weights of 6 bits, offset by 32, in 16 sub-blocks of 16 with 8-bit scales. See block_q6_K in
// ggml-common.h; layout in panel.h.
#include "matmul.h"

INLINE void q6_k_tile(const uint8_t *panel, const uint8_t *act, long cols, const int nt, f32x16 *sum) {
  UNROLL for (int t = 0; t < nt; t++) sum[t] = zero_f32();
  long supers = cols / 256;
  for (long b = 0; b < supers; b++, act += nt * A256_BYTES) {
    const uint8_t *w = panel + q6_k_scales(cols) + b * Q6_K_SUPER;
    const float *da = (const float *)act;
    const int32_t *bias = (const int32_t *)(act + 20 * nt);
    const uint8_t *aq = act + (4 + 16 + 64) * nt;
    f32x16 f[TILE];
    UNROLL for (int t = 0; t < nt; t++) f[t] = zero_f32();
    for (int sub = 0; sub < 8; sub++, aq += 32 * nt, bias += 2 * nt) {
      const uint8_t *half = w + 256 + (sub >> 2) * 1536;
      const uint8_t *q = half + (sub & 3) * 256, *high = half + 1024 + (sub & 3) * 128;
      fetch_ahead(w + sub * (Q6_K_SUPER / 8), Q6_K_SUPER / 8, nt);
      bytes64 h0 = load_bytes(high), h1 = load_bytes(high + 64);
      i32x16 s[TILE];
      UNROLL for (int t = 0; t < nt; t++) s[t] = splat_i32(bias[t]);
      UNROLL for (int j = 0; j < 4; j++) {
        bytes64 v = or_bytes(low_nibbles(load_bytes(q + j * 64)), pair_as_16(h0, 2 * j));
        UNROLL for (int t = 0; t < nt; t++) s[t] = dot7(s[t], v, aq + (j * nt + t) * 4);
      }
      f32x16 scale = load_i8_f32(w + sub * 32);
      UNROLL for (int t = 0; t < nt; t++) f[t] = fma_f32(to_f32(s[t]), scale, f[t]);
      UNROLL for (int t = 0; t < nt; t++) s[t] = splat_i32(bias[nt + t]);
      UNROLL for (int j = 0; j < 4; j++) {
        bytes64 v = or_bytes(high_nibbles(load_bytes(q + j * 64)), pair_as_16(h1, 2 * j));
        UNROLL for (int t = 0; t < nt; t++) s[t] = dot7(s[t], v, aq + ((j + 4) * nt + t) * 4);
      }
      scale = load_i8_f32(w + sub * 32 + 16);
      UNROLL for (int t = 0; t < nt; t++) f[t] = fma_f32(to_f32(s[t]), scale, f[t]);
    }
    f32x16 d = load_f16(panel + b * 32);
    UNROLL for (int t = 0; t < nt; t++) sum[t] = fma_f32(f[t], mul_f32(d, splat_f32(da[t])), sum[t]);
  }
}

MATMUL(q6_k, T_Q6_K)

// F16, BF16, F32: weights as floats, activations not quantized.
#include "matmul.h"

#define FLOAT_TILE(name, load, bytes)                                                                \
  INLINE void name##_tile(const uint8_t *panel, const uint8_t *act, long cols, const int nt,         \
                          f32x16 *sum) {                                                             \
    UNROLL for (int t = 0; t < nt; t++) sum[t] = zero_f32();                                         \
    f32x16 odd = zero_f32();                                                                         \
    for (long k = 0; k < cols; k++) {                                                                \
      const float *x = (const float *)act + k * nt;                                                  \
      f32x16 w = load(panel + k * (bytes));                                                          \
      prefetch(panel + k * (bytes) + AHEAD);                                            \
      if (nt == 1 && (k & 1)) {                                                                      \
        odd = fma_f32(w, splat_f32(x[0]), odd);                                                      \
        continue;                                                                                    \
      }                                                                                              \
      UNROLL for (int t = 0; t < nt; t++) sum[t] = fma_f32(w, splat_f32(x[t]), sum[t]);              \
    }                                                                                                \
    if (nt == 1) sum[0] = add_f32(sum[0], odd);                                                      \
  }

FLOAT_TILE(f16, load_f16, 32)
FLOAT_TILE(bf16, load_bf16, 32)
FLOAT_TILE(f32, load_f32, 64)

MATMUL(f16, T_F16)
MATMUL(bf16, T_BF16)
MATMUL(f32, T_F32)

// F16, BF16, F32: weights as floats, activations not quantized.
#include "matmul.h"

#define FLOAT_TILE(name, load, bytes)                                                                \
  INLINE void name##_tile(const uint8_t *panel, const uint8_t *act, long cols, const int nt,         \
                          f32x16 *sum) {                                                             \
    UNROLL for (int t = 0; t < nt; t++) sum[t] = zero_f32();                                         \
    for (long k = 0; k < cols; k++) {                                                                \
      const float *x = (const float *)act + k * nt;                                                  \
      f32x16 w = load(panel + k * (bytes));                                                          \
      prefetch(panel + k * (bytes) + AHEAD);                                                         \
      UNROLL for (int t = 0; t < nt; t++) sum[t] = fma_f32(w, splat_f32(x[t]), sum[t]);              \
    }                                                                                                \
  }

// One token and PANELS whole panels: as many sums in flight as the next multiply-add waits cycles for the one
// before. Summing a panel's even and odd columns apart would do as well, but not in the order of the other tiles.
enum { PANELS = 4 };

#define FLOAT_ABREAST(name, load, bytes)                                                             \
  static __attribute__((noinline)) void name##_abreast(const uint8_t *panels, const float *x,         \
                                                       long cols, float *out) {                      \
    f32x16 sum[PANELS];                                                                              \
    UNROLL for (int p = 0; p < PANELS; p++) sum[p] = zero_f32();                                     \
    for (long k = 0; k < cols; k++) {                                                                \
      f32x16 v = splat_f32(x[k]);                                                                    \
      UNROLL for (int p = 0; p < PANELS; p++) {                                                      \
        const uint8_t *w = panels + (p * cols + k) * (bytes);                                        \
        prefetch(w + AHEAD);                                                                         \
        sum[p] = fma_f32(load(w), v, sum[p]);                                                        \
      }                                                                                              \
    }                                                                                                \
    UNROLL for (int p = 0; p < PANELS; p++) store_f32(out + p * PANEL, sum[p]);                      \
  }

#define FLOAT_MATMUL(name, type, load, bytes)                                                        \
  FLOAT_TILE(name, load, bytes)                                                                      \
  FLOAT_ABREAST(name, load, bytes)                                                                   \
  MATMUL_AFTER(name, type, for (; n == 1 && p0 + PANELS <= p1 && (p0 + PANELS) * PANEL <= rows;      \
                                p0 += PANELS) name##_abreast(w + p0 * cols * (bytes),                \
                                                             (const float *)act, cols, out + p0 * PANEL);)

FLOAT_MATMUL(f16, T_F16, load_f16, 32)
FLOAT_MATMUL(bf16, T_BF16, load_bf16, 32)
FLOAT_MATMUL(f32, T_F32, load_f32, 64)

// Activations of a tile of tokens in the form that a kernel reads; layouts in panel.h.
#include "panel.h"
#include "simd.h"

INLINE f32x16 largest_of(const float *x, int count) {
  f32x16 m = zero_f32();
  for (int i = 0; i < count; i += 16) m = max_f32(m, abs_f32(load_f32(x + i)));
  return m;
}

// 16 values to bytes; their sum
INLINE int quantize_16(const float *x, f32x16 inverse, int8_t *q) {
  i32x16 v = round_i32(mul_f32(load_f32(x), inverse));
  store_i8(q, v);
  return sum_i32(v);
}

static void tile_a32(const float *x, long cols, uint8_t *to, int nt) {
  for (long b = 0; b < cols / 32; b++, to += nt * A32_BYTES) {
    for (int t = 0; t < nt; t++) {
      const float *v = x + t * cols + b * 32;
      float largest = largest_f32(largest_of(v, 32));
      f32x16 inverse = splat_f32(largest > 0 ? 127 / largest : 0);
      int8_t q[32];
      int sum = quantize_16(v, inverse, q) + quantize_16(v + 16, inverse, q + 16);
      ((float *)to)[t] = largest / 127;
      ((int32_t *)to)[nt + t] = -8 * sum;
      ((int32_t *)to)[2 * nt + t] = -BIAS8 * sum;
      for (int j = 0; j < 8; j++) put32(to + 12 * nt + (j * nt + t) * 4, get32(q + 4 * j));
    }
  }
}

static void tile_a256(const float *x, long cols, uint8_t *to, int nt) {
  for (long b = 0; b < cols / 256; b++, to += nt * A256_BYTES) {
    for (int t = 0; t < nt; t++) {
      const float *v = x + t * cols + b * 256;
      float largest = largest_f32(largest_of(v, 256));
      f32x16 inverse = splat_f32(largest > 0 ? 127 / largest : 0);
      int16_t *pairs = (int16_t *)(to + 4 * nt);
      int32_t *bias = (int32_t *)(to + 20 * nt);
      uint8_t *bytes = to + 84 * nt;
      ((float *)to)[t] = largest / 127;
      for (int s = 0; s < 8; s++) {
        int8_t q[32];
        int a = quantize_16(v + s * 32, inverse, q), c = quantize_16(v + s * 32 + 16, inverse, q + 16);
        bias[2 * s * nt + t] = -32 * a;
        bias[(2 * s + 1) * nt + t] = -32 * c;
        pairs[((s >> 1) * nt + t) * 2 + (s & 1)] = (int16_t)(a + c);
        for (int j = 0; j < 8; j++) put32(bytes + ((s * 8 + j) * nt + t) * 4, get32(q + 4 * j));
      }
    }
  }
}

static void tile_f32(const float *x, long cols, uint8_t *to, int nt) {
  float *f = (float *)to;
  for (int t = 0; t < nt; t++) {
    for (long k = 0; k < cols; k++) f[k * nt + t] = x[t * cols + k];
  }
}

// Tokens [t0, t1) of x (n, cols); t0 is a multiple of 24 (a whole number of tiles for every TILE).
EXPORT void FN(quantize)(long form, const float *x, long n, long cols, uint8_t *to, long t0, long t1) {
  long token = token_bytes((int)form, cols);
  for (long t = t0; t < t1;) {
    int nt = tile_tokens(n - t, TILE);
    if (form == FORM_A32) {
      tile_a32(x + t * cols, cols, to + t * token, nt);
    } else if (form == FORM_A256) {
      tile_a256(x + t * cols, cols, to + t * token, nt);
    } else {
      tile_f32(x + t * cols, cols, to + t * token, nt);
    }
    t += nt;
  }
}

// A Q8_0 panel out of 16 rows of floats: for types without kernels of their own.
EXPORT void FN(panel_of_floats)(const float *rows, long cols, uint8_t *to) {
  for (long b = 0; b < cols / 32; b++) {
    uint8_t *pair = to + (b >> 1) * Q8_0_PAIR, *q = pair + 64 + (b & 1) * 512;
    float scales[PANEL];
    for (int r = 0; r < PANEL; r++) {
      const float *v = rows + r * cols + b * 32;
      float largest = largest_f32(largest_of(v, 32));
      f32x16 inverse = splat_f32(largest > 0 ? 127 / largest : 0);
      int8_t bytes[32];
      quantize_16(v, inverse, bytes);
      quantize_16(v + 16, inverse, bytes + 16);
      scales[r] = largest / 127;
      for (int j = 0; j < 8; j++) put32(q + j * 64 + r * 4, get32(bytes + 4 * j) ^ 0x80808080u);
    }
    store_f16(pair + (b & 1) * 32, load_f32(scales));
  }
}

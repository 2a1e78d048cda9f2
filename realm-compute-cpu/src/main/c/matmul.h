// The frame of every matrix product: out[t][r] = sum over k of x[t][k] * w[r][k] for panels [p0, p1) of 16
// rows and all n tokens. A kernel file defines a function of one tile,
//
//   INLINE void NAME_tile(const uint8_t *panel, const uint8_t *act, long cols, const int nt, f32x16 *sum)
//
// and MATMUL(NAME, TYPE) makes the symbol around it, with a copy of the tile function for each nt. Every copy
// sums an output in the same order: what a token gets is the same, bit for bit, whichever tile it is in.
#ifndef MATMUL_H
#define MATMUL_H

#include "panel.h"
#include "simd.h"

// Tokens whose activations stay in the second-level cache while a run of panels passes over them.
#define BLOCK_BYTES (512 * 1024)

// How far ahead of a decoding kernel its panel is fetched. Measured: 2 to 3 KiB read 5 to 15 % faster than 4 KiB.
#define AHEAD 2560

// The same for several tokens.
#define AHEAD_TILE 4096

// Fetches as many bytes of a panel as a step of a tile of nt tokens takes, whichever of the panel's streams
// (nibbles, high bits, scales) they are of; `at` is as far into the panel as the steps before took. Not all hardware
// follows several streams by itself: without this, 2 to 12 tokens of Q6_K ran at a quarter of the speed on Zen 5.
INLINE void fetch_ahead(const uint8_t *at, const int bytes, const int nt) {
  at += nt == 1 ? AHEAD : AHEAD_TILE;
  UNROLL for (int i = 0; i < bytes; i += 64) prefetch(at + i);
}

typedef void (*tile_function)(const uint8_t *panel, const uint8_t *act, long cols, float *out,
                              long stride, int rows);

#define TILE_COPY(name, nt)                                                                       \
  static __attribute__((noinline)) void name##_##nt(const uint8_t *panel, const uint8_t *act,      \
                                                    long cols, float *out, long stride, int rows) { \
    f32x16 sum[nt];                                                                                \
    name##_tile(panel, act, cols, nt, sum);                                                        \
    if (rows == PANEL) {                                                                           \
      for (int t = 0; t < nt; t++) store_f32(out + t * stride, sum[t]);                            \
    } else {                                                                                       \
      for (int t = 0; t < nt; t++) store_f32_n(out + t * stride, sum[t], rows);                    \
    }                                                                                              \
  }

INLINE void matmul_frame(const tile_function functions[13], int type, const uint8_t *w, long cols,
                         long rows, const uint8_t *act, long n, float *out, long stride, long p0,
                         long p1) {
  long panel = panel_bytes(type, cols), token = token_bytes(form_of(type), cols);
  long block = BLOCK_BYTES / token / TILE * TILE;
  if (block < TILE) block = TILE;
  for (long t0 = 0; t0 < n; t0 += block) {
    long t1 = min_long(n, t0 + block);
    for (long p = p0; p < p1; p++) {
      int valid = (int)min_long(PANEL, rows - p * PANEL);
      for (long t = t0; t < t1;) {
        int nt = tile_tokens(n - t, TILE);
        functions[nt](w + p * panel, act + t * token, cols, out + t * stride + p * PANEL, stride, valid);
        t += nt;
      }
    }
  }
}

#if TILE == 12
#define TILE_COPIES(name) TILE_COPY(name, 12) TILE_COPY(name, 8)
#define TILE_TABLE(name) [8] = name##_8, [12] = name##_12,
#else
#define TILE_COPIES(name)
#define TILE_TABLE(name)
#endif

#define MATMUL_AFTER(name, type, first)                                                             \
  TILE_COPIES(name) TILE_COPY(name, 4) TILE_COPY(name, 2) TILE_COPY(name, 1)                        \
  EXPORT void FN(mul_##name)(const uint8_t *w, long cols, long rows, const uint8_t *act, long n,           \
                      float *out, long stride, long p0, long p1) {                                  \
    const tile_function functions[13] = {                                                           \
        [1] = name##_1, [2] = name##_2, [4] = name##_4, TILE_TABLE(name)};                          \
    first                                                                                           \
    matmul_frame(functions, type, w, cols, rows, act, n, out, stride, p0, p1);                      \
  }

#define MATMUL(name, type) MATMUL_AFTER(name, type, )

#endif

// Layouts that the kernels compute on.
//
// Weights: panels of 16 rows. Within a panel k runs in steps of 4: one 64-byte line holds 4 consecutive
// weights of each of the 16 rows, so one 4-byte dot-product instruction with the activation's 4 bytes
// broadcast advances 16 output rows, without shuffles or horizontal sums. Rows beyond the matrix's last
// are zeros. Scales of the 16 rows lie side by side. Sizes are those of the file's blocks (Q4_K and Q5_K:
// 64 bytes more per 256 x 16, for scales and mins widened to 8 bits).
//
//   Q8_0   per 2 blocks:  d f16[2][16] | q u8[2][8][16][4], offset by 128
//   Q4_0   per 2 blocks:  d f16[2][16] | nibbles [2][4][16][4]: low k-step j, high k-step j + 4
//   Q4_K   per 256:       d f16[16], dmin f16[16] | scale u8[8][16] | min u8[4][16][2] |
//                         nibbles [8][4][16][4] as Q4_0
//   Q5_K   per 256:       as Q4_K, then fifth bits [8][16][4]: bit j of a byte is k-step j
//   Q6_K   first d f16[supers][16], to whole lines; then per 256: scale i8[16][16] | per half (128):
//                         nibbles [4][4][16][4] as Q4_0, then high bit pairs [4][2][16][4]: bits 2i of
//                         line h are k-step 4h + i
//   F16, BF16, F32        [k][16]
//
// Activations: tiles of NT tokens (12 while there are as many, then 8, 4, 2, 1; at most TILE), tokens
// side by side, so that a tile's bytes are those of its tokens and token t's tile starts at t * bytes
// per token. Two quantized forms:
//
//   A32, per 32:    d f32[NT] | -8 Σq i32[NT] | -BIAS8 Σq i32[NT] | q i8[8][NT][4]
//   A256, per 256:  d f32[NT] | Σq pairs of 32s i16[4][NT][2] | -32 Σq of 16s i32[16][NT] | q i8[64][NT][4]
//   F32:            x f32[k][NT]
#ifndef PANEL_H
#define PANEL_H

#include "realm.h"

enum {
  PANEL = 16,
  Q8_0_PAIR = 64 + 2 * 512,
  Q4_0_PAIR = 64 + 2 * 256,
  Q4_K_SUPER = 64 + 256 + 2048,
  Q5_K_SUPER = 64 + 256 + 2048 + 512,
  Q6_K_SUPER = 256 + 2 * (1024 + 512),
  A32_BYTES = 12 + 32,
  A256_BYTES = 4 + 16 + 64 + 256,
  FORM_F32 = 0,
  FORM_A32 = 1,
  FORM_A256 = 2
};

INLINE int form_of(int type) {
  switch (type) {
    case T_Q8_0:
    case T_Q4_0:
      return FORM_A32;
    case T_Q4_K:
    case T_Q5_K:
    case T_Q6_K:
      return FORM_A256;
    default:
      return FORM_F32;
  }
}

// Bytes of the d of a Q6_K panel.
INLINE long q6_k_scales(long cols) { return (cols / 256 * 32 + 63) & ~63L; }

// Bytes of one panel of 16 rows of `cols` weights.
INLINE long panel_bytes(int type, long cols) {
  switch (type) {
    case T_Q8_0:
      return (cols / 32 + 1) / 2 * Q8_0_PAIR;
    case T_Q4_0:
      return (cols / 32 + 1) / 2 * Q4_0_PAIR;
    case T_Q4_K:
      return cols / 256 * Q4_K_SUPER;
    case T_Q5_K:
      return cols / 256 * Q5_K_SUPER;
    case T_Q6_K:
      return q6_k_scales(cols) + cols / 256 * Q6_K_SUPER;
    case T_F16:
    case T_BF16:
      return cols * 32;
    case T_F32:
      return cols * 64;
    default:
      return -1;
  }
}

// Bytes of one token's activations.
INLINE long token_bytes(int form, long cols) {
  switch (form) {
    case FORM_A32:
      return cols / 32 * A32_BYTES;
    case FORM_A256:
      return cols / 256 * A256_BYTES;
    default:
      return cols * 4;
  }
}

// Tokens of the tile that starts with `left` tokens to go.
INLINE int tile_tokens(long left, int tile) {
  if (left >= tile) return tile;
  return left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

#endif

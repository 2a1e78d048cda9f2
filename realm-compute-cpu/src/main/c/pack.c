// Panels out of a tensor's blocks as they lie in a GGUF file; layouts in panel.h. Plain C: it runs once
// per weight, and as one copy for all variants.
#include "panel.h"

// Fetches memory into the second-level cache; an address that is not there does nothing.
EXPORT void realm_fetch(const uint8_t *from, long bytes) {
  for (long i = 0; i < bytes; i += 64) __builtin_prefetch(from + i, 0, 2);
}

// Where row r of panel p begins, or a row of zero bytes beyond the last.
typedef struct {
  const uint8_t *data, *zeros;
  long row_bytes, rows;
} source;

INLINE const uint8_t *row_of(const source *s, long row) {
  return row < s->rows ? s->data + row * s->row_bytes : s->zeros;
}

static void pack_q8_0(const uint8_t *const rows[PANEL], long cols, uint8_t *to) {
  long blocks = cols / 32;
  for (long b = 0; b < blocks; b++) {
    uint8_t *pair = to + (b >> 1) * Q8_0_PAIR, *q = pair + 64 + (b & 1) * 512;
    for (int r = 0; r < PANEL; r++) {
      const uint8_t *block = rows[r] + b * 34;
      put16(pair + (b & 1) * 32 + r * 2, get16(block));
      for (int j = 0; j < 8; j++) put32(q + j * 64 + r * 4, get32(block + 2 + 4 * j) ^ 0x80808080u);
    }
  }
}

// ggml keeps weight i of 32 in the low nibble of byte i, weight i + 16 in the high one: the bytes of
// k-step j are byte group j, low, and those of k-step j + 4 the same group, high.
static void pack_q4_0(const uint8_t *const rows[PANEL], long cols, uint8_t *to) {
  long blocks = cols / 32;
  for (long b = 0; b < blocks; b++) {
    uint8_t *pair = to + (b >> 1) * Q4_0_PAIR, *q = pair + 64 + (b & 1) * 256;
    for (int r = 0; r < PANEL; r++) {
      const uint8_t *block = rows[r] + b * 18;
      put16(pair + (b & 1) * 32 + r * 2, get16(block));
      for (int j = 0; j < 4; j++) put32(q + j * 64 + r * 4, get32(block + 2 + 4 * j));
    }
  }
}

// Nibbles of 64 weights: low are the first 32, high the second. To k-steps j and j + 4 of each 32.
static void pack_nibbles_64(const uint8_t *from, uint8_t *first, uint8_t *second, int r) {
  for (int j = 0; j < 4; j++) {
    uint32_t a = get32(from + 4 * j), b = get32(from + 16 + 4 * j), low = 0x0f0f0f0fu;
    put32(first + j * 64 + r * 4, (a & low) | (b & low) << 4);
    put32(second + j * 64 + r * 4, (a >> 4 & low) | (b & ~low));
  }
}

static void pack_k_scales(const uint8_t *from, uint8_t *to, int r) {
  for (int s = 0; s < 8; s++) {
    int scale = s < 4 ? from[s] & 63 : (from[s + 4] & 15) | (from[s - 4] >> 6) << 4;
    int min = s < 4 ? from[s + 4] & 63 : from[s + 4] >> 4 | (from[s] >> 6) << 4;
    to[s * 16 + r] = (uint8_t)scale;
    to[128 + (s >> 1) * 32 + r * 2 + (s & 1)] = (uint8_t)min;
  }
}

static void pack_q4_k(const uint8_t *const rows[PANEL], long cols, uint8_t *to) {
  for (long b = 0; b < cols / 256; b++, to += Q4_K_SUPER) {
    for (int r = 0; r < PANEL; r++) {
      const uint8_t *block = rows[r] + b * 144;
      put16(to + r * 2, get16(block));
      put16(to + 32 + r * 2, get16(block + 2));
      pack_k_scales(block + 4, to + 64, r);
      for (int p = 0; p < 4; p++)
        pack_nibbles_64(block + 16 + p * 32, to + 320 + p * 512, to + 320 + p * 512 + 256, r);
    }
  }
}

static void pack_q5_k(const uint8_t *const rows[PANEL], long cols, uint8_t *to) {
  for (long b = 0; b < cols / 256; b++, to += Q5_K_SUPER) {
    for (int r = 0; r < PANEL; r++) {
      const uint8_t *block = rows[r] + b * 176, *high = block + 16;
      put16(to + r * 2, get16(block));
      put16(to + 32 + r * 2, get16(block + 2));
      pack_k_scales(block + 4, to + 64, r);
      for (int p = 0; p < 4; p++)
        pack_nibbles_64(block + 48 + p * 32, to + 320 + p * 512, to + 320 + p * 512 + 256, r);
      // Bit s of high[i] belongs to weight i of sub-block s.
      for (int s = 0; s < 8; s++) {
        uint32_t bits = 0;
        for (int j = 0; j < 8; j++) bits |= (get32(high + 4 * j) >> s & 0x01010101u) << j;
        put32(to + 320 + 2048 + s * 64 + r * 4, bits);
      }
    }
  }
}

// In each half of 128: weight i of sub-block s (of 4) has its low bits in nibble s / 2 of ql[i + 32 (s % 2)]
// and its high ones in bits 2s of qh[i].
static void pack_q6_k(const uint8_t *const rows[PANEL], long cols, uint8_t *to) {
  const uint32_t low = 0x0f0f0f0fu, two = 0x03030303u;
  uint8_t *scales = to;
  to += q6_k_scales(cols);
  for (long b = 0; b < cols / 256; b++, to += Q6_K_SUPER) {
    for (int r = 0; r < PANEL; r++) {
      const uint8_t *block = rows[r] + b * 210;
      put16(scales + b * 32 + r * 2, get16(block + 208));
      for (int s = 0; s < 16; s++) to[s * 16 + r] = block[192 + s];
      for (int sub = 0; sub < 8; sub++) {
        int s = sub & 3;
        const uint8_t *ql = block + (sub >> 2) * 64 + (s & 1) * 32, *qh = block + 128 + (sub >> 2) * 32;
        uint8_t *half = to + 256 + (sub >> 2) * 1536, *q = half + s * 256, *high = half + 1024 + s * 128;
        int shift = s >> 1 ? 4 : 0;
        uint32_t h0 = 0, h1 = 0;
        for (int j = 0; j < 4; j++) {
          put32(q + j * 64 + r * 4,
                (get32(ql + 4 * j) >> shift & low) | (get32(ql + 16 + 4 * j) >> shift & low) << 4);
          h0 |= (get32(qh + 4 * j) >> 2 * s & two) << 2 * j;
          h1 |= (get32(qh + 16 + 4 * j) >> 2 * s & two) << 2 * j;
        }
        put32(high + r * 4, h0);
        put32(high + 64 + r * 4, h1);
      }
    }
  }
}

static void pack_16(const uint8_t *const rows[PANEL], long cols, uint8_t *to) {
  for (long k = 0; k < cols; k++) {
    for (int r = 0; r < PANEL; r++) put16(to + (k * PANEL + r) * 2, get16(rows[r] + k * 2));
  }
}

static void pack_32(const uint8_t *const rows[PANEL], long cols, uint8_t *to) {
  for (long k = 0; k < cols; k++) {
    for (int r = 0; r < PANEL; r++) put32(to + (k * PANEL + r) * 4, get32(rows[r] + k * 4));
  }
}

// Bytes of all panels of a matrix; -1 for a type without kernels.
EXPORT long realm_packed_bytes(long type, long cols, long rows) {
  long panel = panel_bytes((int)type, cols);
  return panel < 0 ? -1 : panel * ((rows + PANEL - 1) / PANEL);
}

// Packs panels [p0, p1). `zeros` is a row of zero bytes, for rows beyond the last.
EXPORT void realm_pack(long type, const uint8_t *data, long row_bytes, long cols, long rows,
                       const uint8_t *zeros, uint8_t *to, long p0, long p1) {
  source s = {data, zeros, row_bytes, rows};
  long panel = panel_bytes((int)type, cols);
  for (long p = p0; p < p1; p++) {
    const uint8_t *r[PANEL];
    uint8_t *out = to + p * panel;
    for (int i = 0; i < PANEL; i++) r[i] = row_of(&s, p * PANEL + i);
    switch (type) {
      case T_Q8_0:
        pack_q8_0(r, cols, out);
        break;
      case T_Q4_0:
        pack_q4_0(r, cols, out);
        break;
      case T_Q4_K:
        pack_q4_k(r, cols, out);
        break;
      case T_Q5_K:
        pack_q5_k(r, cols, out);
        break;
      case T_Q6_K:
        pack_q6_k(r, cols, out);
        break;
      case T_F16:
      case T_BF16:
        pack_16(r, cols, out);
        break;
      case T_F32:
        pack_32(r, cols, out);
        break;
      default:
        break;
    }
  }
}

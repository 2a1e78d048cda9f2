// Prefill on the tile registers of AMX: weights widened to BF16 tile by tile, inputs in BF16, sums in F32.
//
// The dot products of vpdpbusd need a conversion and a multiplication by scales after every block of 32;
// tiles would need them as well if they multiplied bytes, and then spend more time on scales than on
// products. Widening costs about 20 instructions per 64 weights, once for all tokens.
//
// One tile is 16 lines of 64 bytes. Of the inputs, line t is token t, 32 values along k. Of the weights,
// line j holds, for each of a panel's 16 rows, the weights 2j and 2j + 1 (the layout that tdpbf16ps wants).
// F16 and BF16 weights keep their precision: inputs, and weights of F16, are split into a high and a low
// BF16 part, and the products high * high, low * high (and high * low for F16) are summed.
//
//   for blocks of BLOCK_TOKENS tokens, for groups of GROUP panels
//     for runs of k, for ACROSS panels whose run fits the first-level cache once widened
//       widen the panels' run of k
//       for token tiles: sums (1 x ACROSS tiles) += inputs x weights
#include "matmul.h"

enum {
  TILE_BYTES = 1024,
  BLOCK_TOKENS = 512,
  GROUP = 12,
  RUN_BLOCKS = 8,  // most blocks of 32 along k; half of it for few tokens, and for split weights
  SUMS_BYTES = GROUP * (BLOCK_TOKENS / 16) * TILE_BYTES,
  WEIGHTS_BYTES = 4 * RUN_BLOCKS * TILE_BYTES
};

_Static_assert(SUMS_BYTES + WEIGHTS_BYTES <= (1 << 20) - 64, "NativeMatmul.TILE_SCRATCH");

// The tile intrinsics of GCC do not tell the compiler which memory they touch.
#define MEMORY_IS_TOUCHED __asm__ volatile("" ::: "memory")

// Words 0 to 15 and 16 to 31 in turn.
INLINE __m512i turns(__m512i v) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23,
                                         7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, v);
}

// One line, rounded: for each row the pair (even, odd) in BF16.
INLINE void put_pair(uint8_t *line, __m512 even, __m512 odd) {
  _mm512_storeu_si512(line, turns((__m512i)_mm512_cvtne2ps_pbh(odd, even)));
}

// One line, cut off: half the instructions. Cutting takes 2^-8 / m of a number with the significand m away on
// the mean, 0.0028 of it over all m, which UNCUT gives back through the scales; what remains is as large as
// the error of rounding.
#define UNCUT 1.0028f
INLINE void cut_pair(uint8_t *line, __m512 even, __m512 odd) {
  __m512i low = _mm512_srli_epi32(_mm512_castps_si512(even), 16);
  // (odd & mask) | low
  __m512i high_half = _mm512_set1_epi32((int)0xffff0000u);
  _mm512_storeu_si512(line, _mm512_ternarylogic_epi32(_mm512_castps_si512(odd), high_half, low, 0xea));
}

// Byte i of each of the 16 numbers.
INLINE __m512 byte_f32(__m512i v, const int i) {
  const __m512i pick = _mm512_set1_epi32((int)(0x80808000u | (uint32_t)i));
  const __m512i row = _mm512_set4_epi32(0x0c, 0x08, 0x04, 0x00);
  return _mm512_cvtepi32_ps(_mm512_shuffle_epi8(v, _mm512_add_epi32(pick, row)));
}

// Two lines out of the bytes of one k-step: weight = byte * scale + offset.
INLINE void put_step(uint8_t *lines, __m512i v, __m512 scale, __m512 offset) {
  __m512 w0 = _mm512_fmadd_ps(byte_f32(v, 0), scale, offset), w1 = _mm512_fmadd_ps(byte_f32(v, 1), scale, offset);
  __m512 w2 = _mm512_fmadd_ps(byte_f32(v, 2), scale, offset), w3 = _mm512_fmadd_ps(byte_f32(v, 3), scale, offset);
  cut_pair(lines, w0, w1);
  cut_pair(lines + 64, w2, w3);
}

INLINE void widen_q8_0(const uint8_t *panel, long b, uint8_t *tile) {
  const uint8_t *pair = panel + (b >> 1) * Q8_0_PAIR, *q = pair + 64 + (b & 1) * 512;
  f32x16 d = mul_f32(load_f16(pair + (b & 1) * 32), splat_f32(UNCUT)), offset = mul_f32(d, splat_f32(-128));
  UNROLL for (int j = 0; j < 8; j++) put_step(tile + 128 * j, load_bytes(q + 64 * j), d, offset);
}

INLINE void widen_q4_0(const uint8_t *panel, long b, uint8_t *tile) {
  const uint8_t *pair = panel + (b >> 1) * Q4_0_PAIR, *q = pair + 64 + (b & 1) * 256;
  f32x16 d = mul_f32(load_f16(pair + (b & 1) * 32), splat_f32(UNCUT)), offset = mul_f32(d, splat_f32(-8));
  UNROLL for (int j = 0; j < 4; j++) {
    bytes64 v = load_bytes(q + 64 * j);
    put_step(tile + 128 * j, low_nibbles(v), d, offset);
    put_step(tile + 128 * (j + 4), high_nibbles(v), d, offset);
  }
}

INLINE void widen_k(const uint8_t *panel, long b, uint8_t *tile, const int fifth) {
  const uint8_t *w = panel + (b >> 3) * (fifth ? Q5_K_SUPER : Q4_K_SUPER);
  int sub = (int)(b & 7);
  const uint8_t *q = w + 320 + sub * 256;
  __m512i mins = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(w + 192 + (sub >> 1) * 32)));
  mins = _mm512_and_si512(_mm512_srlv_epi32(mins, _mm512_set1_epi32((sub & 1) * 8)), _mm512_set1_epi32(255));
  f32x16 scale = mul_f32(mul_f32(load_f16(w), splat_f32(UNCUT)), load_u8_f32(w + 64 + sub * 16));
  f32x16 offset = mul_f32(mul_f32(load_f16(w + 32), splat_f32(-UNCUT)), to_f32(mins));
  bytes64 high = load_bytes(fifth ? w + 320 + 2048 + sub * 64 : w);
  UNROLL for (int j = 0; j < 4; j++) {
    bytes64 v = load_bytes(q + 64 * j), lo = low_nibbles(v), hi = high_nibbles(v);
    if (fifth) {
      lo = or_bytes(lo, bit_as_16(high, j));
      hi = or_bytes(hi, bit_as_16(high, j + 4));
    }
    put_step(tile + 128 * j, lo, scale, offset);
    put_step(tile + 128 * (j + 4), hi, scale, offset);
  }
}

INLINE void widen_q6_k(const uint8_t *panel, long cols, long b, uint8_t *tile) {
  const uint8_t *w = panel + q6_k_scales(cols) + (b >> 3) * Q6_K_SUPER;
  int sub = (int)(b & 7);
  const uint8_t *half = w + 256 + (sub >> 2) * 1536;
  const uint8_t *q = half + (sub & 3) * 256, *high = half + 1024 + (sub & 3) * 128;
  f32x16 d = mul_f32(load_f16(panel + (b >> 3) * 32), splat_f32(UNCUT)), minus32 = splat_f32(-32);
  f32x16 s0 = mul_f32(d, load_i8_f32(w + sub * 32)), s1 = mul_f32(d, load_i8_f32(w + sub * 32 + 16));
  f32x16 o0 = mul_f32(s0, minus32), o1 = mul_f32(s1, minus32);
  bytes64 h0 = load_bytes(high), h1 = load_bytes(high + 64);
  UNROLL for (int j = 0; j < 4; j++) {
    bytes64 v = load_bytes(q + 64 * j);
    put_step(tile + 128 * j, or_bytes(low_nibbles(v), pair_as_16(h0, 2 * j)), s0, o0);
    put_step(tile + 128 * (j + 4), or_bytes(high_nibbles(v), pair_as_16(h1, 2 * j)), s1, o1);
  }
}

// F16 in a high and, `low_part` bytes further, a low part.
static void widen_f16(const uint8_t *panel, long cols, long b, uint8_t *tile, long low_part) {
  for (int j = 0; j < 16; j++) {
    long k = b * 32 + 2 * j;
    f32x16 even = k < cols ? load_f16(panel + k * 32) : zero_f32();
    f32x16 odd = k + 1 < cols ? load_f16(panel + k * 32 + 32) : zero_f32();
    __m512i high = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
    f32x16 even_high = _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(high)), 16));
    f32x16 odd_high = _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(high, 1)), 16));
    _mm512_storeu_si512(tile + 64 * j, turns(high));
    put_pair(tile + low_part + 64 * j, sub_f32(even, even_high), sub_f32(odd, odd_high));
  }
}

static void widen_bf16(const uint8_t *panel, long cols, long b, uint8_t *tile) {
  for (int j = 0; j < 16; j++) {
    long left = cols - (b * 32 + 2 * j);
    __mmask32 there = left >= 2 ? ~0u : left == 1 ? 0xffffu : 0;
    _mm512_storeu_si512(tile + 64 * j, turns(_mm512_maskz_loadu_epi16(there, panel + (b * 32 + 2 * j) * 32)));
  }
}

// Blocks [b0, b1) of 32 along k of one panel.
static void widen(long type, const uint8_t *panel, long cols, long b0, long b1, uint8_t *tiles, long low_part) {
  for (long b = b0; b < b1; b++, tiles += TILE_BYTES) {
    switch (type) {
      case T_Q8_0:
        widen_q8_0(panel, b, tiles);
        break;
      case T_Q4_0:
        widen_q4_0(panel, b, tiles);
        break;
      case T_Q4_K:
        widen_k(panel, b, tiles, 0);
        break;
      case T_Q5_K:
        widen_k(panel, b, tiles, 1);
        break;
      case T_Q6_K:
        widen_q6_k(panel, cols, b, tiles);
        break;
      case T_F16:
        widen_f16(panel, cols, b, tiles, low_part);
        break;
      default:
        widen_bf16(panel, cols, b, tiles);
        break;
    }
  }
}

// Where the pieces of a product lie. A split operand has a low part `low` bytes after its high part.
typedef struct {
  const uint8_t *in;       // of the block of tokens: [token tile][part][block]
  long tile_bytes;         // from one token tile to the next
  long in_low;             // 0 where inputs are not split
  const uint8_t *weights;  // [panel][part][block of the run]
  long weights_low;        // 0 where weights are not split
  long blocks;             // of the run
  int first, last;         // whether the run is the first, the last along k
  uint8_t *sums;           // [panel][token tile]
  long across;             // from one panel's sums to the next
  float *out;
  long stride;             // floats from one token to the next
  const uint8_t *next;     // the packed run of the panels that come next, to be fetched meanwhile
  long next_bytes, panel;  // bytes of it in one panel; from one panel to the next
} operands;

// Panels that one token tile meets while it lies in a register.
enum { ACROSS = 4, PANEL_RUN_BYTES = RUN_BLOCKS * TILE_BYTES };

// Tiles 0 to nb - 1 += one token tile x nb panels.
INLINE void multiply(const uint8_t *in, const uint8_t *w, long blocks, const int nb) {
  for (long b = 0; b < blocks * TILE_BYTES; b += TILE_BYTES) {
    _tile_loadd(4, in + b, 64);
    _tile_loadd(5, w + b, 64);
    _tile_dpbf16ps(0, 4, 5);
    if (nb > 1) {
      _tile_loadd(6, w + PANEL_RUN_BYTES + b, 64);
      _tile_dpbf16ps(1, 4, 6);
    }
    if (nb > 2) {
      _tile_loadd(7, w + 2 * PANEL_RUN_BYTES + b, 64);
      _tile_dpbf16ps(2, 4, 7);
    }
    if (nb > 3) {
      _tile_loadd(5, w + 3 * PANEL_RUN_BYTES + b, 64);
      _tile_dpbf16ps(3, 4, 5);
    }
  }
}

// `direct` says that the sums of a last run go to `out` and not to the scratch.
INLINE void sum_tiles(const operands *o, long token_tile, uint8_t *sums, float *out, const int nb, int direct) {
  MEMORY_IS_TOUCHED;
  const uint8_t *in = o->in + token_tile * o->tile_bytes, *w = o->weights;
  if (o->first) {
    _tile_zero(0);
    if (nb > 1) _tile_zero(1);
    if (nb > 2) _tile_zero(2);
    if (nb > 3) _tile_zero(3);
  } else {
    _tile_loadd(0, sums, 64);
    if (nb > 1) _tile_loadd(1, sums + o->across, 64);
    if (nb > 2) _tile_loadd(2, sums + 2 * o->across, 64);
    if (nb > 3) _tile_loadd(3, sums + 3 * o->across, 64);
  }
  multiply(in, w, o->blocks, nb);
  if (o->in_low) multiply(in + o->in_low, w, o->blocks, nb);
  if (o->weights_low) multiply(in, w + o->weights_low, o->blocks, nb);
  uint8_t *to = direct ? (uint8_t *)out : sums;
  long next = direct ? PANEL * 4 : o->across, line = direct ? o->stride * 4 : 64;
  _tile_stored(0, to, line);
  if (nb > 1) _tile_stored(1, to + next, line);
  if (nb > 2) _tile_stored(2, to + 2 * next, line);
  if (nb > 3) _tile_stored(3, to + 3 * next, line);
  MEMORY_IS_TOUCHED;
}

// Fetches bytes [from, to) of each panel's next run into the second-level cache.
static void fetch_next(const operands *o, long from, long to) {
  for (long i = from & ~63L; i < to; i += 64) {
    for (int p = 0; p < ACROSS; p++) _mm_prefetch((const char *)o->next + p * o->panel + i, _MM_HINT_T1);
  }
}

// One run of up to ACROSS panels for all tokens of the block. Whole tiles of whole panels go straight to
// `out` in the last run.
static void sum_panels(const operands *o, long tokens, uint8_t *sums, float *out, int panels, int whole) {
  for (long t = 0; t < tokens; t += 16, sums += TILE_BYTES, out += 16 * o->stride) {
    fetch_next(o, t * o->next_bytes / tokens, min_long(tokens, t + 16) * o->next_bytes / tokens);
    int direct = o->last && whole && t + 16 <= tokens;
    if (panels == 4) {
      sum_tiles(o, t / 16, sums, out, 4, direct);
    } else if (panels == 3) {
      sum_tiles(o, t / 16, sums, out, 3, direct);
    } else if (panels == 2) {
      sum_tiles(o, t / 16, sums, out, 2, direct);
    } else {
      sum_tiles(o, t / 16, sums, out, 1, direct);
    }
  }
}

INLINE void configure(void) {
  // Palette 1: eight tiles of 16 lines of 64 bytes. Intel SDM volume 1, 18.2.
  struct {
    uint8_t palette, start, reserved[14];
    uint16_t line_bytes[16];
    uint8_t lines[16];
  } c;
  uint8_t *bytes = (uint8_t *)&c;
  for (int i = 0; i < (int)sizeof c; i++) bytes[i] = 0;
  c.palette = 1;
  for (int i = 0; i < 8; i++) {
    c.line_bytes[i] = 64;
    c.lines[i] = 16;
  }
  MEMORY_IS_TOUCHED;
  _tile_loadconfig(&c);
  // Which is told of eight bytes only: the structure lives until here.
  __asm__ volatile("" ::"r"(&c) : "memory");
}

INLINE int is_split(long type) { return type == T_F16 || type == T_BF16; }

// Inputs of tokens [t0, t1) as tiles; t0 is a multiple of 32. `split` adds the low parts.
EXPORT void FN(arrange_tiles)(const float *x, long n, long cols, uint8_t *to, long t0, long t1, long split) {
  long blocks = (cols + 31) / 32, part = blocks * TILE_BYTES;
  for (long t = t0; t < ((t1 + 15) & ~15L); t++) {
    uint8_t *row = to + (t / 16) * part * (split ? 2 : 1) + (t % 16) * 64;
    for (long b = 0; b < blocks; b++) {
      const float *v = x + t * cols + b * 32;
      long left = t < n ? min_long(32, cols - b * 32) : 0;
      __mmask16 m0 = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
      __mmask16 m1 = left >= 32 ? 0xffff : left > 16 ? (__mmask16)((1u << (left - 16)) - 1) : 0;
      f32x16 a = _mm512_maskz_loadu_ps(m0, v), c = _mm512_maskz_loadu_ps(m1, v + 16);
      __m512i high = (__m512i)_mm512_cvtne2ps_pbh(c, a);
      _mm512_storeu_si512(row + b * TILE_BYTES, high);
      if (split) {
        f32x16 ah = _mm512_castsi512_ps(
            _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(high)), 16));
        f32x16 ch = _mm512_castsi512_ps(
            _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(high, 1)), 16));
        _mm512_storeu_si512(row + part + b * TILE_BYTES,
                            (__m512i)_mm512_cvtne2ps_pbh(sub_f32(c, ch), sub_f32(a, ah)));
      }
    }
  }
}

// Sums that could not go straight to `out`: of panels beyond the last whole run of them, of the last tokens.
static void write_rest(const operands *o, const uint8_t *sums, float *out, long tokens, long g, long end,
                       long rows) {
  for (long p = g; p < end; p++) {
    long first = g + (p - g) / ACROSS * ACROSS;
    int whole = min_long(first + ACROSS, end) * PANEL <= rows;
    int valid = (int)min_long(PANEL, rows - p * PANEL);
    for (long t = whole ? tokens & ~15L : 0; t < tokens; t++)
      store_f32_n(out + t * o->stride + p * PANEL, load_f32(sums + (p - g) * o->across + t * 64), valid);
  }
}

// As the other products, with inputs from arrange_tiles (split for F16 and BF16) and 1 MB of scratch.
EXPORT void FN(mul_tiles)(long type, const uint8_t *w, long cols, long rows, const uint8_t *act, long n,
                          float *out, long stride, long p0, long p1, uint8_t *scratch) {
  long panel = panel_bytes((int)type, cols), blocks = (cols + 31) / 32;
  int split = is_split(type);
  long run = split || n < 256 ? RUN_BLOCKS / 2 : RUN_BLOCKS;
  operands o = {0};
  o.weights = scratch;
  o.in_low = split ? blocks * TILE_BYTES : 0;
  o.weights_low = type == T_F16 ? run * TILE_BYTES : 0;
  o.tile_bytes = blocks * TILE_BYTES * (split ? 2 : 1);
  o.stride = stride;
  o.panel = panel;
  o.next_bytes = run * panel / blocks;
  uint8_t *sums = scratch + WEIGHTS_BYTES;
  configure();
  for (long t0 = 0; t0 < n; t0 += BLOCK_TOKENS) {
    long tokens = min_long(BLOCK_TOKENS, n - t0);
    o.across = (tokens + 15) / 16 * TILE_BYTES;
    for (long g = p0; g < p1; g += GROUP) {
      long end = min_long(p1, g + GROUP);
      for (long b0 = 0; b0 < blocks; b0 += run) {
        o.blocks = min_long(run, blocks - b0);
        o.in = act + t0 / 16 * o.tile_bytes + b0 * TILE_BYTES;
        o.first = b0 == 0;
        o.last = b0 + run >= blocks;
        for (long p = g; p < end; p += ACROSS) {
          int panels = (int)min_long(ACROSS, end - p);
          for (int i = 0; i < panels; i++)
            widen(type, w + (p + i) * panel, cols, b0, b0 + o.blocks, scratch + i * PANEL_RUN_BYTES,
                  o.weights_low);
          int turn = p + ACROSS >= end;
          o.next = w + (turn ? g : p + ACROSS) * panel + (turn ? b0 + run : b0) * panel / blocks;
          sum_panels(&o, tokens, sums + (p - g) * o.across, out + t0 * stride + p * PANEL, panels,
                     (p + panels) * PANEL <= rows);
        }
      }
      write_rest(&o, sums, out + t0 * stride, tokens, g, end, rows);
    }
  }
  _tile_release();
}

// rounds * the result's operations in byte products of tiles: the peak that limits.c measures elsewhere.
EXPORT long FN(dot_tiles)(long rounds, uint8_t *scratch) {
  configure();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, scratch, 0);
  _tile_loadd(5, scratch, 0);
  _tile_loadd(6, scratch, 0);
  _tile_loadd(7, scratch, 0);
  for (long r = 0; r < rounds; r++) {
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
  _tile_release();
  return 4 * 16 * 16 * 64 * 2;
}

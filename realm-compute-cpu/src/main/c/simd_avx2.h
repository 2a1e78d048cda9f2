// 16 lanes in two AVX2 registers; byte dot products by maddubs, or AVX-VNNI where the variant has it.
#include <immintrin.h>

typedef struct {
  __m256 a, b;
} f32x16;
typedef struct {
  __m256i a, b;
} i32x16;
typedef struct {
  __m256i a, b;
} bytes64;

// Two registers of sums a token; the float sums live in memory.
#define TILE 4

#define BOTH_F(e1, e2) ((f32x16){(e1), (e2)})
#define BOTH_I(e1, e2) ((i32x16){(e1), (e2)})
#define BOTH_B(e1, e2) ((bytes64){(e1), (e2)})

INLINE f32x16 zero_f32(void) { return BOTH_F(_mm256_setzero_ps(), _mm256_setzero_ps()); }
INLINE f32x16 splat_f32(float v) { return BOTH_F(_mm256_set1_ps(v), _mm256_set1_ps(v)); }
INLINE f32x16 load_f32(const void *p) {
  return BOTH_F(_mm256_loadu_ps(p), _mm256_loadu_ps((const float *)p + 8));
}
INLINE void store_f32(void *p, f32x16 v) {
  _mm256_storeu_ps(p, v.a);
  _mm256_storeu_ps((float *)p + 8, v.b);
}
INLINE void store_f32_n(void *p, f32x16 v, int n) {
  float t[16];
  store_f32(t, v);
  for (int i = 0; i < n; i++) ((float *)p)[i] = t[i];
}
INLINE f32x16 load_f32_n(const void *p, int n) {
  float t[16] = {0};
  for (int i = 0; i < n; i++) t[i] = ((const float *)p)[i];
  return load_f32(t);
}
INLINE f32x16 load_f16(const void *p) {
  const __m128i *q = p;
  return BOTH_F(_mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1)));
}
INLINE void store_f16(void *p, f32x16 v) {
  __m128i *q = p;
  _mm_storeu_si128(q, _mm256_cvtps_ph(v.a, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(q + 1, _mm256_cvtps_ph(v.b, _MM_FROUND_TO_NEAREST_INT));
}
INLINE f32x16 load_bf16(const void *p) {
  const __m128i *q = p;
  __m256i a = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(q)), 16);
  __m256i b = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(q + 1)), 16);
  return BOTH_F(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b));
}
INLINE f32x16 to_f32(i32x16 v) { return BOTH_F(_mm256_cvtepi32_ps(v.a), _mm256_cvtepi32_ps(v.b)); }
INLINE f32x16 load_u8_f32(const void *p) {
  __m128i v = _mm_loadu_si128(p);
  return to_f32(BOTH_I(_mm256_cvtepu8_epi32(v), _mm256_cvtepu8_epi32(_mm_srli_si128(v, 8))));
}
INLINE f32x16 load_i8_f32(const void *p) {
  __m128i v = _mm_loadu_si128(p);
  return to_f32(BOTH_I(_mm256_cvtepi8_epi32(v), _mm256_cvtepi8_epi32(_mm_srli_si128(v, 8))));
}
INLINE void store_i8(void *p, i32x16 v) {
  __m256i w = _mm256_permute4x64_epi64(_mm256_packs_epi32(v.a, v.b), 0xd8);
  _mm_storeu_si128(p, _mm_packs_epi16(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1)));
}
INLINE f32x16 add_f32(f32x16 x, f32x16 y) {
  return BOTH_F(_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b));
}
INLINE f32x16 sub_f32(f32x16 x, f32x16 y) {
  return BOTH_F(_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b));
}
INLINE f32x16 mul_f32(f32x16 x, f32x16 y) {
  return BOTH_F(_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b));
}
INLINE f32x16 div_f32(f32x16 x, f32x16 y) {
  return BOTH_F(_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b));
}
INLINE f32x16 fma_f32(f32x16 x, f32x16 y, f32x16 z) {
  return BOTH_F(_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b));
}
INLINE f32x16 max_f32(f32x16 x, f32x16 y) {
  return BOTH_F(_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b));
}
INLINE f32x16 min_f32(f32x16 x, f32x16 y) {
  return BOTH_F(_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b));
}
INLINE f32x16 abs_f32(f32x16 x) {
  __m256 sign = _mm256_set1_ps(-0.0f);
  return BOTH_F(_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b));
}
INLINE float sum_f32(f32x16 v) {
  __m256 s = _mm256_add_ps(v.a, v.b);
  __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  t = _mm_add_ps(t, _mm_movehl_ps(t, t));
  return _mm_cvtss_f32(_mm_add_ss(t, _mm_movehdup_ps(t)));
}
INLINE float largest_f32(f32x16 v) {
  __m256 s = _mm256_max_ps(v.a, v.b);
  __m128 t = _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  t = _mm_max_ps(t, _mm_movehl_ps(t, t));
  return _mm_cvtss_f32(_mm_max_ss(t, _mm_movehdup_ps(t)));
}
INLINE i32x16 round_i32(f32x16 v) { return BOTH_I(_mm256_cvtps_epi32(v.a), _mm256_cvtps_epi32(v.b)); }
INLINE int sum_i32(i32x16 v) {
  __m256i s = _mm256_add_epi32(v.a, v.b);
  __m128i t = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
  t = _mm_add_epi32(t, _mm_shuffle_epi32(t, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(t, _mm_shuffle_epi32(t, 0xb1)));
}
// v * 2^n for whole n from -126 to 127
INLINE f32x16 scale2_f32(f32x16 v, f32x16 n) {
  i32x16 i = round_i32(n);
  __m256i bias = _mm256_set1_epi32(127);
  return mul_f32(v, BOTH_F(_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(i.a, bias), 23)),
                           _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(i.b, bias), 23))));
}

INLINE i32x16 splat_i32(int32_t v) { return BOTH_I(_mm256_set1_epi32(v), _mm256_set1_epi32(v)); }
INLINE bytes64 load_bytes(const void *p) {
  const __m256i *q = p;
  return BOTH_B(_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1));
}
INLINE bytes64 low_nibbles(bytes64 v) {
  __m256i m = _mm256_set1_epi8(15);
  return BOTH_B(_mm256_and_si256(v.a, m), _mm256_and_si256(v.b, m));
}
INLINE bytes64 high_nibbles(bytes64 v) {
  __m256i m = _mm256_set1_epi8(15);
  return BOTH_B(_mm256_and_si256(_mm256_srli_epi16(v.a, 4), m),
                _mm256_and_si256(_mm256_srli_epi16(v.b, 4), m));
}
INLINE bytes64 bits_at_4(bytes64 v, int bit, __m256i m) {
  if (bit >= 4) {
    return BOTH_B(_mm256_and_si256(_mm256_srli_epi16(v.a, bit - 4), m),
                  _mm256_and_si256(_mm256_srli_epi16(v.b, bit - 4), m));
  }
  return BOTH_B(_mm256_and_si256(_mm256_slli_epi16(v.a, 4 - bit), m),
                _mm256_and_si256(_mm256_slli_epi16(v.b, 4 - bit), m));
}
// bit `bit` of every byte as 16
INLINE bytes64 bit_as_16(bytes64 v, int bit) { return bits_at_4(v, bit, _mm256_set1_epi8(16)); }
// bits `bit` and `bit + 1` of every byte as 16 and 32
INLINE bytes64 pair_as_16(bytes64 v, int bit) { return bits_at_4(v, bit, _mm256_set1_epi8(48)); }
INLINE bytes64 or_bytes(bytes64 x, bytes64 y) {
  return BOTH_B(_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b));
}
// 32 unsigned bytes as 16-bit numbers
INLINE bytes64 load_u8_i16(const void *p) {
  const __m128i *q = p;
  return BOTH_B(_mm256_cvtepu8_epi16(_mm_loadu_si128(q)), _mm256_cvtepu8_epi16(_mm_loadu_si128(q + 1)));
}

INLINE __m256i four_bytes(const void *a) { return _mm256_set1_epi32((int)get32(a)); }

#ifdef __AVXVNNI__
#define BIAS8 128
INLINE i32x16 dot7(i32x16 sum, bytes64 w, const void *a) {
  __m256i x = four_bytes(a);
  return BOTH_I(_mm256_dpbusd_avx_epi32(sum.a, w.a, x), _mm256_dpbusd_avx_epi32(sum.b, w.b, x));
}
INLINE i32x16 dot8(i32x16 sum, bytes64 w, const void *a) { return dot7(sum, w, a); }
#else
#define BIAS8 0
INLINE __m256i dot_half(__m256i sum, __m256i w, __m256i x) {
  __m256i p = _mm256_maddubs_epi16(w, x);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(p, _mm256_set1_epi16(1)));
}
INLINE i32x16 dot7(i32x16 sum, bytes64 w, const void *a) {
  __m256i x = four_bytes(a);
  return BOTH_I(dot_half(sum.a, w.a, x), dot_half(sum.b, w.b, x));
}
// 255 * 127 * 2 would saturate: |w - 128| * (a with the sign of w - 128) does not.
INLINE i32x16 dot8(i32x16 sum, bytes64 w, const void *a) {
  __m256i x = four_bytes(a), flip = _mm256_set1_epi8(-128);
  __m256i s = _mm256_xor_si256(w.a, flip), t = _mm256_xor_si256(w.b, flip);
  return BOTH_I(dot_half(sum.a, _mm256_abs_epi8(s), _mm256_sign_epi8(x, s)),
                dot_half(sum.b, _mm256_abs_epi8(t), _mm256_sign_epi8(x, t)));
}
#endif
INLINE i32x16 dot_pairs(i32x16 sum, bytes64 w, const void *a) {
  __m256i x = four_bytes(a);
  return BOTH_I(_mm256_add_epi32(sum.a, _mm256_madd_epi16(w.a, x)),
                _mm256_add_epi32(sum.b, _mm256_madd_epi16(w.b, x)));
}

INLINE void prefetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }

// Lane i of the result is the sum of v[i]'s lanes.
INLINE f32x16 sums_of_16(const f32x16 v[16]) {
  __m256 r[2];
#pragma GCC unroll 2
  for (int h = 0; h < 2; h++) {
    __m256 s[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) s[i] = _mm256_add_ps(v[8 * h + i].a, v[8 * h + i].b);
    __m256 lo = _mm256_hadd_ps(_mm256_hadd_ps(s[0], s[1]), _mm256_hadd_ps(s[2], s[3]));
    __m256 hi = _mm256_hadd_ps(_mm256_hadd_ps(s[4], s[5]), _mm256_hadd_ps(s[6], s[7]));
    r[h] = _mm256_add_ps(_mm256_permute2f128_ps(lo, hi, 0x20), _mm256_permute2f128_ps(lo, hi, 0x31));
  }
  return BOTH_F(r[0], r[1]);
}

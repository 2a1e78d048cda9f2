// 16 lanes in one AVX-512 register; byte dot products with VNNI where the variant has it.
#include <immintrin.h>

typedef __m512 f32x16;
typedef __m512i i32x16;
typedef __m512i bytes64;

#define TILE 12

INLINE f32x16 zero_f32(void) { return _mm512_setzero_ps(); }
INLINE f32x16 splat_f32(float v) { return _mm512_set1_ps(v); }
INLINE f32x16 load_f32(const void *p) { return _mm512_loadu_ps(p); }
INLINE void store_f32(void *p, f32x16 v) { _mm512_storeu_ps(p, v); }
INLINE void store_f32_n(void *p, f32x16 v, int n) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
}
INLINE f32x16 load_f32_n(const void *p, int n) {
  return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
INLINE f32x16 load_f16(const void *p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
INLINE void store_f16(void *p, f32x16 v) {
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
INLINE f32x16 load_bf16(const void *p) {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}
INLINE f32x16 load_u8_f32(const void *p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
INLINE f32x16 load_i8_f32(const void *p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
INLINE void store_i8(void *p, i32x16 v) {
  _mm_storeu_si128((__m128i *)p, _mm512_cvtsepi32_epi8(v));
}
INLINE f32x16 add_f32(f32x16 a, f32x16 b) { return _mm512_add_ps(a, b); }
INLINE f32x16 sub_f32(f32x16 a, f32x16 b) { return _mm512_sub_ps(a, b); }
INLINE f32x16 mul_f32(f32x16 a, f32x16 b) { return _mm512_mul_ps(a, b); }
INLINE f32x16 div_f32(f32x16 a, f32x16 b) { return _mm512_div_ps(a, b); }
INLINE f32x16 fma_f32(f32x16 a, f32x16 b, f32x16 c) { return _mm512_fmadd_ps(a, b, c); }
INLINE f32x16 max_f32(f32x16 a, f32x16 b) { return _mm512_max_ps(a, b); }
INLINE f32x16 min_f32(f32x16 a, f32x16 b) { return _mm512_min_ps(a, b); }
INLINE f32x16 abs_f32(f32x16 a) { return _mm512_abs_ps(a); }
INLINE float sum_f32(f32x16 v) { return _mm512_reduce_add_ps(v); }
INLINE float largest_f32(f32x16 v) { return _mm512_reduce_max_ps(v); }
INLINE i32x16 round_i32(f32x16 v) { return _mm512_cvtps_epi32(v); }
INLINE f32x16 to_f32(i32x16 v) { return _mm512_cvtepi32_ps(v); }
INLINE int sum_i32(i32x16 v) { return _mm512_reduce_add_epi32(v); }
// v * 2^n for whole n
INLINE f32x16 scale2_f32(f32x16 v, f32x16 n) { return _mm512_scalef_ps(v, n); }

INLINE i32x16 splat_i32(int32_t v) { return _mm512_set1_epi32(v); }
INLINE bytes64 load_bytes(const void *p) { return _mm512_loadu_si512(p); }
INLINE bytes64 low_nibbles(bytes64 v) { return _mm512_and_si512(v, _mm512_set1_epi8(15)); }
INLINE bytes64 high_nibbles(bytes64 v) {
  return _mm512_and_si512(_mm512_srli_epi16(v, 4), _mm512_set1_epi8(15));
}
// bit `bit` of every byte as 16
INLINE bytes64 bit_as_16(bytes64 v, int bit) {
  bytes64 s = bit >= 4 ? _mm512_srli_epi16(v, bit - 4) : _mm512_slli_epi16(v, 4 - bit);
  return _mm512_and_si512(s, _mm512_set1_epi8(16));
}
// bits `bit` and `bit + 1` of every byte as 16 and 32
INLINE bytes64 pair_as_16(bytes64 v, int bit) {
  bytes64 s = bit >= 4 ? _mm512_srli_epi16(v, bit - 4) : _mm512_slli_epi16(v, 4 - bit);
  return _mm512_and_si512(s, _mm512_set1_epi8(48));
}
INLINE bytes64 or_bytes(bytes64 a, bytes64 b) { return _mm512_or_si512(a, b); }
// 32 unsigned bytes as 16-bit numbers
INLINE bytes64 load_u8_i16(const void *p) {
  return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)p));
}

INLINE __m512i four_bytes(const void *a) { return _mm512_set1_epi32((int)get32(a)); }

#ifdef __AVX512VNNI__
#define BIAS8 128
INLINE i32x16 dot7(i32x16 sum, bytes64 w, const void *a) {
  return _mm512_dpbusd_epi32(sum, w, four_bytes(a));
}
INLINE i32x16 dot8(i32x16 sum, bytes64 w, const void *a) {
  return _mm512_dpbusd_epi32(sum, w, four_bytes(a));
}
INLINE i32x16 dot_pairs(i32x16 sum, bytes64 w, const void *a) {
  return _mm512_dpwssd_epi32(sum, w, four_bytes(a));
}
#else
#define BIAS8 0
INLINE i32x16 dot7(i32x16 sum, bytes64 w, const void *a) {
  __m512i p = _mm512_maddubs_epi16(w, four_bytes(a));
  return _mm512_add_epi32(sum, _mm512_madd_epi16(p, _mm512_set1_epi16(1)));
}
// 255 * 127 * 2 would saturate: |w - 128| * (a with the sign of w - 128) does not.
INLINE i32x16 dot8(i32x16 sum, bytes64 w, const void *a) {
  __m512i s = _mm512_xor_si512(w, _mm512_set1_epi8(-128));
  __m512i b = four_bytes(a);
  b = _mm512_mask_sub_epi8(b, _mm512_movepi8_mask(s), _mm512_setzero_si512(), b);
  __m512i p = _mm512_maddubs_epi16(_mm512_abs_epi8(s), b);
  return _mm512_add_epi32(sum, _mm512_madd_epi16(p, _mm512_set1_epi16(1)));
}
INLINE i32x16 dot_pairs(i32x16 sum, bytes64 w, const void *a) {
  return _mm512_add_epi32(sum, _mm512_madd_epi16(w, four_bytes(a)));
}
#endif

INLINE void prefetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }

// Lane i of the result is the sum of v[i]'s lanes.
INLINE f32x16 sums_of_16(const f32x16 v[16]) {
  __m512 a[8], b[4];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++)
    a[i] = _mm512_add_ps(_mm512_unpacklo_ps(v[2 * i], v[2 * i + 1]),
                         _mm512_unpackhi_ps(v[2 * i], v[2 * i + 1]));
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    __m512d x = _mm512_castps_pd(a[2 * i]), y = _mm512_castps_pd(a[2 * i + 1]);
    b[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)),
                         _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
  }
  // Each 128-bit part of b[i] now holds partial sums of v[4i] to v[4i + 3].
  __m512 c = _mm512_add_ps(_mm512_shuffle_f32x4(b[0], b[1], 0x88), _mm512_shuffle_f32x4(b[0], b[1], 0xdd));
  __m512 d = _mm512_add_ps(_mm512_shuffle_f32x4(b[2], b[3], 0x88), _mm512_shuffle_f32x4(b[2], b[3], 0xdd));
  return _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x88), _mm512_shuffle_f32x4(c, d, 0xdd));
}

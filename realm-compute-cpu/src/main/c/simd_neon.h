// 16 lanes in four NEON registers; byte dot products by sdot where the variant has it, by usdot where it
// has the int8 matrix extension.
#include <arm_neon.h>

typedef struct {
  float32x4_t v[4];
} f32x16;
typedef struct {
  int32x4_t v[4];
} i32x16;
typedef struct {
  uint8x16_t v[4];
} bytes64;

#define TILE 4

#define EACH(i) _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++)
#define MAP(type, expression) \
  type r;                     \
  EACH(i) r.v[i] = expression; \
  return r

INLINE f32x16 splat_f32(float x) { MAP(f32x16, vdupq_n_f32(x)); }
INLINE f32x16 zero_f32(void) { return splat_f32(0); }
INLINE f32x16 load_f32(const void *p) { MAP(f32x16, vld1q_f32((const float *)p + 4 * i)); }
INLINE void store_f32(void *p, f32x16 x) { EACH(i) vst1q_f32((float *)p + 4 * i, x.v[i]); }
INLINE void store_f32_n(void *p, f32x16 x, int n) {
  float t[16];
  store_f32(t, x);
  for (int i = 0; i < n; i++) ((float *)p)[i] = t[i];
}
INLINE f32x16 load_f32_n(const void *p, int n) {
  float t[16] = {0};
  for (int i = 0; i < n; i++) t[i] = ((const float *)p)[i];
  return load_f32(t);
}
INLINE f32x16 load_f16(const void *p) {
  MAP(f32x16, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)p + 4 * i))));
}
INLINE void store_f16(void *p, f32x16 x) {
  EACH(i) vst1_u16((uint16_t *)p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(x.v[i])));
}
INLINE f32x16 load_bf16(const void *p) {
  MAP(f32x16, vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t *)p + 4 * i), 16)));
}
INLINE f32x16 to_f32(i32x16 x) { MAP(f32x16, vcvtq_f32_s32(x.v[i])); }
INLINE f32x16 load_u8_f32(const void *p) {
  uint8x16_t b = vld1q_u8(p);
  uint16x8_t lo = vmovl_u8(vget_low_u8(b)), hi = vmovl_u8(vget_high_u8(b));
  f32x16 r;
  r.v[0] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(lo)));
  r.v[1] = vcvtq_f32_u32(vmovl_u16(vget_high_u16(lo)));
  r.v[2] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(hi)));
  r.v[3] = vcvtq_f32_u32(vmovl_u16(vget_high_u16(hi)));
  return r;
}
INLINE f32x16 load_i8_f32(const void *p) {
  int8x16_t b = vld1q_s8(p);
  int16x8_t lo = vmovl_s8(vget_low_s8(b)), hi = vmovl_s8(vget_high_s8(b));
  f32x16 r;
  r.v[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(lo)));
  r.v[1] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(lo)));
  r.v[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(hi)));
  r.v[3] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(hi)));
  return r;
}
INLINE void store_i8(void *p, i32x16 x) {
  int16x8_t lo = vcombine_s16(vqmovn_s32(x.v[0]), vqmovn_s32(x.v[1]));
  int16x8_t hi = vcombine_s16(vqmovn_s32(x.v[2]), vqmovn_s32(x.v[3]));
  vst1q_s8(p, vcombine_s8(vqmovn_s16(lo), vqmovn_s16(hi)));
}
INLINE f32x16 add_f32(f32x16 x, f32x16 y) { MAP(f32x16, vaddq_f32(x.v[i], y.v[i])); }
INLINE f32x16 sub_f32(f32x16 x, f32x16 y) { MAP(f32x16, vsubq_f32(x.v[i], y.v[i])); }
INLINE f32x16 mul_f32(f32x16 x, f32x16 y) { MAP(f32x16, vmulq_f32(x.v[i], y.v[i])); }
INLINE f32x16 div_f32(f32x16 x, f32x16 y) { MAP(f32x16, vdivq_f32(x.v[i], y.v[i])); }
INLINE f32x16 fma_f32(f32x16 x, f32x16 y, f32x16 z) {
  MAP(f32x16, vfmaq_f32(z.v[i], x.v[i], y.v[i]));
}
INLINE f32x16 max_f32(f32x16 x, f32x16 y) { MAP(f32x16, vmaxq_f32(x.v[i], y.v[i])); }
INLINE f32x16 min_f32(f32x16 x, f32x16 y) { MAP(f32x16, vminq_f32(x.v[i], y.v[i])); }
INLINE f32x16 abs_f32(f32x16 x) { MAP(f32x16, vabsq_f32(x.v[i])); }
INLINE float sum_f32(f32x16 x) {
  return vaddvq_f32(vaddq_f32(vaddq_f32(x.v[0], x.v[1]), vaddq_f32(x.v[2], x.v[3])));
}
INLINE float largest_f32(f32x16 x) {
  return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.v[0], x.v[1]), vmaxq_f32(x.v[2], x.v[3])));
}
INLINE i32x16 round_i32(f32x16 x) { MAP(i32x16, vcvtnq_s32_f32(x.v[i])); }
INLINE int sum_i32(i32x16 x) {
  return vaddvq_s32(vaddq_s32(vaddq_s32(x.v[0], x.v[1]), vaddq_s32(x.v[2], x.v[3])));
}
// x * 2^n for whole n from -126 to 127
INLINE f32x16 scale2_f32(f32x16 x, f32x16 n) {
  MAP(f32x16, vmulq_f32(x.v[i], vreinterpretq_f32_s32(vshlq_n_s32(
                                    vaddq_s32(vcvtnq_s32_f32(n.v[i]), vdupq_n_s32(127)), 23))));
}

INLINE i32x16 splat_i32(int32_t x) { MAP(i32x16, vdupq_n_s32(x)); }
INLINE bytes64 load_bytes(const void *p) { MAP(bytes64, vld1q_u8((const uint8_t *)p + 16 * i)); }
INLINE bytes64 low_nibbles(bytes64 x) { MAP(bytes64, vandq_u8(x.v[i], vdupq_n_u8(15))); }
INLINE bytes64 high_nibbles(bytes64 x) { MAP(bytes64, vshrq_n_u8(x.v[i], 4)); }
INLINE bytes64 bits_at_4(bytes64 x, int bit, uint8_t mask) {
  MAP(bytes64, vandq_u8(vshlq_u8(x.v[i], vdupq_n_s8((int8_t)(4 - bit))), vdupq_n_u8(mask)));
}
// bit `bit` of every byte as 16
INLINE bytes64 bit_as_16(bytes64 x, int bit) { return bits_at_4(x, bit, 16); }
// bits `bit` and `bit + 1` of every byte as 16 and 32
INLINE bytes64 pair_as_16(bytes64 x, int bit) { return bits_at_4(x, bit, 48); }
INLINE bytes64 or_bytes(bytes64 x, bytes64 y) { MAP(bytes64, vorrq_u8(x.v[i], y.v[i])); }
// 32 unsigned bytes as 16-bit numbers
INLINE bytes64 load_u8_i16(const void *p) {
  MAP(bytes64, vreinterpretq_u8_u16(vmovl_u8(vld1_u8((const uint8_t *)p + 8 * i))));
}

INLINE int8x16_t four_bytes(const void *a) { return vreinterpretq_s8_u32(vdupq_n_u32(get32(a))); }

#ifdef __ARM_FEATURE_MATMUL_INT8
#define BIAS8 128
INLINE i32x16 dot7(i32x16 sum, bytes64 w, const void *a) {
  int8x16_t x = four_bytes(a);
  MAP(i32x16, vusdotq_s32(sum.v[i], w.v[i], x));
}
INLINE i32x16 dot8(i32x16 sum, bytes64 w, const void *a) { return dot7(sum, w, a); }
#else
#define BIAS8 0
INLINE int32x4_t dot_signed(int32x4_t sum, int8x16_t w, int8x16_t x) {
#ifdef __ARM_FEATURE_DOTPROD
  return vdotq_s32(sum, w, x);
#else
  // |w| and |x| up to 128: a sum of two products would not fit 16 bits, one does.
  int32x4_t lo = vpaddlq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(x)));
  int32x4_t hi = vpaddlq_s16(vmull_high_s8(w, x));
  return vaddq_s32(sum, vpaddq_s32(lo, hi));
#endif
}
INLINE i32x16 dot7(i32x16 sum, bytes64 w, const void *a) {
  int8x16_t x = four_bytes(a);
  MAP(i32x16, dot_signed(sum.v[i], vreinterpretq_s8_u8(w.v[i]), x));
}
INLINE i32x16 dot8(i32x16 sum, bytes64 w, const void *a) {
  int8x16_t x = four_bytes(a);
  MAP(i32x16, dot_signed(sum.v[i], vreinterpretq_s8_u8(veorq_u8(w.v[i], vdupq_n_u8(128))), x));
}
#endif
INLINE i32x16 dot_pairs(i32x16 sum, bytes64 w, const void *a) {
  int16x8_t x = vreinterpretq_s16_s8(four_bytes(a));
  i32x16 r;
  EACH(i) {
    int16x8_t p = vreinterpretq_s16_u8(w.v[i]);
    int32x4_t lo = vmull_s16(vget_low_s16(p), vget_low_s16(x)), hi = vmull_high_s16(p, x);
    r.v[i] = vaddq_s32(sum.v[i], vpaddq_s32(lo, hi));
  }
  return r;
}

INLINE void prefetch(const void *p) { __builtin_prefetch(p, 0, 3); }

// Lane i of the result is the sum of v[i]'s lanes.
INLINE f32x16 sums_of_16(const f32x16 v[16]) {
  f32x16 r;
  EACH(i) {
    float32x4_t s[4];
    EACH(j) {
      const float32x4_t *p = v[4 * i + j].v;
      s[j] = vaddq_f32(vaddq_f32(p[0], p[1]), vaddq_f32(p[2], p[3]));
    }
    r.v[i] = vpaddq_f32(vpaddq_f32(s[0], s[1]), vpaddq_f32(s[2], s[3]));
  }
  return r;
}

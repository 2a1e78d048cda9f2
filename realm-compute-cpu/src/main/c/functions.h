// Exponential, tanh, sigmoid and erf of 16 lanes, to about 1e-7 relative.
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include "simd.h"

// 2^n * e^r with |r| <= ln 2 / 2 and the Taylor polynomial of degree 6, whose remainder is below 2e-7.
INLINE f32x16 exp_f32(f32x16 x) {
  // In this order a NaN comes through.
  x = max_f32(splat_f32(-87.0f), min_f32(splat_f32(88.0f), x));
  f32x16 n = to_f32(round_i32(mul_f32(x, splat_f32(1.44269504f))));
  f32x16 r = fma_f32(n, splat_f32(-0.693145752f), x);
  r = fma_f32(n, splat_f32(-1.42860677e-6f), r);
  f32x16 p = fma_f32(splat_f32(1.0f / 720), r, splat_f32(1.0f / 120));
  p = fma_f32(p, r, splat_f32(1.0f / 24));
  p = fma_f32(p, r, splat_f32(1.0f / 6));
  p = fma_f32(p, r, splat_f32(0.5f));
  p = fma_f32(p, r, splat_f32(1.0f));
  return scale2_f32(fma_f32(p, r, splat_f32(1.0f)), n);
}

INLINE f32x16 sigmoid_f32(f32x16 x) {
  f32x16 one = splat_f32(1);
  return div_f32(one, add_f32(one, exp_f32(sub_f32(zero_f32(), x))));
}

// 1 - 2 / (e^2x + 1)
INLINE f32x16 tanh_f32(f32x16 x) {
  f32x16 one = splat_f32(1);
  return sub_f32(one, div_f32(splat_f32(2), add_f32(exp_f32(add_f32(x, x)), one)));
}

// 1 + erf(x) by Abramowitz and Stegun 7.1.26, absolute error below 2e-7: for x >= 0 it is
// 2 - t (a1 + t (a2 + …)) e^(-x²) with t = 1 / (1 + p x), for x < 0 two minus that of -x.
INLINE f32x16 one_plus_erf_f32(f32x16 x) {
  f32x16 one = splat_f32(1), a = abs_f32(x);
  f32x16 t = div_f32(one, fma_f32(splat_f32(0.3275911f), a, one));
  f32x16 p = fma_f32(splat_f32(1.061405429f), t, splat_f32(-1.453152027f));
  p = fma_f32(p, t, splat_f32(1.421413741f));
  p = fma_f32(p, t, splat_f32(-0.284496736f));
  p = fma_f32(p, t, splat_f32(0.254829592f));
  f32x16 tail = mul_f32(mul_f32(p, t), exp_f32(sub_f32(zero_f32(), mul_f32(a, a))));
  // sign is 1 or -1 (or 0 at 0, where tail is 1): 1 + sign * (1 - tail)
  f32x16 sign = div_f32(x, max_f32(a, splat_f32(1e-30f)));
  return fma_f32(sign, sub_f32(one, tail), one);
}

#endif

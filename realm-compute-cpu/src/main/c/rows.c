// Norms, rotary positions and element-wise operations: float rows in, float rows out. Java gives each
// worker a range of rows or of elements.
#include "functions.h"

// Calls `body` for every 16 floats of [0, count), with `n` = 16 or the rest.
#define EACH_16(count, body)                             \
  for (long i = 0; i < (count); i += 16) {               \
    int n = (int)((count)-i < 16 ? (count)-i : 16);      \
    body                                                 \
  }

INLINE f32x16 load_up_to(const float *p, int n) { return n == 16 ? load_f32(p) : load_f32_n(p, n); }

INLINE void store_up_to(float *p, f32x16 v, int n) {
  if (n == 16) {
    store_f32(p, v);
  } else {
    store_f32_n(p, v, n);
  }
}

INLINE float square_root(float x) { return __builtin_sqrtf(x); }

// out = x / sqrt(mean(x²) + eps) * weight; weight may be null.
EXPORT void FN(rms_norm)(float *out, const float *x, long rows, long dim, const float *weight, float eps) {
  for (long r = 0; r < rows; r++, x += dim, out += dim) {
    f32x16 squares = zero_f32();
    EACH_16(dim, f32x16 v = load_up_to(x + i, n); squares = fma_f32(v, v, squares);)
    f32x16 scale = splat_f32(1 / square_root(sum_f32(squares) / (float)dim + eps));
    EACH_16(dim, {
      f32x16 v = mul_f32(load_up_to(x + i, n), scale);
      if (weight) v = mul_f32(v, load_up_to(weight + i, n));
      store_up_to(out + i, v, n);
    })
  }
}

// out = (x - mean) / sqrt(variance + eps) * weight + bias; weight and bias may be null.
EXPORT void FN(layer_norm)(float *out, const float *x, long rows, long dim, const float *weight,
                    const float *bias, float eps) {
  for (long r = 0; r < rows; r++, x += dim, out += dim) {
    f32x16 sum = zero_f32();
    EACH_16(dim, sum = add_f32(sum, load_up_to(x + i, n));)
    float mean = sum_f32(sum) / (float)dim, squares = 0;
    f32x16 m = splat_f32(mean), sq = zero_f32();
    EACH_16(dim, {
      f32x16 v = sub_f32(load_up_to(x + i, n), m);
      if (n == 16) {
        sq = fma_f32(v, v, sq);
      } else {
        for (int j = 0; j < n; j++) squares += (x[i + j] - mean) * (x[i + j] - mean);
      }
    })
    squares += sum_f32(sq);
    f32x16 scale = splat_f32(1 / square_root(squares / (float)dim + eps));
    EACH_16(dim, {
      f32x16 v = mul_f32(sub_f32(load_up_to(x + i, n), m), scale);
      if (weight) v = mul_f32(v, load_up_to(weight + i, n));
      if (bias) v = add_f32(v, load_up_to(bias + i, n));
      store_up_to(out + i, v, n);
    })
  }
}

// Ids of ai.realm.compute.Activation, by ordinal.
enum { SILU, GELU, GELU_ERF, GELU_QUICK, RELU, RELU_SQUARED, SIGMOID };

INLINE f32x16 activation(int f, f32x16 x) {
  switch (f) {
    case SILU:
      return mul_f32(x, sigmoid_f32(x));
    case GELU: {
      // 0.5 x (1 + tanh(u)) = x sigmoid(2u) with u = sqrt(2 / pi) x (1 + 0.044715 x²)
      f32x16 u = fma_f32(mul_f32(x, x), splat_f32(0.044715f), splat_f32(1));
      return mul_f32(x, sigmoid_f32(mul_f32(mul_f32(x, splat_f32(2 * 0.7978845608f)), u)));
    }
    case GELU_ERF:
      return mul_f32(mul_f32(x, splat_f32(0.5f)), one_plus_erf_f32(mul_f32(x, splat_f32(0.70710678f))));
    case GELU_QUICK:
      return mul_f32(x, sigmoid_f32(mul_f32(x, splat_f32(1.702f))));
    case RELU:
      return max_f32(x, zero_f32());
    case RELU_SQUARED: {
      f32x16 r = max_f32(x, zero_f32());
      return mul_f32(r, r);
    }
    default:
      return sigmoid_f32(x);
  }
}

EXPORT void FN(activate)(long f, float *x, long count) {
  EACH_16(count, store_up_to(x + i, activation((int)f, load_up_to(x + i, n)), n);)
}

// gate = f(gate) * up
EXPORT void FN(gate)(long f, float *gate, const float *up, long count) {
  EACH_16(count, {
    f32x16 g = activation((int)f, load_up_to(gate + i, n));
    store_up_to(gate + i, mul_f32(g, load_up_to(up + i, n)), n);
  })
}

// gate = g * sigmoid(alpha g) * (1 + u) with g = min(gate, limit), u = clamp(up, -limit, limit)
EXPORT void FN(gate_clamped)(float *gate, const float *up, long count, float alpha, float limit) {
  f32x16 top = splat_f32(limit), bottom = splat_f32(-limit), one = splat_f32(1);
  EACH_16(count, {
    f32x16 g = min_f32(load_up_to(gate + i, n), top);
    f32x16 u = max_f32(min_f32(load_up_to(up + i, n), top), bottom);
    f32x16 s = sigmoid_f32(mul_f32(g, splat_f32(alpha)));
    store_up_to(gate + i, mul_f32(mul_f32(g, s), add_f32(u, one)), n);
  })
}

EXPORT void FN(add)(float *x, const float *y, long count) {
  EACH_16(count, store_up_to(x + i, add_f32(load_up_to(x + i, n), load_up_to(y + i, n)), n);)
}

EXPORT void FN(multiply)(float *x, const float *y, long count) {
  EACH_16(count, store_up_to(x + i, mul_f32(load_up_to(x + i, n), load_up_to(y + i, n)), n);)
}

EXPORT void FN(scale)(float *x, float factor, long count) {
  f32x16 f = splat_f32(factor);
  EACH_16(count, store_up_to(x + i, mul_f32(load_up_to(x + i, n), f), n);)
}

// x = cap * tanh(x / cap)
EXPORT void FN(softcap)(float *x, float cap, long count) {
  f32x16 c = splat_f32(cap), inverse = splat_f32(1 / cap);
  EACH_16(count, store_up_to(x + i, mul_f32(c, tanh_f32(mul_f32(load_up_to(x + i, n), inverse))), n);)
}

// Rotates the first `dims` elements of each head of rows [0, rows): pairs (j, j + 1) or, with halves,
// (j, j + dims / 2). The table has (cos, sin) per pair.
EXPORT void FN(rope)(float *x, long rows, long heads, long head_length, const float *table, long dims,
              long halves) {
  long pairs = dims / 2;
  float cs[pairs > 0 ? 2 * pairs : 1];
  for (long r = 0; r < rows; r++, table += dims) {
    for (long j = 0; j < pairs; j++) {
      cs[j] = table[2 * j];
      cs[pairs + j] = table[2 * j + 1];
    }
    for (long h = 0; h < heads; h++, x += head_length) {
      if (halves) {
        for (long j = 0; j < pairs; j++) {
          float a = x[j], b = x[j + pairs];
          x[j] = a * cs[j] - b * cs[pairs + j];
          x[j + pairs] = a * cs[pairs + j] + b * cs[j];
        }
      } else {
        for (long j = 0; j < pairs; j++) {
          float a = x[2 * j], b = x[2 * j + 1];
          x[2 * j] = a * table[2 * j] - b * table[2 * j + 1];
          x[2 * j + 1] = a * table[2 * j + 1] + b * table[2 * j];
        }
      }
    }
  }
}

// Runs the kernels of one variant at odd sizes in buffers of exactly the right size, against plain loops:
// under AddressSanitizer and UBSan (./dev asan), and for other processors under an emulator. Prints one
// line, and fails with the case that went wrong.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "panel.h"

typedef void mul_function(const uint8_t *, long, long, const uint8_t *, long, float *, long, long, long);
mul_function FN(mul_q8_0), FN(mul_q4_0), FN(mul_q4_k), FN(mul_q5_k), FN(mul_q6_k), FN(mul_f16), FN(mul_bf16),
    FN(mul_f32);
void FN(quantize)(long, const float *, long, long, uint8_t *, long, long);
void FN(panel_of_floats)(const float *, long, uint8_t *);
void FN(rms_norm)(float *, const float *, long, long, const float *, float);
void FN(layer_norm)(float *, const float *, long, long, const float *, const float *, float);
void FN(activate)(long, float *, long);
void FN(gate)(long, float *, const float *, long);
void FN(rope)(float *, long, long, long, const float *, long, long);
void FN(attention)(const void *, long, long, long, long, long, float *);
void FN(store_kv)(const void *, const float *, const float *, long, long);
long realm_packed_bytes(long, long, long);
void realm_pack(long, const uint8_t *, long, long, long, const uint8_t *, uint8_t *, long, long);
long realm_cpu_variants(void);
#ifdef TILES
void FN(arrange_tiles)(const float *, long, long, uint8_t *, long, long, long);
void FN(mul_tiles)(long, const uint8_t *, long, long, const uint8_t *, long, float *, long, long, long, uint8_t *);
#endif

static uint64_t state = 1;

static uint32_t next_random(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33);
}

static float uniform(void) { return (float)(next_random() % 20001) / 10000 - 1; }

// 64-byte aligned as Java's buffers are, and exactly as long.
static void *exactly(size_t bytes) {
  void *p = NULL;
  if (posix_memalign(&p, 64, bytes ? bytes : 1)) abort();
  memset(p, 0, bytes);
  return p;
}

static int checks;

static void expect_close(double error, double size, double tolerance, const char *what, long a, long b, long c) {
  checks++;
  if (!(sqrt(error) <= tolerance * sqrt(size) + 1e-12)) {
    fprintf(stderr, "%s (%ld, %ld, %ld): expected an error below %g, found %g\n", what, a, b, c, tolerance,
            sqrt(error / size));
    exit(1);
  }
}

static float half(const uint8_t *p) {
  uint16_t h = get16(p);
  int exponent = h >> 10 & 31, mantissa = h & 1023;
  float v = exponent == 0 ? ldexpf((float)mantissa, -24) : ldexpf((float)(mantissa + 1024), exponent - 25);
  return h & 0x8000 ? -v : v;
}

static void put_half(uint8_t *p, int exponent, int mantissa, int sign) {
  put16(p, (uint16_t)(sign << 15 | exponent << 10 | mantissa));
}

// ---- the block formats, written out ------------------------------------------------------------------------

typedef struct {
  int id, weights, bytes;
  mul_function *mul;
} type;

static const type types[] = {
    {T_Q8_0, 32, 34, FN(mul_q8_0)},   {T_Q4_0, 32, 18, FN(mul_q4_0)},   {T_Q4_K, 256, 144, FN(mul_q4_k)},
    {T_Q5_K, 256, 176, FN(mul_q5_k)}, {T_Q6_K, 256, 210, FN(mul_q6_k)}, {T_F16, 1, 2, FN(mul_f16)},
    {T_BF16, 1, 2, FN(mul_bf16)},     {T_F32, 1, 4, FN(mul_f32)},
};

static void k_scale(const uint8_t *s, int j, int *scale, int *min) {
  *scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
  *min = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4;
}

static float weight(int id, const uint8_t *b, int i) {
  int scale, min, q;
  switch (id) {
    case T_Q8_0:
      return half(b) * (float)(int8_t)b[2 + i];
    case T_Q4_0:
      return half(b) * (float)((i < 16 ? b[2 + i] & 15 : b[2 + i - 16] >> 4) - 8);
    case T_Q4_K:
    case T_Q5_K:
      k_scale(b + 4, i / 32, &scale, &min);
      q = (b + (id == T_Q4_K ? 16 : 48))[i / 64 * 32 + i % 32];
      q = i / 32 % 2 ? q >> 4 : q & 15;
      if (id == T_Q5_K) q |= (b[16 + i % 32] >> (i / 32) & 1) << 4;
      return half(b) * (float)scale * (float)q - half(b + 2) * (float)min;
    case T_Q6_K: {
      int h = i / 128, sub = i % 128 / 32, k = i % 32;
      q = b[h * 64 + sub % 2 * 32 + k];
      q = (sub > 1 ? q >> 4 : q & 15) | (b[128 + h * 32 + k] >> 2 * sub & 3) << 4;
      return half(b + 208) * (float)(int8_t)b[192 + i / 16] * (float)(q - 32);
    }
    case T_F16:
      return half(b);
    case T_BF16: {
      uint32_t bits = (uint32_t)get16(b) << 16;
      float v;
      memcpy(&v, &bits, 4);
      return v;
    }
    default: {
      float v;
      memcpy(&v, b, 4);
      return v;
    }
  }
}

static void random_block(const type *t, uint8_t *b) {
  for (int i = 0; i < t->bytes; i++) b[i] = (uint8_t)next_random();
  int sign = (int)(next_random() & 1), mantissa = (int)(next_random() & 1023);
  float f = uniform();
  switch (t->id) {
    case T_Q6_K:
      put_half(b + 208, 9, mantissa, sign);
      break;
    case T_Q4_K:
    case T_Q5_K:
      put_half(b + 2, 9, mantissa, 0);
      put_half(b, 9, mantissa, sign);
      break;
    case T_BF16:
      memcpy(b, (uint8_t *)&f + 2, 2);
      break;
    case T_F32:
      memcpy(b, &f, 4);
      break;
    default:
      put_half(b, 9, mantissa, sign);
  }
}

// ---- products -------------------------------------------------------------------------------------------------

static void check_product(const type *t, long cols, long rows, long n) {
  long row_bytes = cols / t->weights * t->bytes;
  uint8_t *data = exactly((size_t)(row_bytes * rows)), *zeros = exactly((size_t)row_bytes);
  for (long b = 0; b < rows * (cols / t->weights); b++) random_block(t, data + b * t->bytes);
  uint8_t *panels = exactly((size_t)realm_packed_bytes(t->id, cols, rows));
  long count = (rows + PANEL - 1) / PANEL;
  realm_pack(t->id, data, row_bytes, cols, rows, zeros, panels, 0, count);
  float *x = exactly((size_t)(n * cols) * 4), *out = exactly((size_t)(n * rows) * 4);
  // Whole numbers with 127 in each block: quantizing them loses nothing.
  for (long i = 0; i < n * cols; i++)
    x[i] = i % cols % 32 == 3 ? 127 : (float)((int)(next_random() % 255) - 127);
  int form = form_of(t->id);
  uint8_t *act = exactly((size_t)(n * token_bytes(form, cols)));
  FN(quantize)(form, x, n, cols, act, 0, n);
  t->mul(panels, cols, rows, act, n, out, rows, 0, count);
  for (int pass = 0; pass < 2; pass++) {
    double error = 0, size = 0;
    for (long i = 0; i < n; i++) {
      for (long r = 0; r < rows; r++) {
        double sum = 0;
        for (long k = 0; k < cols; k++) {
          double p = (double)x[i * cols + k] *
                     weight(t->id, data + r * row_bytes + k / t->weights * t->bytes, (int)(k % t->weights));
          sum += p;
          size += p * p;
        }
        error += (out[i * rows + r] - sum) * (out[i * rows + r] - sum);
      }
    }
    expect_close(error, size, pass ? 6e-3 : 3e-6, pass ? "tiles" : "product", t->id, rows, n);
#ifdef TILES
    if (pass == 0 && t->id != T_F32) {
      long split = t->weights == 1, blocks = (cols + 31) / 32;
      uint8_t *tiles = exactly((size_t)((n + 31) / 32 * 2 * blocks * 1024 * (split ? 2 : 1)));
      uint8_t *scratch = exactly(1 << 20);
      FN(arrange_tiles)(x, n, cols, tiles, 0, n, split);
      memset(out, 0, (size_t)(n * rows) * 4);
      FN(mul_tiles)(t->id, panels, cols, rows, tiles, n, out, rows, 0, count, scratch);
      free(tiles);
      free(scratch);
      continue;
    }
#endif
    break;
  }
  free(data);
  free(zeros);
  free(panels);
  free(x);
  free(out);
  free(act);
}

// ---- attention: the struct of attention.c -----------------------------------------------------------------------

typedef struct {
  float *out;
  const float *q;
  uint8_t *keys, *values;
  const int32_t *blocks;
  const float *slopes, *sinks;
  long block_bytes, block_size, kv_type, heads, kv_heads, key_length, value_length, first_position, positions;
  long window, causal;
  float scale, softcap;
} attention;

static long kv_bytes(long kv_type, long n) { return kv_type == 0 ? n * 4 : kv_type == 1 ? n * 2 : n / 32 * 34; }

static void check_attention(long kv_type, long length, long past, long rows, long window, long causal) {
  enum { HEADS = 6, KV_HEADS = 2, BLOCK = 5 };
  long positions = past + rows, blocks = (positions + BLOCK - 1) / BLOCK;
  long part = kv_bytes(kv_type, KV_HEADS * BLOCK * length);
  uint8_t *store = exactly((size_t)(blocks * 2 * part));
  int32_t *table = exactly((size_t)blocks * 4);
  for (long b = 0; b < blocks; b++) table[b] = (int32_t)(blocks - 1 - b);
  float *k = exactly((size_t)(positions * KV_HEADS * length) * 4);
  float *v = exactly((size_t)(positions * KV_HEADS * length) * 4);
  float *q = exactly((size_t)(rows * HEADS * length) * 4), *out = exactly((size_t)(rows * HEADS * length) * 4);
  for (long i = 0; i < positions * KV_HEADS * length; i++) {
    k[i] = uniform();
    v[i] = uniform();
  }
  for (long i = 0; i < rows * HEADS * length; i++) q[i] = uniform();
  attention a = {out, q, store, store + part, table, 0, 0, 2 * part, BLOCK, kv_type, HEADS, KV_HEADS, length, length,
                 0, positions, window, causal, 0.2f, 0};
  FN(store_kv)(&a, k, v, 0, positions);
  a.first_position = past;
  long stride = (length + 15) & ~15L, queries = rows * (HEADS / KV_HEADS);
  float *scratch = exactly((size_t)((32 + queries) * 2 * stride + 2 * queries) * 4);
  for (long h = 0; h < KV_HEADS; h++) FN(attention)(&a, h, 0, rows, 0, HEADS / KV_HEADS, scratch);
  double error = 0, size = 0;
  double *s = exactly((size_t)positions * 8);
  for (long r = 0; r < rows; r++) {
    for (long h = 0; h < HEADS; h++) {
      long kv = h / (HEADS / KV_HEADS), at = past + r;
      long from = window && at - window + 1 > 0 ? at - window + 1 : 0, to = causal ? at + 1 : positions;
      double sum = 0;
      for (long t = from; t < to; t++) {
        s[t] = 0;
        for (long i = 0; i < length; i++) s[t] += (double)q[(r * HEADS + h) * length + i] * k[(t * KV_HEADS + kv) * length + i];
        s[t] = exp(s[t] * (double)0.2f);
        sum += s[t];
      }
      for (long i = 0; i < length; i++) {
        double o = 0;
        for (long t = from; t < to; t++) o += s[t] / sum * v[(t * KV_HEADS + kv) * length + i];
        double d = out[(r * HEADS + h) * length + i] - o;
        error += d * d;
        size += o * o;
      }
    }
  }
  expect_close(error, size, kv_type == 0 ? 2e-6 : kv_type == 1 ? 2e-3 : 4e-2, "attention", kv_type, length, rows);
  free(store);
  free(table);
  free(k);
  free(v);
  free(q);
  free(out);
  free(scratch);
  free(s);
}

// ---- rows -------------------------------------------------------------------------------------------------------

static void check_rows(long dim) {
  long rows = 3;
  float *x = exactly((size_t)(rows * dim) * 4), *out = exactly((size_t)(rows * dim) * 4), *w = exactly((size_t)dim * 4);
  for (long i = 0; i < rows * dim; i++) x[i] = uniform() * 4;
  for (long i = 0; i < dim; i++) w[i] = uniform();
  FN(rms_norm)(out, x, rows, dim, w, 1e-5f);
  double error = 0, size = 0;
  for (long r = 0; r < rows; r++) {
    double squares = 0;
    for (long i = 0; i < dim; i++) squares += (double)x[r * dim + i] * x[r * dim + i];
    for (long i = 0; i < dim; i++) {
      double e = x[r * dim + i] / sqrt(squares / (double)dim + 1e-5) * w[i], d = out[r * dim + i] - e;
      error += d * d;
      size += e * e;
    }
  }
  expect_close(error, size, 2e-6, "rms_norm", dim, rows, 0);
  FN(layer_norm)(out, x, rows, dim, w, w, 1e-5f);
  memcpy(out, x, (size_t)(rows * dim) * 4);
  FN(gate)(0, out, x, rows * dim);
  error = size = 0;
  for (long i = 0; i < rows * dim; i++) {
    double e = (double)x[i] / (1 + exp(-(double)x[i])) * x[i];
    error += (out[i] - e) * (out[i] - e);
    size += e * e;
  }
  expect_close(error, size, 2e-6, "gate", dim, rows, 0);
  for (int f = 0; f < 7; f++) FN(activate)(f, x, rows * dim);
  if (dim % 2 == 0) {
    float *table = exactly((size_t)(rows * dim) * 4);
    FN(rope)(x, rows, 1, dim, table, dim, 0);
    FN(rope)(x, rows, 1, dim, table, dim, 1);
    free(table);
  }
  free(x);
  free(out);
  free(w);
}

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)

int main(void) {
  long variants = realm_cpu_variants();
  if (!(variants & NEEDED)) {
    printf(TEXT(VARIANT) ": this processor cannot run it\n");
    return 0;
  }
  const long rows[] = {1, 16, 17, 70}, tokens[] = {1, 2, 3, 7, 12, 13, 35};
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    for (int r = 0; r < 4; r++) {
      for (int n = 0; n < 7; n++) {
        long cols = types[t].weights == 1 ? 33 + 7 * r : types[t].weights * (1 + r);
        check_product(&types[t], cols, rows[r], tokens[n]);
      }
    }
  }
  const long lengths[] = {32, 64, 96}, odd[] = {24, 40};
  for (int kv = 0; kv < 3; kv++) {
    for (int i = 0; i < 3; i++) {
      check_attention(kv, lengths[i], 0, 1, 0, 1);
      check_attention(kv, lengths[i], 41, 1, 0, 1);
      check_attention(kv, lengths[i], 33, 9, 7, 1);
      check_attention(kv, lengths[i], 0, 35, 0, 0);
    }
    for (int i = 0; kv < 2 && i < 2; i++) check_attention(kv, odd[i], 17, 5, 0, 1);
  }
  const long dims[] = {1, 2, 15, 16, 17, 64, 130};
  for (int i = 0; i < 7; i++) check_rows(dims[i]);
  printf(TEXT(VARIANT) ": %d checks passed\n", checks);
  return 0;
}

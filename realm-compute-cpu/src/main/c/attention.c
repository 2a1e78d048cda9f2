// Attention over paged keys and values in the flash style: keys are read once per tile of queries, in
// blocks of KEYS positions, with a running maximum and sum; no score matrix exists.
//
//   m' = max(m, max_k s_k)    l' = l e^(m - m') + sum_k e^(s_k - m')    o' = o e^(m - m') + sum_k e^(s_k - m') v_k
//
// All query heads of one key/value head (GQA) and several rows share the keys and values, which are
// widened to float once per block. See Dao et al., FlashAttention, arXiv:2205.14135.
#include "functions.h"

enum { KEYS = 32, KV_F32 = 0, KV_F16 = 1, KV_Q8_0 = 2 };

// One sequence and layer, written by Java; longs and pointers first.
typedef struct {
  float *out;               // (rows, heads * value_length), first row of the sequence
  const float *q;           // (rows, heads * key_length)
  const uint8_t *keys;      // of this layer in block 0 of the store
  const uint8_t *values;
  const int32_t *blocks;    // of the sequence, by position / block_size
  const float *slopes;      // ALiBi, per head; or null
  const float *sinks;       // logit per head; or null
  long block_bytes;         // from one block of the store to the next
  long block_size;          // positions
  long kv_type;
  long heads, kv_heads, key_length, value_length;
  long first_position;      // of the first row
  long positions;           // that the sequence has, those of this step included
  long window;              // 0: none
  long causal;
  float scale, softcap;
} attention;

INLINE long padded(long length) { return (length + 15) & ~15L; }

static void widen(const uint8_t *from, float *to, long length, long kv_type) {
  long i = 0;
  if (kv_type == KV_F16) {
    for (; i + 16 <= length; i += 16) store_f32(to + i, load_f16(from + 2 * i));
    if (i < length) {
      uint16_t rest[16] = {0};
      for (long j = i; j < length; j++) rest[j - i] = get16(from + 2 * j);
      store_f32(to + i, load_f16(rest));
    }
  } else if (kv_type == KV_F32) {
    for (; i + 16 <= length; i += 16) store_f32(to + i, load_f32(from + 4 * i));
    if (i < length) store_f32(to + i, load_f32_n(from + 4 * i, (int)(length - i)));
  } else {
    for (; i < length; i += 32, from += 34) {
      uint16_t d[16] = {get16(from)};
      f32x16 wide = load_f16(d);
      float lanes[16];
      store_f32(lanes, wide);
      f32x16 scale = splat_f32(lanes[0]);
      store_f32(to + i, mul_f32(load_i8_f32(from + 2), scale));
      store_f32(to + i + 16, mul_f32(load_i8_f32(from + 18), scale));
    }
  }
}

static long row_bytes(long length, long kv_type) {
  return kv_type == KV_F32 ? length * 4 : kv_type == KV_F16 ? length * 2 : length / 32 * 34;
}

// Positions [p, p + KEYS) of one head as floats, zeros beyond `end`.
static void widen_block(const attention *a, const uint8_t *base, long head, long p, long end,
                        long length, float *to) {
  long bytes = row_bytes(length, a->kv_type), stride = padded(length);
  for (long k = 0; k < KEYS; k++, to += stride) {
    if (p + k >= end) {
      for (long i = 0; i < stride; i += 16) store_f32(to + i, zero_f32());
      continue;
    }
    long block = a->blocks[(p + k) / a->block_size], slot = (p + k) % a->block_size;
    widen(base + block * a->block_bytes + (head * a->block_size + slot) * bytes, to, length, a->kv_type);
  }
}

INLINE f32x16 scores_of_16(const float *q, const float *keys, long stride) {
  f32x16 sum[16];
  UNROLL for (int k = 0; k < 16; k++) sum[k] = mul_f32(load_f32(q), load_f32(keys + k * stride));
  for (long i = 16; i < stride; i += 16) {
    f32x16 v = load_f32(q + i);
    UNROLL for (int k = 0; k < 16; k++) sum[k] = fma_f32(v, load_f32(keys + k * stride + i), sum[k]);
  }
  return sums_of_16(sum);
}

// o += sum over k of p[k] * values[k], four vectors of a row at a time
static void accumulate(float *o, const float *p, const float *values, long stride, int from, int to) {
  long i = 0;
  for (; i + 64 <= stride; i += 64) {
    f32x16 s0 = load_f32(o + i), s1 = load_f32(o + i + 16), s2 = load_f32(o + i + 32),
           s3 = load_f32(o + i + 48);
    for (int k = from; k < to; k++) {
      f32x16 w = splat_f32(p[k]);
      const float *v = values + k * stride + i;
      s0 = fma_f32(w, load_f32(v), s0);
      s1 = fma_f32(w, load_f32(v + 16), s1);
      s2 = fma_f32(w, load_f32(v + 32), s2);
      s3 = fma_f32(w, load_f32(v + 48), s3);
    }
    store_f32(o + i, s0);
    store_f32(o + i + 16, s1);
    store_f32(o + i + 32, s2);
    store_f32(o + i + 48, s3);
  }
  for (; i < stride; i += 16) {
    f32x16 s = load_f32(o + i);
    for (int k = from; k < to; k++) s = fma_f32(splat_f32(p[k]), load_f32(values + k * stride + i), s);
    store_f32(o + i, s);
  }
}

INLINE float exp_one(float x) {
  float lanes[16];
  store_f32(lanes, exp_f32(splat_f32(x)));
  return lanes[0];
}

// One query against one widened block of keys; *max and *sum are its running maximum and sum.
static void query_block(const attention *a, const float *q, float *o, float *max, float *sum,
                        const float *keys, const float *values, long p, long position, float slope) {
  long from = 0, to = min_long(KEYS, a->positions - p);
  if (a->causal) to = min_long(to, position + 1 - p);
  if (a->window > 0 && position - a->window + 1 - p > from) from = position - a->window + 1 - p;
  if (from >= to) return;
  long key_stride = padded(a->key_length), value_stride = padded(a->value_length);
  float s[KEYS];
  for (int h = 0; h < KEYS; h += 16) {
    if (h >= to || h + 16 <= from) continue;
    f32x16 v = scores_of_16(q, keys + h * key_stride, key_stride);
    if (a->softcap > 0)
      v = mul_f32(splat_f32(a->softcap), tanh_f32(mul_f32(v, splat_f32(1 / a->softcap))));
    store_f32(s + h, v);
  }
  for (long k = 0; k < from; k++) s[k] = -__builtin_inff();
  for (long k = to; k < KEYS; k++) s[k] = -__builtin_inff();
  if (slope != 0) {
    for (long k = from; k < to; k++) {
      long distance = position - (p + k);
      s[k] -= slope * (float)(distance < 0 ? -distance : distance);
    }
  }
  f32x16 s0 = load_f32(s), s1 = load_f32(s + 16);
  float top = largest_f32(max_f32(s0, s1));
  if (top > *max) {
    float shrink = exp_one(*max - top);
    f32x16 f = splat_f32(shrink);
    for (long i = 0; i < value_stride; i += 16) store_f32(o + i, mul_f32(load_f32(o + i), f));
    *sum *= shrink;
    *max = top;
  }
  f32x16 m = splat_f32(*max);
  f32x16 e0 = exp_f32(sub_f32(s0, m)), e1 = exp_f32(sub_f32(s1, m));
  store_f32(s, e0);
  store_f32(s + 16, e1);
  float total = 0;
  if (from == 0 && to == KEYS) {
    total = sum_f32(add_f32(e0, e1));
  } else {
    for (long k = from; k < to; k++) total += s[k];
  }
  *sum += total;
  accumulate(o, s, values, value_stride, (int)from, (int)to);
}

// Rows [row0, row1) of the query heads [head0, head1) of one key/value head; heads are counted within it.
// Scratch: KEYS padded keys and values, then per query its padded vector, output, maximum and sum.
EXPORT void FN(attention)(const attention *a, long kv_head, long row0, long row1, long head0, long head1,
                   float *scratch) {
  long group = a->heads / a->kv_heads, heads = head1 - head0, queries = (row1 - row0) * heads;
  long key_stride = padded(a->key_length), value_stride = padded(a->value_length);
  float *keys = scratch, *values = keys + KEYS * key_stride;
  float *q = values + KEYS * value_stride, *o = q + queries * key_stride;
  float *max = o + queries * value_stride, *sum = max + queries;
  for (long i = 0; i < queries; i++) {
    long row = row0 + i / heads, head = kv_head * group + head0 + i % heads;
    const float *from = a->q + (row * a->heads + head) * a->key_length;
    for (long j = 0; j < key_stride; j++) {
      q[i * key_stride + j] = j < a->key_length ? from[j] * a->scale : 0;
    }
    for (long j = 0; j < value_stride; j += 16) store_f32(o + i * value_stride + j, zero_f32());
    max[i] = a->sinks ? a->sinks[head] : -1e30f;
    sum[i] = a->sinks ? 1 : 0;
  }
  long last = a->first_position + row1 - 1, first = a->first_position + row0;
  long end = a->causal ? min_long(last + 1, a->positions) : a->positions;
  long begin = a->window > 0 && first - a->window + 1 > 0 ? first - a->window + 1 : 0;
  for (long p = begin / KEYS * KEYS; p < end; p += KEYS) {
    widen_block(a, a->keys, kv_head, p, end, a->key_length, keys);
    widen_block(a, a->values, kv_head, p, end, a->value_length, values);
    for (long i = 0; i < queries; i++) {
      long head = kv_head * group + head0 + i % heads;
      query_block(a, q + i * key_stride, o + i * value_stride, max + i, sum + i, keys, values, p,
                  a->first_position + row0 + i / heads, a->slopes ? a->slopes[head] : 0);
    }
  }
  for (long i = 0; i < queries; i++) {
    long row = row0 + i / heads, head = kv_head * group + head0 + i % heads;
    float *to = a->out + (row * a->heads + head) * a->value_length, inverse = 1 / sum[i];
    for (long j = 0; j < a->value_length; j++) to[j] = o[i * value_stride + j] * inverse;
  }
}

// Keys or values of rows [row0, row1) into the store; the layouts of CpuKvStore.
static void narrow(const float *from, uint8_t *to, long length, long kv_type) {
  long i = 0;
  if (kv_type == KV_F16) {
    for (; i + 16 <= length; i += 16) store_f16(to + 2 * i, load_f32(from + i));
    if (i < length) {
      uint16_t rest[16];
      store_f16(rest, load_f32_n(from + i, (int)(length - i)));
      for (long j = i; j < length; j++) put16(to + 2 * j, rest[j - i]);
    }
  } else if (kv_type == KV_F32) {
    for (; i < length; i++) put32(to + 4 * i, get32(from + i));
  } else {
    for (; i < length; i += 32, to += 34) {
      f32x16 a = load_f32(from + i), b = load_f32(from + i + 16);
      float largest = largest_f32(max_f32(abs_f32(a), abs_f32(b)));
      float scale = largest / 127;
      f32x16 inverse = splat_f32(scale == 0 ? 0 : 1 / scale);
      uint16_t d[16];
      store_f16(d, splat_f32(scale));
      put16(to, d[0]);
      store_i8(to + 2, round_i32(mul_f32(a, inverse)));
      store_i8(to + 18, round_i32(mul_f32(b, inverse)));
    }
  }
}

EXPORT void FN(store_kv)(const attention *a, const float *k, const float *v, long row0, long row1) {
  long key_bytes = row_bytes(a->key_length, a->kv_type);
  long value_bytes = row_bytes(a->value_length, a->kv_type);
  for (long row = row0; row < row1; row++) {
    long position = a->first_position + row;
    long block = a->blocks[position / a->block_size], slot = position % a->block_size;
    for (long h = 0; h < a->kv_heads; h++) {
      uint8_t *key = (uint8_t *)a->keys + block * a->block_bytes + (h * a->block_size + slot) * key_bytes;
      uint8_t *value =
          (uint8_t *)a->values + block * a->block_bytes + (h * a->block_size + slot) * value_bytes;
      narrow(k + (row * a->kv_heads + h) * a->key_length, key, a->key_length, a->kv_type);
      narrow(v + (row * a->kv_heads + h) * a->value_length, value, a->value_length, a->kv_type);
    }
  }
}

// Loops that reach what the machine can do at most, for benchmarks to compare with.
#include "simd.h"

enum { SUMS = TILE == 12 ? 12 : 4 };

// Reads memory, a multiple of 256 bytes; the result keeps the loads alive.
EXPORT long FN(read_memory)(const uint8_t *p, long bytes) {
  bytes64 any[4] = {load_bytes(p), load_bytes(p), load_bytes(p), load_bytes(p)};
  for (long i = 0; i < bytes; i += 256) {
    UNROLL for (int j = 0; j < 4; j++) {
      prefetch(p + i + 64 * j + 2560);
      any[j] = or_bytes(any[j], load_bytes(p + i + 64 * j));
    }
  }
  bytes64 all = or_bytes(or_bytes(any[0], any[1]), or_bytes(any[2], any[3]));
  uint8_t out[64];
  __builtin_memcpy(out, &all, 64);
  return out[0];
}

// rounds * the result's operations in byte dot products
EXPORT long FN(dot_bytes)(long rounds, uint8_t *scratch) {
  i32x16 s[SUMS];
  bytes64 w = load_bytes(scratch);
  UNROLL for (int i = 0; i < SUMS; i++) s[i] = splat_i32(0);
  for (long r = 0; r < rounds; r++) {
    UNROLL for (int i = 0; i < SUMS; i++) s[i] = dot7(s[i], w, scratch);
  }
  int total = 0;
  for (int i = 0; i < SUMS; i++) total += sum_i32(s[i]);
  put32(scratch, (uint32_t)total & 0x7f);
  return SUMS * 64 * 2;
}

// rounds * the result's operations in float multiply-adds
EXPORT long FN(multiply_add)(long rounds, uint8_t *scratch) {
  // Sums go towards 2: ones that went to 0 would become subnormal, which is slow.
  f32x16 s[SUMS], w = splat_f32(0.5f), x = add_f32(load_f32(scratch), splat_f32(1));
  UNROLL for (int i = 0; i < SUMS; i++) s[i] = splat_f32((float)i);
  for (long r = 0; r < rounds; r++) {
    UNROLL for (int i = 0; i < SUMS; i++) s[i] = fma_f32(s[i], w, x);
  }
  float total = 0;
  for (int i = 0; i < SUMS; i++) total += sum_f32(s[i]);
  put32(scratch, total > 0 ? 1 : 0);
  return SUMS * 16 * 2;
}

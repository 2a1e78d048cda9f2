// Common ground of the kernels: no libc, fixed-width types, one name scheme.
//
// Every kernel file is compiled once per variant of the instruction set (see build-native) with
// -DVARIANT=avx2 and so on; FN(mul_q8_0) is then the symbol realm_avx2_mul_q8_0. Java picks the variant
// that realm_cpu_variants() says can run here.
#ifndef REALM_H
#define REALM_H

#include <stddef.h>
#include <stdint.h>

#define PASTE3(a, b, c) a##b##_##c
#define NAME(variant, name) PASTE3(realm_, variant, name)
#ifdef VARIANT
#define FN(name) NAME(VARIANT, name)
#endif

#define EXPORT __attribute__((visibility("default")))
// Unrolls a loop of up to 16 steps; its bounds are constants in each copy.
#define UNROLL _Pragma("GCC unroll 16")

#define INLINE static inline __attribute__((always_inline))

// Ids of GgmlType that have kernels here.
enum {
  T_F32 = 0,
  T_F16 = 1,
  T_Q4_0 = 2,
  T_Q8_0 = 8,
  T_Q4_K = 12,
  T_Q5_K = 13,
  T_Q6_K = 14,
  T_BF16 = 30
};

INLINE uint16_t get16(const void *p) {
  uint16_t v;
  __builtin_memcpy(&v, p, 2);
  return v;
}

INLINE uint32_t get32(const void *p) {
  uint32_t v;
  __builtin_memcpy(&v, p, 4);
  return v;
}

INLINE void put16(void *p, uint16_t v) { __builtin_memcpy(p, &v, 2); }

INLINE void put32(void *p, uint32_t v) { __builtin_memcpy(p, &v, 4); }

INLINE long min_long(long a, long b) { return a < b ? a : b; }

#endif

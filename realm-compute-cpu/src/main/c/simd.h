// Vectors of 16 lanes over whatever the variant has, so that a kernel is written once.
//
//   f32x16, i32x16   16 lanes, one per row of a panel
//   bytes64          a line of a panel
//   TILE             most tokens of a tile: as many accumulators as the registers hold
//   BIAS8            what dot8 leaves to be subtracted: 128 where the instruction takes unsigned bytes
#ifndef SIMD_H
#define SIMD_H

#include "realm.h"

#if defined(__AVX512BW__)
#include "simd_avx512.h"
#elif defined(__AVX2__)
#include "simd_avx2.h"
#elif defined(__ARM_NEON)
#include "simd_neon.h"
#else
#error "expected a variant with AVX2, AVX-512 or NEON"
#endif

#endif

// What this CPU can run, and the few system calls that the kernels need.
#include "realm.h"

// Bits of realm_cpu_variants(); the highest set bit is the best variant.
enum { V_BASE = 1, V_AVXVNNI = 2, V_AVX512 = 4, V_AVX512VNNI = 8, V_AMX = 16, V_DOTPROD = 32, V_I8MM = 64 };

#if defined(__x86_64__)
#include <cpuid.h>

static uint64_t xcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

#if defined(__linux__)
static long call(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
enum { SYS_MMAP = 9, SYS_MUNMAP = 11, SYS_MADVISE = 28, SYS_ARCH_PRCTL = 158 };

// Linux gives a process the tile registers when it asks: Documentation/arch/x86/xstate.rst.
static int tiles_permitted(void) {
  const long ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18;
  return call(SYS_ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XTILEDATA, 0, 0, 0, 0) == 0;
}
#else
static int tiles_permitted(void) { return 0; }
#endif

// CPUID leaves 1 and 7: Intel SDM volume 2A, table 3-8. The operating system must save the registers too.
EXPORT long realm_cpu_variants(void) {
  uint32_t a, b, c, d, most;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  int fma = c >> 12 & 1, osxsave = c >> 27 & 1, f16c = c >> 29 & 1;
  if (!osxsave || !fma || !f16c || !__get_cpuid_count(7, 0, &most, &b, &c, &d)) return 0;
  uint64_t saved = xcr0();
  if ((saved & 6) != 6 || !(b >> 5 & 1)) return 0;
  long variants = V_BASE;
  uint32_t a1 = 0, b1, c1, d1;
  if (most >= 1) __cpuid_count(7, 1, a1, b1, c1, d1);
  if (a1 >> 4 & 1) variants |= V_AVXVNNI;
  // F, DQ, BW, VL
  const uint32_t wide = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
  if ((saved & 0xe0) == 0xe0 && (b & wide) == wide) {
    variants |= V_AVX512;
    if (c >> 11 & 1) {
      variants |= V_AVX512VNNI;
      // BF16 of AVX-512, tiles with BF16 and INT8
      const uint32_t tiles = 1u << 22 | 1u << 24 | 1u << 25;
      if (a1 >> 5 & 1 && (d & tiles) == tiles && (saved & 0x60000) == 0x60000 && tiles_permitted())
        variants |= V_AMX;
    }
  }
  return variants;
}
#elif defined(__aarch64__)
#if defined(__linux__)
static long call(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
}
enum { SYS_MMAP = 222, SYS_MUNMAP = 215, SYS_MADVISE = 233 };

// The kernel lets user programs read these registers: Documentation/arch/arm64/cpu-feature-registers.rst.
EXPORT long realm_cpu_variants(void) {
  uint64_t isar0, isar1;
  __asm__("mrs %0, ID_AA64ISAR0_EL1" : "=r"(isar0));
  __asm__("mrs %0, ID_AA64ISAR1_EL1" : "=r"(isar1));
  long variants = V_BASE;
  if (isar0 >> 44 & 15) variants |= V_DOTPROD;
  if (isar1 >> 52 & 15) variants |= V_I8MM;
  return variants;
}
#else
// Apple's first chip already has the dot products.
EXPORT long realm_cpu_variants(void) { return V_BASE | V_DOTPROD; }
#endif
#endif

#if defined(__linux__)
enum { MADV_DONTNEED = 4, MADV_HUGEPAGE = 14, MADV_NOHUGEPAGE = 15 };

// Zeroed memory of a multiple of 2 MB in huge pages where the system gives them; 0 when there is none.
EXPORT void *realm_map(long bytes) {
  const long READ_WRITE = 3, PRIVATE_ANONYMOUS = 0x22, huge = 1L << 21;
  long address = call(SYS_MMAP, 0, bytes + huge, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0);
  if (address < 0 && address > -4096) return 0;
  long aligned = (address + huge - 1) & -huge;
  if (aligned > address) call(SYS_MUNMAP, address, aligned - address, 0, 0, 0, 0);
  if (aligned < address + huge)
    call(SYS_MUNMAP, aligned + bytes, address + huge - aligned, 0, 0, 0, 0);
  call(SYS_MADVISE, aligned, bytes, MADV_HUGEPAGE, 0, 0, 0);
  return (void *)aligned;
}

EXPORT void realm_unmap(void *address, long bytes) {
  call(SYS_MUNMAP, (long)address, bytes, 0, 0, 0, 0);
}

static void advise_inside(const void *address, long bytes, long advice) {
  const long page = 65536;  // the largest that Linux has
  long from = ((long)address + page - 1) & -page, to = ((long)address + bytes) & -page;
  if (to > from) call(SYS_MADVISE, from, to - from, advice, 0, 0, 0);
}

// Lets a part of a mapped file come in small pages: a huge one would bring back the part next to it.
EXPORT void realm_small_pages(const void *address, long bytes) {
  advise_inside(address, bytes, MADV_NOHUGEPAGE);
}

// Asks for a part of a mapped file in huge pages, read as such from the disk where the file system can.
EXPORT void realm_huge_pages(const void *address, long bytes) {
  advise_inside(address, bytes, MADV_HUGEPAGE);
}

// Takes whole pages of a mapped file out of this process; they stay in the page cache.
EXPORT void realm_drop(const void *address, long bytes) {
  advise_inside(address, bytes, MADV_DONTNEED);
}
#else
EXPORT void *realm_map(long bytes) {
  (void)bytes;
  return 0;
}
EXPORT void realm_unmap(void *address, long bytes) {
  (void)address;
  (void)bytes;
}
EXPORT void realm_small_pages(const void *address, long bytes) {
  (void)address;
  (void)bytes;
}
EXPORT void realm_huge_pages(const void *address, long bytes) {
  (void)address;
  (void)bytes;
}
EXPORT void realm_drop(const void *address, long bytes) {
  (void)address;
  (void)bytes;
}
#endif

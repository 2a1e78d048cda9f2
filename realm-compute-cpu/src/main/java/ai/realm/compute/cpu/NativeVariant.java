package ai.realm.compute.cpu;

import java.util.List;

/// One compilation of the native kernels, for one set of instructions. See `realm_cpu_variants` in
/// cpu.c for the bits and build-native for the compiler flags.
///
/// @param symbol the middle of its symbols' names: `realm_avx2_add`
/// @param bit the bit that says the CPU and the operating system can run it
/// @param instructions what users call it
record NativeVariant(String symbol, long bit, String instructions) {
  /// The bit of the tile registers that [#X86] of AVX-512 VNNI use for prefill where they are there.
  static final long TILES_BIT = 16;

  /// Best first.
  private static final List<NativeVariant> X86 =
      List.of(
          new NativeVariant("avx512vnni", 8, "AVX-512 VNNI"),
          new NativeVariant("avx512", 4, "AVX-512"),
          new NativeVariant("avxvnni", 2, "AVX2 with VNNI"),
          new NativeVariant("avx2", 1, "AVX2"));

  private static final List<NativeVariant> ARM =
      List.of(
          new NativeVariant("i8mm", 64, "NEON with I8MM"),
          new NativeVariant("dotprod", 32, "NEON with dot products"),
          new NativeVariant("neon", 1, "NEON"));

  /// The variants of an architecture, best first; none for one without kernels.
  static List<NativeVariant> of(String architecture) {
    return switch (architecture) {
      case "x86_64" -> X86;
      case "aarch64" -> ARM;
      default -> List.of();
    };
  }
}

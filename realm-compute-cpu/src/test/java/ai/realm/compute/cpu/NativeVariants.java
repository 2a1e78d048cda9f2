package ai.realm.compute.cpu;

import ai.realm.tensor.GgmlType;
import ai.realm.testing.compute.BackendContract;

/// The native backend's variants that tests open: the best one of this CPU and the plainest.
final class NativeVariants {
  private static final int THREADS = 3;

  private NativeVariants() {}

  static NativeBackend best() {
    return new NativeBackend(loaded().kernels(), THREADS, true);
  }

  static NativeBackend plainest() {
    NativeLibrary.Loaded loaded = loaded();
    return new NativeBackend(
        NativeKernels.bind(loaded.symbols(), loaded.variants().getLast(), false), THREADS, true);
  }

  /// The library of this build; a build for tests has a C compiler.
  static NativeLibrary.Loaded loaded() {
    return switch (NativeLibrary.load()) {
      case NativeLibrary.Loaded loaded -> loaded;
      case NativeLibrary.Missing missing -> throw new AssertionError(missing.reason());
    };
  }

  /// Products with quantized weights round their inputs; types without kernels become Q8_0, which
  /// rounds each weight once more; F16 and BF16 on tiles are split, which leaves 2^-16.
  static double tolerance(GgmlType type) {
    return switch (type) {
      case F32, F16, BF16 -> 2e-5;
      case Q8_0, Q4_0, Q4_K, Q5_K, Q6_K -> BackendContract.ROUNDED_ACTIVATIONS;
      default -> 2 * BackendContract.ROUNDED_ACTIVATIONS;
    };
  }
}

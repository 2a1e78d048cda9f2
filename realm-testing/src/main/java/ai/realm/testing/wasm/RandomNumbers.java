package ai.realm.testing.wasm;

import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import java.util.SplittableRandom;

/// Numbers at and between the edges of their types.
final class RandomNumbers {
  private static final long[] EDGES = {
    0,
    1,
    -1,
    2,
    31,
    32,
    63,
    64,
    255,
    65_535,
    65_536,
    Integer.MAX_VALUE,
    Integer.MIN_VALUE,
    Long.MAX_VALUE,
    Long.MIN_VALUE,
    0x8080_8080_8080_8080L,
    0x7fff_ffff_ffff_fff0L
  };
  private static final double[] FLOAT_EDGES = {
    0.0,
    -0.0,
    1,
    -1,
    0.5,
    -0.5,
    1.5,
    2.5,
    1e-310,
    1e38,
    -1e39,
    1e300,
    2147483647.0,
    2147483648.0,
    -2147483649.0,
    4294967296.0,
    9.223372036854776e18,
    1.8446744073709552e19,
    Double.POSITIVE_INFINITY,
    Double.NEGATIVE_INFINITY,
    Double.NaN
  };

  private final SplittableRandom random;

  RandomNumbers(SplittableRandom random) {
    this.random = random;
  }

  long integer() {
    return switch (random.nextInt(3)) {
      case 0 -> random.nextInt(16);
      case 1 -> EDGES[random.nextInt(EDGES.length)];
      default -> random.nextLong();
    };
  }

  double number() {
    return random.nextInt(3) == 0
        ? random.nextDouble(-1e6, 1e6)
        : FLOAT_EDGES[random.nextInt(FLOAT_EDGES.length)];
  }

  /// The instruction for a constant of a type.
  Code constant(int type) {
    Code code = new Code();
    switch (type) {
      case WasmModuleGenerator.I32 -> code.constant((int) integer());
      case WasmModuleGenerator.I64 -> {
        code.raw(0x42);
        signed(code, integer());
      }
      case WasmModuleGenerator.F32 -> {
        int bits = Float.floatToIntBits((float) number());
        code.raw(0x43, bits & 0xff, bits >>> 8 & 0xff, bits >>> 16 & 0xff, bits >>> 24);
      }
      default -> {
        code.raw(0x44);
        long bits = Double.doubleToLongBits(number());
        for (int i = 0; i < 8; i++) {
          code.raw((int) (bits >>> 8 * i) & 0xff);
        }
      }
    }
    return code;
  }

  private static void signed(Code code, long value) {
    long left = value;
    while (left < -64 || left > 63) {
      code.raw((int) (left & 0x7f) | 0x80);
      left >>= 7;
    }
    code.raw((int) left & 0x7f);
  }
}

package ai.realm.tensor;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Encodes the blocks of a row one by one. For one thread.
interface BlockEncoder {
  /// An encoder to a type.
  ///
  /// @param once whether the first scale is good enough; ggml knows that for IQ4_NL only
  /// @throws UnsupportedQuantizationException for a type that is only read
  static BlockEncoder of(GgmlType type, boolean once) {
    return switch (type) {
      case Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 -> new LegacyEncoder(type);
      case Q2_K, Q3_K, Q4_K, Q5_K, Q6_K -> new KQuantEncoder(type);
      case IQ4_NL -> new Iq4Encoder(type, once);
      case IQ4_XS -> new Iq4Encoder(type, false);
      case TQ1_0 -> new TernaryCodecs.Tq10Encoder();
      case TQ2_0 -> new TernaryCodecs.Tq20Encoder();
      case MXFP4 -> new MicroscalingCodecs.Mxfp4Encoder();
      case NVFP4 -> new MicroscalingCodecs.Nvfp4Encoder();
      case Q1_0 -> new LowBitCodecs.Q10Encoder();
      case Q2_0 -> new LowBitCodecs.Q20Encoder();
      case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S -> throw unsupported(type);
      case F32, F16, BF16, I8, I16, I32, I64, F64 -> throw unsupported(type);
    };
  }

  private static UnsupportedQuantizationException unsupported(GgmlType type) {
    return new UnsupportedQuantizationException(
        "quantization: expected a type that can be written, found " + type);
  }

  /// Sees a whole row before its blocks come.
  default void startRow(float[] row, int from, int n) {}

  /// Encodes the block of weights from index `from` on to byte `to` of `dst`.
  ///
  /// @param importance how much errors matter, weight by weight from index `at` on
  void encodeBlock(
      float[] src, int from, float @Nullable [] importance, int at, MemorySegment dst, long to);
}

package ai.realm.tensor;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Scalar reference codec of one tensor type: what the bits of a block mean. Every fast kernel is
/// tested against it, and a type without a fast kernel runs through it. Decoding is bit-exact with
/// ggml's `dequantize_row_*`, encoding byte for byte the same as its quantizers.
public sealed interface BlockCodec
    permits FloatCodecs.F32, FloatCodecs.F16, FloatCodecs.Bf16, BlockwiseCodec {
  /// The codec of a type.
  ///
  /// @throws IllegalArgumentException for a type that has none: integers and F64, which hold no weights
  static BlockCodec of(GgmlType type) {
    return switch (type) {
      case F32 -> new FloatCodecs.F32();
      case F16 -> new FloatCodecs.F16();
      case BF16 -> new FloatCodecs.Bf16();
      case Q4_0 -> new LegacyCodecs.Q40();
      case Q4_1 -> new LegacyCodecs.Q41();
      case Q5_0 -> new LegacyCodecs.Q50();
      case Q5_1 -> new LegacyCodecs.Q51();
      case Q8_0 -> new LegacyCodecs.Q80();
      case Q2_K -> new KQuantCodecs.Q2K();
      case Q3_K -> new KQuantCodecs.Q3K();
      case Q4_K -> new KQuantCodecs.Q4K();
      case Q5_K -> new KQuantCodecs.Q5K();
      case Q6_K -> new KQuantCodecs.Q6K();
      case IQ4_NL -> new Iq4Codecs.Iq4Nl();
      case IQ4_XS -> new Iq4Codecs.Iq4Xs();
      case IQ3_XXS -> new Iq3Codecs.Iq3Xxs();
      case IQ3_S -> new Iq3Codecs.Iq3S();
      case IQ2_XXS -> new Iq2Codecs.Iq2Xxs();
      case IQ2_XS -> new Iq2Codecs.Iq2Xs();
      case IQ2_S -> new Iq2Codecs.Iq2S();
      case IQ1_S -> new Iq1Codecs.Iq1S();
      case IQ1_M -> new Iq1Codecs.Iq1M();
      case TQ1_0 -> new TernaryCodecs.Tq10();
      case TQ2_0 -> new TernaryCodecs.Tq20();
      case MXFP4 -> new MicroscalingCodecs.Mxfp4();
      case NVFP4 -> new MicroscalingCodecs.Nvfp4();
      case Q1_0 -> new LowBitCodecs.Q10();
      case Q2_0 -> new LowBitCodecs.Q20();
      case I8, I16, I32, I64, F64 ->
          throw new IllegalArgumentException("tensor type " + type + ": expected one with a codec");
    };
  }

  /// The type that it reads.
  GgmlType type();

  /// Decodes weights: `count`, a multiple of the block size, from `srcOffset` bytes on.
  void dequantize(MemorySegment src, long srcOffset, float[] dst, int dstOffset, int count);

  /// Encodes a row of weights, `count` of them, a multiple of the block size, to the bytes that ggml's
  /// `ggml_quantize_chunk` makes.
  ///
  /// @param importance how much an error in each column matters, or none
  /// @throws UnsupportedQuantizationException for the IQ1, IQ2 and IQ3 types, which are only read
  void quantize(
      float[] src,
      int srcOffset,
      int count,
      float @Nullable [] importance,
      MemorySegment dst,
      long dstOffset);

  /// The same without importances.
  default void quantize(float[] src, int srcOffset, int count, MemorySegment dst, long dstOffset) {
    quantize(src, srcOffset, count, null, dst, dstOffset);
  }

  /// Encodes as ggml's `from_float_ref` does, where speed matters more than the last bit: IQ4_NL takes
  /// the first scale it finds, the others are encoded as by [#quantize].
  default void quantizeOnce(
      float[] src, int srcOffset, int count, MemorySegment dst, long dstOffset) {
    quantize(src, srcOffset, count, null, dst, dstOffset);
  }
}

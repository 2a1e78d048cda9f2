package ai.realm.tensor;

import java.lang.foreign.MemorySegment;

/// Scalar reference codec of one tensor type: what the bits of a block mean. Every fast kernel is
/// tested against it.
public sealed interface BlockCodec
    permits FloatCodecs.F32,
        FloatCodecs.F16,
        FloatCodecs.Bf16,
        LegacyCodecs.Q80,
        LegacyCodecs.Q40,
        KQuantCodecs.Q4K,
        KQuantCodecs.Q5K,
        KQuantCodecs.Q6K {
  /// The codec of a type.
  ///
  /// @throws IllegalArgumentException for a type that has none
  static BlockCodec of(GgmlType type) {
    return switch (type) {
      case F32 -> new FloatCodecs.F32();
      case F16 -> new FloatCodecs.F16();
      case BF16 -> new FloatCodecs.Bf16();
      case Q8_0 -> new LegacyCodecs.Q80();
      case Q4_0 -> new LegacyCodecs.Q40();
      case Q4_K -> new KQuantCodecs.Q4K();
      case Q5_K -> new KQuantCodecs.Q5K();
      case Q6_K -> new KQuantCodecs.Q6K();
      default ->
          throw new IllegalArgumentException("tensor type " + type + ": expected one with a codec");
    };
  }

  /// The type that it reads.
  GgmlType type();

  /// Decodes weights: `count`, a multiple of the block size, from `srcOffset` bytes on.
  void dequantize(MemorySegment src, long srcOffset, float[] dst, int dstOffset, int count);
}

package ai.realm.tensor;

/// The tensor types of GGUF: id in the file, weights per block, bytes per block. See `ggml_type` in
/// ggml.h and the `block_*` structs in ggml-common.h. One row here plus one [BlockCodec] is all that
/// a quant type needs to be correct on every backend.
public enum GgmlType {
  F32(0, 1, 4),
  F16(1, 1, 2),
  Q4_0(2, 32, 18),
  Q4_1(3, 32, 20),
  Q5_0(6, 32, 22),
  Q5_1(7, 32, 24),
  Q8_0(8, 32, 34),
  Q2_K(10, 256, 84),
  Q3_K(11, 256, 110),
  Q4_K(12, 256, 144),
  Q5_K(13, 256, 176),
  Q6_K(14, 256, 210),
  IQ2_XXS(16, 256, 66),
  IQ2_XS(17, 256, 74),
  IQ3_XXS(18, 256, 98),
  IQ1_S(19, 256, 50),
  IQ4_NL(20, 32, 18),
  IQ3_S(21, 256, 110),
  IQ2_S(22, 256, 82),
  IQ4_XS(23, 256, 136),
  I8(24, 1, 1),
  I16(25, 1, 2),
  I32(26, 1, 4),
  I64(27, 1, 8),
  F64(28, 1, 8),
  IQ1_M(29, 256, 56),
  BF16(30, 1, 2),
  TQ1_0(34, 256, 54),
  TQ2_0(35, 256, 66),
  MXFP4(39, 32, 17),
  NVFP4(40, 64, 36),
  Q1_0(41, 128, 18),
  Q2_0(42, 64, 18);

  private final int id;
  private final int blockSize;
  private final int blockBytes;

  GgmlType(int id, int blockSize, int blockBytes) {
    this.id = id;
    this.blockSize = blockSize;
    this.blockBytes = blockBytes;
  }

  /// The number that stands for this type in a GGUF file.
  public int id() {
    return id;
  }

  /// Weights per block.
  public int blockSize() {
    return blockSize;
  }

  /// Bytes per block.
  public int blockBytes() {
    return blockBytes;
  }

  /// Whether a block holds more than one weight.
  public boolean isQuantized() {
    return blockSize > 1;
  }

  /// Bytes of `n` weights.
  ///
  /// @throws ArithmeticException when the product overflows a long
  /// @throws IllegalArgumentException when `n` is negative or no multiple of [#blockSize]
  public long byteSize(long n) {
    if (n < 0 || n % blockSize != 0) {
      throw new IllegalArgumentException(
          name() + ": expected a multiple of " + blockSize + " weights, found " + n);
    }
    return Math.multiplyExact(n / blockSize, (long) blockBytes);
  }
}

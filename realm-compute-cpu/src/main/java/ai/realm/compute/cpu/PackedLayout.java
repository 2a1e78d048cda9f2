package ai.realm.compute.cpu;

import ai.realm.digest.Sha256;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import ai.realm.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;

/// What panels look like here, found out by packing: a small matrix of every type that has kernels, and
/// one of a type that is converted, are packed and hashed. A change to the packing changes the name by
/// itself; nobody has to remember a version number.
///
/// @param variant the kernels that packed: converting rounds as their instructions do
/// @param digest start of the SHA-256 of the probes' panels, in hexadecimal
record PackedLayout(String variant, String digest) {
  private static final int ROWS = 19;
  private static final int COLS = 768;
  private static final int DIGEST_BYTES = 16;
  private static final List<GgmlType> PROBES =
      List.of(
          GgmlType.Q8_0,
          GgmlType.Q4_0,
          GgmlType.Q4_K,
          GgmlType.Q5_K,
          GgmlType.Q6_K,
          GgmlType.F16,
          GgmlType.BF16,
          GgmlType.F32,
          GgmlType.IQ4_NL);

  /// The layout of these kernels.
  static PackedLayout of(NativeKernels kernels, NativePacking packing) {
    MessageDigest sha = Sha256.begin();
    for (GgmlType type : PROBES) {
      probe(sha, type, packing);
    }
    String digest = HexFormat.of().formatHex(sha.digest(), 0, DIGEST_BYTES);
    return new PackedLayout(kernels.variant().symbol(), digest);
  }

  private static void probe(MessageDigest sha, GgmlType type, NativePacking packing) {
    try (Arena arena = Arena.ofConfined()) {
      Shape shape = Shape.of(COLS, ROWS);
      MemorySegment data = arena.allocate(type.byteSize(shape.elements()), CpuBuffer.ALIGNMENT);
      // Every byte tells its place; below 0x40 in every position, so that any float of them is
      // finite.
      for (long i = 0; i < data.byteSize(); i++) {
        data.set(ValueLayout.JAVA_BYTE, i, (byte) ((i * 31 + i / 251) & 0x3f));
      }
      Tensor tensor = new Tensor("probe", type, shape, data);
      PackedWeights weights = new PackedWeights(tensor, packing.packedType(tensor));
      MemorySegment panels = arena.allocate(packing.bytes(weights), CpuBuffer.ALIGNMENT);
      for (int panel = 0; panel * 16 < ROWS; panel++) {
        packing.packOne(weights, panels.address(), panel);
      }
      sha.update(
          (type + " as " + weights.packedType()).getBytes(java.nio.charset.StandardCharsets.UTF_8));
      sha.update(panels.toArray(ValueLayout.JAVA_BYTE));
    }
  }

  /// As the header of a file has it.
  @Override
  public String toString() {
    return variant + " " + digest;
  }
}

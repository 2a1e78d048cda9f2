package ai.realm.quantize;

import ai.realm.tensor.GgmlType;
import java.util.Locale;

/// The usual mixes by their names: a type for most tensors, and rules by which some get more or fewer
/// bits ([TensorTypes]). Numbers are those of `llama_ftype` in llama.h, which `general.file_type`
/// holds.
public enum QuantizationMix {
  F32(0, GgmlType.F32),
  F16(1, GgmlType.F16),
  BF16(32, GgmlType.BF16),
  Q8_0(7, GgmlType.Q8_0),
  Q6_K(18, GgmlType.Q6_K),
  Q5_K_M(17, GgmlType.Q5_K),
  Q5_K_S(16, GgmlType.Q5_K),
  Q5_1(9, GgmlType.Q5_1),
  Q5_0(8, GgmlType.Q5_0),
  Q4_K_M(15, GgmlType.Q4_K),
  Q4_K_S(14, GgmlType.Q4_K),
  Q4_1(3, GgmlType.Q4_1),
  Q4_0(2, GgmlType.Q4_0),
  IQ4_NL(25, GgmlType.IQ4_NL),
  IQ4_XS(30, GgmlType.IQ4_XS),
  Q3_K_L(13, GgmlType.Q3_K),
  Q3_K_M(12, GgmlType.Q3_K),
  Q3_K_S(11, GgmlType.Q3_K),
  Q2_K(10, GgmlType.Q2_K),
  Q2_K_S(21, GgmlType.Q2_K),
  TQ2_0(37, GgmlType.TQ2_0),
  TQ1_0(36, GgmlType.TQ1_0);

  private final int fileType;
  private final GgmlType type;

  QuantizationMix(int fileType, GgmlType type) {
    this.fileType = fileType;
    this.type = type;
  }

  /// The mix of a name, in any case; `Q3_K`, `Q4_K` and `Q5_K` stand for the `_M` ones.
  ///
  /// @throws QuantizationException for a name that is none
  public static QuantizationMix of(String name) {
    String upper = name.toUpperCase(Locale.ROOT);
    String whole =
        switch (upper) {
          case "Q3_K", "Q4_K", "Q5_K" -> upper + "_M";
          default -> upper;
        };
    StringBuilder known = new StringBuilder();
    for (QuantizationMix mix : values()) {
      if (mix.name().equals(whole)) {
        return mix;
      }
      known.append(known.isEmpty() ? "" : ", ").append(mix.name());
    }
    throw new QuantizationException(
        "quantization type: expected one of %s, found %s".formatted(known, name));
  }

  /// What `general.file_type` says of such a file.
  public int fileType() {
    return fileType;
  }

  /// The type of most tensors.
  public GgmlType type() {
    return type;
  }
}

package ai.realm.tensor;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;

/// Blocks that ggml (commit d99724f2b141, 21 August 2026) encoded and decoded: a few of each type in
/// the test resources, 64 of each in the reference data.
final class ReferenceBlocks {
  private final String place;

  private ReferenceBlocks(String place) {
    this.place = place;
  }

  /// The few that lie in the checkout.
  static ReferenceBlocks fewInTheCheckout() {
    return new ReferenceBlocks("");
  }

  /// All, from the folder that `./dev reference` unpacked.
  static ReferenceBlocks all() {
    String reference =
        System.getProperty("realm.reference", System.getenv().getOrDefault("REALM_REFERENCE", ""));
    if (reference.isEmpty()) {
      throw new IllegalStateException(
          "expected REALM_REFERENCE to name the unpacked reference data");
    }
    return new ReferenceBlocks(Path.of(reference, "quants", "blocks").toString());
  }

  private static String stem(GgmlType type) {
    return type.name().toLowerCase(Locale.ROOT).replace("_k", "_K");
  }

  /// A file of one type, such as `random.bytes`.
  byte[] bytes(GgmlType type, String kind) {
    String file = stem(type) + "." + kind;
    try {
      if (!place.isEmpty()) {
        return Files.readAllBytes(Path.of(place, file));
      }
      try (InputStream in = ReferenceBlocks.class.getResourceAsStream("blocks/" + file)) {
        return Objects.requireNonNull(in, file).readAllBytes();
      }
    } catch (IOException e) {
      throw new AssertionError(file, e);
    }
  }

  /// The same as little-endian floats.
  float[] floats(GgmlType type, String kind) {
    ByteBuffer bytes = ByteBuffer.wrap(bytes(type, kind)).order(ByteOrder.LITTLE_ENDIAN);
    float[] values = new float[bytes.remaining() / 4];
    bytes.asFloatBuffer().get(values);
    return values;
  }
}

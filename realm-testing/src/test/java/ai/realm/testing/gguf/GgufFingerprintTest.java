package ai.realm.testing.gguf;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.gguf.GgufArray;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufFingerprint;
import ai.realm.gguf.GgufValue;
import ai.realm.gguf.GgufWriter;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GgufFingerprintTest {
  private static final int ROWS = 64;
  private static final int COLS = 1024;

  @TempDir Path folder;
  private int files;

  private String fingerprint(String key, GgufValue value, byte[] weights, int rows) {
    Path path = folder.resolve(files++ + ".gguf");
    new GgufWriter(path)
        .metadata("general.architecture", new GgufValue.Str("llama"))
        .metadata(key, value)
        .tensor("a", GgmlType.F32, Shape.of(COLS, rows), MemorySegment.ofArray(weights))
        .write();
    try (GgufFile file = GgufFile.open(path)) {
      byte[] fingerprint = GgufFingerprint.of(file);
      assertThat(fingerprint).hasSize(GgufFingerprint.BYTES).isEqualTo(GgufFingerprint.of(file));
      return HexFormat.of().formatHex(fingerprint);
    }
  }

  private static byte[] weights(int changed) {
    byte[] weights = new byte[4 * ROWS * COLS];
    if (changed >= 0) {
      weights[changed] = 1;
    }
    return weights;
  }

  @Test
  void filesThatDifferHaveDifferentOnes() {
    GgufValue one = new GgufValue.U32(1);
    int size = 4 * ROWS * COLS;
    String same = fingerprint("k", one, weights(-1), ROWS);
    assertThat(fingerprint("k", one, weights(-1), ROWS)).isEqualTo(same);
    List<String> others =
        List.of(
            fingerprint("l", one, weights(-1), ROWS),
            fingerprint("k", new GgufValue.U32(2), weights(-1), ROWS),
            fingerprint("k", new GgufValue.I32(1), weights(-1), ROWS),
            fingerprint("k", new GgufValue.Str("1"), weights(-1), ROWS),
            fingerprint("k", new GgufValue.F32(1), weights(-1), ROWS),
            fingerprint("k", array("a", "b"), weights(-1), ROWS),
            fingerprint("k", array("ab", ""), weights(-1), ROWS),
            fingerprint("k", one, weights(0), ROWS),
            fingerprint("k", one, weights(size / 2), ROWS),
            fingerprint("k", one, weights(size - 1), ROWS),
            fingerprint("k", one, new byte[size / 2], ROWS / 2));
    assertThat(others).doesNotHaveDuplicates().doesNotContain(same);
  }

  private static GgufValue array(String... values) {
    return new GgufValue.Arr(GgufArray.ofStrings(List.of(values)));
  }
}

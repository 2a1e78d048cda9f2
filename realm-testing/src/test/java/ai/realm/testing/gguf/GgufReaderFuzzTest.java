package ai.realm.testing.gguf;

import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufFormatException;
import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;

/// Jazzer's target: any bytes load or are refused with a [GgufFormatException], nothing else. The seeds,
/// and every crash that was found, lie in the resources.
@Tag("fuzz")
final class GgufReaderFuzzTest {
  @TempDir private Path folder;

  @FuzzTest(maxDuration = "300s")
  void anyBytesLoadOrAreRefused(byte[] bytes) throws IOException {
    Path path = Files.write(folder.resolve("m.gguf"), bytes);
    try (GgufFile gguf = GgufFile.open(path)) {
      GgufTouch.everything(gguf);
    } catch (GgufFormatException e) {
      if (e.getMessage() == null || !e.getMessage().contains("expected")) {
        throw new AssertionError("a refusal that does not say what was expected", e);
      }
    }
  }
}

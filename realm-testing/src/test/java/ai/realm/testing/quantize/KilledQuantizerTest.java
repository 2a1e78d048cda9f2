package ai.realm.testing.quantize;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.gguf.GgufFile;
import ai.realm.quantize.QuantizationMix;
import ai.realm.quantize.QuantizationProgress;
import ai.realm.quantize.Quantizer;
import ai.realm.tensor.GgmlType;
import ai.realm.testing.sample.SampleModel;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A process that is killed while it quantizes leaves the whole old file, the whole new file or none
/// (C01).
final class KilledQuantizerTest {
  @TempDir private Path folder;

  /// Quantizes the sample model to `args[0]` again and again.
  static final class Child {
    private Child() {}

    public static void main(String[] args) {
      Path target = Path.of(args[0]);
      System.out.println("ready");
      System.out.flush();
      while (true) {
        quantize(target);
      }
    }
  }

  private static void quantize(Path target) {
    try (GgufFile model = GgufFile.open(SampleModel.path())) {
      new Quantizer(QuantizationMix.Q4_0, 2, true, Optional.empty(), QuantizationProgress.NONE)
          .quantize(model, target);
    }
  }

  @Test
  @Timeout(value = 2, unit = TimeUnit.MINUTES)
  void killedProcessesLeaveAWholeFileOrNone() throws Exception {
    kill(3, 1);
  }

  @Tag("slow")
  @Test
  @Timeout(value = 10, unit = TimeUnit.MINUTES)
  void manyKilledProcessesLeaveAWholeFileOrNone() throws Exception {
    kill(60, 2);
  }

  private void kill(int times, long seed) throws Exception {
    Random random = new Random(seed);
    Path target = folder.resolve("m.gguf");
    for (int i = 0; i < times; i++) {
      Process child =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-Xmx256m",
                  "-XX:TieredStopAtLevel=1",
                  "-cp",
                  System.getProperty("java.class.path"),
                  Child.class.getName(),
                  target.toString())
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      try (BufferedReader out =
          new BufferedReader(
              new InputStreamReader(child.getInputStream(), StandardCharsets.UTF_8))) {
        assertThat(out.readLine()).isEqualTo("ready");
        Thread.sleep(random.nextInt(100, 1500));
      } finally {
        child.destroyForcibly();
        assertThat(child.waitFor(10, TimeUnit.SECONDS)).isTrue();
      }
      if (Files.exists(target)) {
        try (GgufFile whole = GgufFile.open(target)) {
          assertThat(whole.tensors()).hasSize(56);
          assertThat(whole.tensor("blk.0.attn_q.weight").type()).isEqualTo(GgmlType.Q4_0);
        }
      }
    }
    quantize(target);
    try (var left = Files.list(folder)) {
      assertThat(left).containsExactly(target);
    }
  }

  @Test
  void whatAnotherWriterStillWritesIsLeftAlone() throws IOException {
    Path target = folder.resolve("m.gguf");
    Path abandoned = Files.writeString(folder.resolve(".m.gguf.1.part"), "killed");
    Path other = Files.writeString(folder.resolve(".n.gguf.1.part"), "of another file");
    Path alive = folder.resolve(".m.gguf.2.part");
    try (FileChannel channel =
        FileChannel.open(alive, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW)) {
      assertThat(channel.tryLock()).isNotNull();
      quantize(target);
      assertThat(alive).exists();
    }
    assertThat(other).exists();
    assertThat(abandoned).doesNotExist();
    quantize(target);
    assertThat(alive).doesNotExist();
  }
}

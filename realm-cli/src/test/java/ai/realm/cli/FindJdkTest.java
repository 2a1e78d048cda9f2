package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `.mvn/find-jdk`, which `./mvnw` and `./realm` ask for a JDK, over folders that look like JDKs. The
/// versions are far above real ones, so that JDKs of the machine play no part.
final class FindJdkTest {
  private record Found(int code, String out, String err) {}

  @TempDir Path folder;

  private Path jdk(String name, String version) throws IOException {
    Path home = folder.resolve(name);
    Files.createDirectories(home.resolve("bin"));
    for (String tool : new String[] {"java", "javac"}) {
      Path file = Files.writeString(home.resolve("bin").resolve(tool), "#!/bin/sh\n");
      assertThat(file.toFile().setExecutable(true)).isTrue();
    }
    Files.writeString(home.resolve("release"), "JAVA_VERSION=\"" + version + "\"\n");
    return home;
  }

  private static Found find(Map<String, String> environment, int version)
      throws IOException, InterruptedException {
    Path script = SampleModel.repositoryRoot().resolve(".mvn").resolve("find-jdk");
    ProcessBuilder command = new ProcessBuilder("/bin/sh", script.toString(), "" + version);
    command.environment().clear();
    command.environment().putAll(environment);
    Process process = command.start();
    assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
    return new Found(
        process.exitValue(),
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip(),
        new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8).strip());
  }

  @Test
  void takesJavaHomeWhenItIsNewEnough() throws Exception {
    Path home = jdk("a jdk with spaces", "900.0.3");
    assertThat(find(Map.of("JAVA_HOME", home.toString()), 900).out()).isEqualTo(home.toString());
  }

  @Test
  void followsTheJavaOnThePath() throws Exception {
    Path home = jdk("on-path", "901");
    Path bin = Files.createDirectories(folder.resolve("links"));
    Files.createSymbolicLink(bin.resolve("java"), home.resolve("bin").resolve("java"));
    Found found = find(Map.of("PATH", bin + ":/usr/bin:/bin"), 900);
    assertThat(Path.of(found.out()).toRealPath()).isEqualTo(home.toRealPath());
  }

  @Test
  void looksInTheUsualPlacesWhenJavaHomeIsTooOld() throws Exception {
    Path old = jdk("old", "1.8.0_402");
    Path wanted = jdk(".sdkman/candidates/java/900-tem", "900");
    jdk(".jdks/newer", "950");
    Found found =
        find(
            Map.of("JAVA_HOME", old.toString(), "HOME", folder.toString(), "PATH", "/usr/bin:/bin"),
            900);
    assertThat(found.out()).isEqualTo(wanted.toString());
  }

  @Test
  void passesOverARuntimeWithoutACompiler() throws Exception {
    Path home = jdk("jre", "900");
    Files.delete(home.resolve("bin").resolve("javac"));
    assertThat(find(Map.of("JAVA_HOME", home.toString()), 900).code()).isEqualTo(1);
  }

  @Test
  void saysInOneSentenceWhatToInstallWhenThereIsNone() throws Exception {
    Found found = find(Map.of("PATH", "/usr/bin:/bin"), 900);
    assertThat(found.code()).isEqualTo(1);
    assertThat(found.out()).isEmpty();
    assertThat(found.err())
        .hasLineCount(1)
        .startsWith("Realm needs a JDK 900 and found none: install one");
  }
}

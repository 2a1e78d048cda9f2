package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/// Folders of workers: whose host was killed they go, and no other does.
@Timeout(120)
@EnabledOnOs(OS.LINUX)
final class WorkerFolderTest {
  private static final LinkOption NO_LINK = LinkOption.NOFOLLOW_LINKS;

  @TempDir Path parent;

  private record Host(Process process, BufferedReader out, Path folder) implements AutoCloseable {
    void kill() throws InterruptedException {
      process.destroyForcibly();
      assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    }

    @Override
    public void close() throws InterruptedException {
      kill();
    }
  }

  private static Host host(Path parent, String... more) throws IOException {
    String classes =
        HostileLaunch.classes(WorkerFolderHost.class)
            + File.pathSeparator
            + HostileLaunch.classes(WorkerFolder.class);
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx32m",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            classes,
            WorkerFolderHost.class.getName(),
            parent.toString());
    builder.command().addAll(List.of(more));
    Process process = builder.redirectError(ProcessBuilder.Redirect.INHERIT).start();
    BufferedReader out = process.inputReader();
    return new Host(process, out, Path.of(out.readLine()));
  }

  @Test
  void whatAKilledHostLeftGoesAndALivingOnesStays() throws Exception {
    try (Host living = host(parent);
        Host killed = host(parent);
        WorkerFolder own = WorkerFolder.create(parent);
        WorkerFolder other = WorkerFolder.create(parent)) {
      Files.writeString(killed.folder().resolve("crash.log"), "crashed");
      Files.writeString(killed.folder().resolve("memory-1"), "of a guest");
      assertThat(own.sweepBeside()).as("all live").isZero();
      killed.kill();
      assertThat(killed.folder()).exists();
      assertThat(own.sweepBeside()).isEqualTo(1);
      assertThat(killed.folder()).doesNotExist();
      assertThat(own.sweepBeside()).isZero();
      for (Path folder : List.of(living.folder(), own.path(), other.path())) {
        assertThat(folder.resolve(WorkerFolder.LOCK)).exists();
      }
      // Our locks have held all the while: a host elsewhere leaves them alone.
      try (Host third = host(parent, "sweep")) {
        assertThat(third.out().readLine()).isEqualTo("0");
        assertThat(third.process().waitFor(60, TimeUnit.SECONDS)).isTrue();
      }
      assertThat(own.path()).exists();
      assertThat(other.path()).exists();
    }
    assertThat(parent.toFile().list()).hasSize(1);
  }

  @Test
  void whatIsNotCertainlyLeftByAHostStays() throws Exception {
    Path unmarked = Files.createDirectory(parent.resolve("realm-worker-123"));
    Path unlocked = Files.createDirectory(parent.resolve("realm-worker-124"));
    Files.createFile(unlocked.resolve("host.new"));
    Path elsewhere = Files.createDirectory(parent.resolve("elsewhere"));
    Path precious = Files.createFile(elsewhere.resolve("precious"));
    Path lock = Files.createFile(elsewhere.resolve(WorkerFolder.LOCK));
    Path link = Files.createSymbolicLink(parent.resolve("realm-worker-125"), elsewhere);
    Path linksLock = Files.createDirectory(parent.resolve("realm-worker-126"));
    Files.createSymbolicLink(linksLock.resolve(WorkerFolder.LOCK), lock);
    Path deep = Files.createDirectory(parent.resolve("realm-worker-127"));
    Files.createFile(deep.resolve(WorkerFolder.LOCK));
    Path inside = Files.createDirectory(deep.resolve("folder"));
    Path otherName = Files.createDirectory(parent.resolve("realm-memory-128"));
    Files.createFile(otherName.resolve(WorkerFolder.LOCK));
    Path file = Files.createFile(parent.resolve("realm-worker-129"));
    try (WorkerFolder own = WorkerFolder.create(parent)) {
      assertThat(own.sweepBeside()).isZero();
    }
    for (Path stays :
        List.of(
            unmarked, unlocked, precious, lock, link, linksLock, deep, inside, otherName, file)) {
      assertThat(Files.exists(stays, NO_LINK)).as("%s", stays).isTrue();
    }
  }

  /// Links in a folder that was left are deleted, not what they lead to.
  @Test
  void linksAreNotFollowed() throws Exception {
    Path elsewhere = Files.createDirectory(parent.resolve("elsewhere"));
    Path precious = Files.createFile(elsewhere.resolve("precious"));
    Path left = Files.createDirectory(parent.resolve("realm-worker-1-1-1"));
    Files.createFile(left.resolve(WorkerFolder.LOCK));
    Files.createSymbolicLink(left.resolve("to-folder"), elsewhere);
    Files.createSymbolicLink(left.resolve("to-file"), precious);
    try (WorkerFolder own = WorkerFolder.create(parent)) {
      assertThat(own.sweepBeside()).isEqualTo(1);
    }
    assertThat(left).doesNotExist();
    assertThat(precious).exists();
  }

  @Test
  void aSweepIsBoundedAndTheNextGoesOn() throws Exception {
    for (int i = 0; i < 1_200; i++) {
      Path left = Files.createDirectory(parent.resolve("realm-worker-1-1-" + i));
      Files.createFile(left.resolve(WorkerFolder.LOCK));
    }
    try (WorkerFolder own = WorkerFolder.create(parent)) {
      assertThat(own.sweepBeside()).isEqualTo(1_000);
      assertThat(own.sweepBeside()).isEqualTo(200);
      assertThat(own.sweepBeside()).isZero();
    }
    assertThat(parent).isEmptyDirectory();
  }

  @Test
  void aClosedFolderIsGone() throws Exception {
    WorkerFolder folder = WorkerFolder.create(parent);
    Files.writeString(folder.path().resolve("memory-1"), "of a guest");
    folder.close();
    folder.close();
    assertThat(parent).isEmptyDirectory();
  }
}

package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.error.RealmException;
import ai.realm.gguf.GgufFile;
import ai.realm.testing.sample.SampleModel;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Which model files are mapped in silence, and what a file that was cut means to a guest's call.
@Timeout(120)
final class ModelFilesTest {
  @TempDir private Path folder;
  private final List<String> notices = new ArrayList<>();
  private Path model = Path.of("");

  @BeforeEach
  void copyModel() throws IOException {
    model = Files.copy(SampleModel.path(), folder.resolve("m.gguf"));
    rights("rw-r--r--");
  }

  private void rights(String rights) throws IOException {
    if (Files.getFileStore(folder).supportsFileAttributeView("posix")) {
      Files.setPosixFilePermissions(model, PosixFilePermissions.fromString(rights));
    }
  }

  @Test
  void fileOfThisUserIsMappedInSilence() {
    try (GgufFile file = ModelFiles.mapped(notices::add).open(model)) {
      assertThat(file.tensor("token_embd.weight").data().isMapped()).isTrue();
    }
    assertThat(notices).isEmpty();
  }

  @Test
  void fileThatOthersMayWriteIsMappedWithOneLine() throws IOException {
    rights("rw-r--rw-");
    try (GgufFile file = ModelFiles.mapped(notices::add).open(model)) {
      assertThat(file.tensor("token_embd.weight").data().isMapped()).isTrue();
    }
    if (Files.getFileStore(folder).supportsFileAttributeView("posix")) {
      assertThat(notices).singleElement().asString().contains("m.gguf", "everybody may write");
    }
  }

  @Test
  void whoMayWriteACopiedFileDoesNotMatter() throws IOException {
    rights("rw-rw-rw-");
    try (GgufFile file = new ModelFiles(true, notices::add).open(model)) {
      assertThat(file.tensor("token_embd.weight").data().isMapped()).isFalse();
    }
    assertThat(notices).isEmpty();
  }

  @Test
  void linkIsAsItsTargetIs() throws IOException {
    rights("rw-r--rw-");
    Path link = Files.createSymbolicLink(folder.resolve("link.gguf"), model);
    ModelFiles.mapped(notices::add).open(link).close();
    assertThat(notices).hasSize(1);
  }

  /// The model is loaded and its embedding table cut off, on whose thread ever it is read next.
  @Test
  void fileThatWasCutIsAnErrorOfTheModelAndNotOfTheWorker() throws IOException {
    try (Backend backend = Backends.open("naive", BackendOptions.DEFAULT).backend();
        RealmRuntime runtime =
            new RealmRuntime(
                RuntimeConfig.of("sample", model, backend),
                ResourceLimits.unbounded(GuestLimits.DEFAULT),
                GuestTools.NONE,
                Isolation.worker())) {
      HostCaller caller =
          HostCaller.of(runtime, HostCaller.guest(Map.of("kv_new", 1, "kv_save", 3, "step", 2)));
      int opened = caller.open("sample");
      int kv = caller.call("kv_new", opened);
      assertThat(kv).isPositive();
      try (RandomAccessFile file = new RandomAccessFile(model.toFile(), "rw")) {
        file.setLength(4096);
      }
      int name = caller.text("name");
      // The first save reads the file, for its fingerprint.
      assertThatThrownBy(() -> caller.call("kv_save", kv, HostCaller.TEXT, name))
          .isInstanceOfSatisfying(
              RealmException.class,
              e -> assertThat(e.code()).as(e.toString()).isEqualTo("MODEL_INVALID"));
      assertThat(caller.call("model_open", HostCaller.TEXT, caller.text("sample")))
          .as("the worker lives")
          .isPositive();
    }
  }

  @Test
  void fileThatIsCutBeforeItIsLoadedIsRefused() throws IOException {
    try (RandomAccessFile file = new RandomAccessFile(model.toFile(), "rw")) {
      file.setLength(file.length() / 2);
    }
    try (Backend backend = Backends.open("naive", BackendOptions.DEFAULT).backend();
        RealmRuntime runtime = new RealmRuntime(RuntimeConfig.of("sample", model, backend))) {
      runtime.loadWasm(DefaultGuest.bytes());
      assertThatThrownBy(() -> runtime.callFunction("load_model", "sample", "{}"))
          .isInstanceOfSatisfying(
              RealmException.class, e -> assertThat(e.code()).isEqualTo("MODEL_INVALID"));
    }
  }
}

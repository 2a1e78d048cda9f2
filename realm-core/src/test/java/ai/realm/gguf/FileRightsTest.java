package ai.realm.gguf;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class FileRightsTest {
  private static final Object SELF = 1000;

  private static Optional<String> doubt(int uid, String rights, String owner, String group) {
    return FileRights.doubt(uid, SELF, owner, group, PosixFilePermissions.fromString(rights));
  }

  @Test
  void ownFilesAndThoseOfRootAreTrusted() {
    assertThat(doubt(1000, "rw-r--r--", "me", "users")).isEmpty();
    assertThat(doubt(0, "r--r--r--", "root", "root")).isEmpty();
  }

  @Test
  void filesOfOtherUsersAreNot() {
    assertThat(doubt(1001, "r--r--r--", "eve", "users"))
        .hasValue("it belongs to user eve, not to this user or root");
  }

  @Test
  void filesThatOthersMayWriteAreNot() {
    assertThat(doubt(1000, "rw-r--rw-", "me", "me")).hasValue("everybody may write to it");
    assertThat(doubt(0, "rw-rw-r--", "root", "staff")).hasValue("group staff may write to it");
    assertThat(doubt(1000, "rw-rw-r--", "me", "me")).as("the owner's own group").isEmpty();
  }

  @Test
  void rightsAreThoseOfTheFileAndOfALinksTarget(@TempDir Path folder) throws IOException {
    Path file = Files.write(folder.resolve("file"), new byte[1]);
    if (Files.getFileStore(folder).supportsFileAttributeView("posix")) {
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
      assertThat(FileRights.doubt(file)).isEmpty();
      Path link = Files.createSymbolicLink(folder.resolve("link"), file);
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--rw-"));
      assertThat(FileRights.doubt(link)).hasValue("everybody may write to it");
    } else {
      assertThat(FileRights.doubt(file)).isEmpty();
    }
  }
}

package ai.realm.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;

/// A file that the user named, read as a whole: failures name it.
record UserFile(Path path) {
  byte[] bytes() throws IOException {
    if (Files.isDirectory(path)) {
      throw new FileSystemException(path.toString(), null, "expected a file, found a folder");
    }
    return Files.readAllBytes(path);
  }

  String text() throws IOException {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes())).toString();
    } catch (CharacterCodingException e) {
      FileSystemException failure =
          new FileSystemException(path.toString(), null, "expected UTF-8, found other bytes");
      failure.initCause(e);
      throw failure;
    }
  }
}

package ai.realm.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// Brings a large model file into the operating system's page cache, in order and with progress, so that
/// the first token does not wait for page faults all over the file.
final class ModelPages {
  private static final long WORTH_IT_BYTES = 64L << 20;
  private static final int CHUNK_BYTES = 8 << 20;

  private ModelPages() {}

  /// Reads the file once unless it is small, or in memory already.
  static void read(Path file, ProgressLine progress) {
    try {
      if (Files.isRegularFile(file) && Files.size(file) >= WORTH_IT_BYTES) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
          if (!isCached(channel)) {
            readAll(channel, progress);
          }
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean isCached(FileChannel channel) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment pages = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      return pages.isLoaded();
    }
  }

  private static void readAll(FileChannel channel, ProgressLine progress) throws IOException {
    ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK_BYTES);
    long size = channel.size();
    for (long done = 0; done < size; ) {
      int read = channel.read(chunk.clear(), done);
      if (read < 0) {
        return;
      }
      done += read;
      progress.update("loading", done, size);
    }
  }
}

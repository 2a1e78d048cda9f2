package ai.realm.runtime;

import java.io.EOFException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;

/// The bytes behind one tenant's layers. Used by one thread at a time.
interface LayerDisk extends AutoCloseable {
  /// Makes one for a tenant.
  interface Opener {
    LayerDisk open() throws IOException;
  }

  long length() throws IOException;

  /// Cuts off what lies behind.
  void truncate(long length) throws IOException;

  /// Reads the first `count` bytes of `to`, all of them.
  void read(long at, byte[] to, int count) throws IOException;

  /// Writes the first `count` bytes of `from`.
  void write(long at, byte[] from, int count) throws IOException;

  @Override
  void close() throws IOException;

  /// A file in `folder` that only this user can read and that has no name where the system allows that, so
  /// that it goes with the process. It is no `FileChannel`, which an interrupt of the thread that reads or
  /// writes closes for all.
  static LayerDisk inFolder(Path folder) throws IOException {
    Path path = Files.createTempFile(folder, "realm-memory64-", ".layers");
    RandomAccessFile file;
    try {
      file = new RandomAccessFile(path.toFile(), "rw");
    } catch (IOException e) {
      Files.deleteIfExists(path);
      throw e;
    }
    return new InFile(path, file, deleted(path));
  }

  private static boolean deleted(Path path) {
    try {
      Files.delete(path);
      return true;
    } catch (IOException e) {
      return false; // Open files have names here; this one's goes when it is closed.
    }
  }

  /// See [#inFolder].
  record InFile(Path path, RandomAccessFile file, boolean nameless) implements LayerDisk {
    @Override
    public long length() throws IOException {
      return file.length();
    }

    @Override
    public void truncate(long length) throws IOException {
      file.setLength(length);
    }

    @Override
    public void read(long at, byte[] to, int count) throws IOException {
      file.seek(at);
      for (int done = 0; done < count; ) {
        int n = file.read(to, done, count - done);
        if (n < 0) {
          throw new EOFException("the file ended at " + (at + done));
        }
        done += n;
      }
    }

    @Override
    public void write(long at, byte[] from, int count) throws IOException {
      file.seek(at);
      file.write(from, 0, count);
    }

    @Override
    public void close() throws IOException {
      file.close();
      if (!nameless) {
        Files.deleteIfExists(path);
      }
    }
  }
}

package ai.realm.gguf;

import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import ai.realm.tensor.Tensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/// Writes a GGUF file, version 3. The file appears as a whole or not at all: it is written under
/// another name beside its place, forced to the disk, and renamed. What a killed process left of an
/// earlier attempt is deleted.
public final class GgufWriter {
  private static final int MAX_PIECE_BYTES = 64 << 20;
  private static final String SUFFIX = ".part";

  private final Path target;
  private final Map<String, GgufValue> metadata = new LinkedHashMap<>();
  private final List<Entry> entries = new ArrayList<>();
  private final Set<String> names = new HashSet<>();

  /// Where the bytes of a tensor come from: called once, in the order of the file.
  @FunctionalInterface
  public interface TensorData {
    /// Hands over the bytes, piece by piece; together as many as the shape and the type say. A piece
    /// may be reused once `out` returns.
    void writeTo(Consumer<MemorySegment> out);
  }

  private record Entry(String name, GgmlType type, Shape shape, TensorData data) {
    long bytes() {
      return type.byteSize(shape.elements());
    }
  }

  /// @param target where the file will lie; what is there is replaced at the end
  public GgufWriter(Path target) {
    this.target = target;
  }

  /// Sets a key; a second time it replaces the value and keeps the place.
  public GgufWriter metadata(String key, GgufValue value) {
    metadata.put(key, value);
    return this;
  }

  /// Adds a tensor whose bytes are made while the file is written.
  public GgufWriter tensor(String name, GgmlType type, Shape shape, TensorData data) {
    if (!names.add(name)) {
      throw new GgufWriteException(
          "tensor %s: expected each name once, found it again".formatted(name));
    }
    if (shape.cols() % type.blockSize() != 0) {
      throw new GgufWriteException(
          "tensor %s: expected rows of a multiple of %d weights for %s, found %s"
              .formatted(name, type.blockSize(), type, shape));
    }
    entries.add(new Entry(name, type, shape, data));
    return this;
  }

  /// Adds a tensor whose bytes are there.
  public GgufWriter tensor(String name, GgmlType type, Shape shape, MemorySegment data) {
    return tensor(name, type, shape, out -> out.accept(data));
  }

  /// Adds a tensor of another file as it is.
  public GgufWriter tensor(Tensor tensor) {
    return tensor(tensor.name(), tensor.type(), tensor.shape(), tensor.data());
  }

  /// Writes the file.
  ///
  /// @throws GgufWriteException when it cannot be written; then nothing has changed
  public void write() {
    Path folder = target.toAbsolutePath().getParent();
    Path file = target.getFileName();
    if (folder == null || file == null) {
      throw new GgufWriteException("model file " + target + ": expected a file name, found none");
    }
    try {
      deleteAbandoned(folder, file);
      Path temporary = folder.resolve(prefix(file) + Long.toHexString(System.nanoTime()) + SUFFIX);
      try (FileChannel channel =
          FileChannel.open(temporary, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW)) {
        // Held until the file has its name: who finds it unlocked knows that its writer died.
        if (channel.tryLock() == null) {
          throw new IOException("cannot lock " + temporary);
        }
        writeTo(channel);
        move(temporary, target);
      } finally {
        Files.deleteIfExists(temporary);
      }
      forceDirectory(folder);
    } catch (IOException | UncheckedIOException e) {
      throw new GgufWriteException(
          "model file %s: expected to write it, found: %s".formatted(target, e.getMessage()), e);
    }
  }

  /// Makes the new name last, where a directory can be opened: not on Windows.
  private static void forceDirectory(Path folder) throws IOException {
    if (folder.getFileSystem().supportedFileAttributeViews().contains("posix")) {
      try (FileChannel directory = FileChannel.open(folder, StandardOpenOption.READ)) {
        directory.force(true);
      }
    }
  }

  private static String prefix(Path file) {
    return "." + file + ".";
  }

  /// Deletes what writers of the same file left when their processes were killed.
  private static void deleteAbandoned(Path folder, Path file) throws IOException {
    try (DirectoryStream<Path> parts =
        Files.newDirectoryStream(
            folder,
            path -> {
              String name = String.valueOf(path.getFileName());
              return name.startsWith(prefix(file)) && name.endsWith(SUFFIX);
            })) {
      for (Path part : parts) {
        try (FileChannel channel = FileChannel.open(part, StandardOpenOption.WRITE);
            FileLock lock = channel.tryLock()) {
          if (lock != null) {
            Files.deleteIfExists(part);
          }
        } catch (OverlappingFileLockException | NoSuchFileException e) {
          // Another thread of this process writes it, or has just finished.
          continue;
        }
      }
    }
  }

  private static void move(Path from, Path to) throws IOException {
    try {
      Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException e) {
      throw new IOException("the file system cannot rename atomically", e);
    }
  }

  private void writeTo(FileChannel channel) throws IOException {
    long alignment = alignment();
    write(channel, MemorySegment.ofArray(directory(alignment)));
    pad(channel, alignment);
    for (Entry entry : entries) {
      long start = channel.position();
      entry.data.writeTo(piece -> write(channel, piece));
      long written = channel.position() - start;
      if (written != entry.bytes()) {
        throw new GgufWriteException(
            "tensor %s: expected %d bytes, found %d".formatted(entry.name, entry.bytes(), written));
      }
      pad(channel, alignment);
    }
    channel.force(true);
  }

  private static void write(FileChannel channel, MemorySegment bytes) {
    try {
      for (long from = 0; from < bytes.byteSize(); from += MAX_PIECE_BYTES) {
        long n = Math.min(MAX_PIECE_BYTES, bytes.byteSize() - from);
        ByteBuffer piece = bytes.asSlice(from, n).asByteBuffer();
        while (piece.hasRemaining()) {
          channel.write(piece);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void pad(FileChannel channel, long alignment) throws IOException {
    long over = channel.position() % alignment;
    if (over != 0) {
      write(channel, MemorySegment.ofArray(new byte[(int) (alignment - over)]));
    }
  }

  private long alignment() {
    GgufValue value = metadata.get("general.alignment");
    long alignment =
        value == null
            ? GgufReader.DEFAULT_ALIGNMENT
            : value instanceof GgufValue.U32 u ? u.toLong() : -1;
    if (alignment < 8 || alignment > GgufReader.MAX_ALIGNMENT || Long.bitCount(alignment) != 1) {
      throw new GgufWriteException(
          "key general.alignment: expected a power of two from 8 to %d as u32, found %s"
              .formatted(GgufReader.MAX_ALIGNMENT, value));
    }
    return alignment;
  }

  private byte[] directory(long alignment) {
    Directory out = new Directory();
    out.u32(GgufReader.MAGIC);
    out.u32(3);
    out.u64(entries.size());
    out.u64(metadata.size());
    for (Map.Entry<String, GgufValue> pair : metadata.entrySet()) {
      out.string(pair.getKey());
      out.typedValue(pair.getValue());
    }
    long offset = 0;
    for (Entry entry : entries) {
      out.string(entry.name);
      out.u32(entry.shape.dimensions());
      for (int d = 0; d < entry.shape.dimensions(); d++) {
        out.u64(entry.shape.ne(d));
      }
      out.u32(entry.type.id());
      out.u64(offset);
      offset = Math.addExact(offset, (entry.bytes() + alignment - 1) / alignment * alignment);
    }
    return out.toByteArray();
  }

  /// Header, metadata and tensor directory, little-endian.
  private static final class Directory {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    byte[] toByteArray() {
      return bytes.toByteArray();
    }

    private ByteBuffer fresh(int n) {
      return ByteBuffer.allocate(n).order(ByteOrder.LITTLE_ENDIAN);
    }

    void u16(short value) {
      bytes.writeBytes(fresh(2).putShort(value).array());
    }

    void u32(int value) {
      bytes.writeBytes(fresh(4).putInt(value).array());
    }

    void u64(long value) {
      bytes.writeBytes(fresh(8).putLong(value).array());
    }

    void string(String text) {
      byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
      u64(utf8.length);
      bytes.writeBytes(utf8);
    }

    void typedValue(GgufValue value) {
      switch (value) {
        case GgufValue.U8 v -> tag(GgufReader.U8).write(v.value());
        case GgufValue.I8 v -> tag(GgufReader.I8).write(v.value());
        case GgufValue.U16 v -> {
          tag(GgufReader.U16);
          u16(v.value());
        }
        case GgufValue.I16 v -> {
          tag(GgufReader.I16);
          u16(v.value());
        }
        case GgufValue.U32 v -> {
          tag(GgufReader.U32);
          u32(v.value());
        }
        case GgufValue.I32 v -> {
          tag(GgufReader.I32);
          u32(v.value());
        }
        case GgufValue.F32 v -> {
          tag(GgufReader.F32);
          u32(Float.floatToRawIntBits(v.value()));
        }
        case GgufValue.Bool v -> tag(GgufReader.BOOL).write(v.value() ? 1 : 0);
        case GgufValue.Str v -> {
          tag(GgufReader.STRING);
          string(v.value());
        }
        case GgufValue.Arr v -> {
          tag(GgufReader.ARRAY);
          array(v.value());
        }
        case GgufValue.U64 v -> {
          tag(GgufReader.U64);
          u64(v.value());
        }
        case GgufValue.I64 v -> {
          tag(GgufReader.I64);
          u64(v.value());
        }
        case GgufValue.F64 v -> {
          tag(GgufReader.F64);
          u64(Double.doubleToRawLongBits(v.value()));
        }
      }
    }

    private ByteArrayOutputStream tag(int type) {
      u32(type);
      return bytes;
    }

    private void array(GgufArray array) {
      u32(array.elementType());
      u64(array.size());
      ByteBuffer data = array.data();
      byte[] copy = new byte[data.remaining()];
      data.get(copy);
      bytes.writeBytes(copy);
    }
  }
}

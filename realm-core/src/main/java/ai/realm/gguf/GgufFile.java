package ai.realm.gguf;

import ai.realm.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A GGUF model, mapped into memory: one file, or the parts of a split one, named
/// `NAME-00001-of-0000N.gguf`. Tensors are views of the mapping; closing the file ends them, and an
/// access afterwards throws.
public final class GgufFile implements AutoCloseable {
  private static final long COPY_BYTES = 64 << 20;

  /// A cache line, as kernels like it.
  private static final long COPY_ALIGNMENT = 64;

  private final Path path;
  private final Arena arena;
  private final List<MemorySegment> parts;
  private final List<Part> files;
  private final GgufMetadata metadata;
  private final List<TensorInfo> tensors;
  private final Map<String, TensorInfo> byName;
  private final int version;

  /// One file of a model.
  ///
  /// @param path where it lies
  /// @param stamp what it was when it was opened
  public record Part(Path path, FileStamp stamp) {}

  private GgufFile(
      Path path, Arena arena, List<MemorySegment> parts, List<Part> files, GgufReader first) {
    this.path = path;
    this.arena = arena;
    this.parts = parts;
    this.files = List.copyOf(files);
    this.metadata = GgufMetadata.of(first.metadata);
    this.tensors = Collections.unmodifiableList(first.tensors);
    this.version = first.version;
    this.byName = HashMap.newHashMap(tensors.size());
    for (TensorInfo t : tensors) {
      if (byName.put(t.name(), t) != null) {
        throw new GgufFormatException(
            "model file %s: expected each tensor in one part, found %s in two"
                .formatted(path, t.name()));
      }
    }
  }

  /// Maps a file and reads its directory; no tensor data is touched. For a split model `path` is its
  /// first part, and the others must lie beside it.
  ///
  /// @throws GgufFormatException when it is no regular readable file, or malformed
  public static GgufFile open(Path path) {
    return open(path, GgufFile::map);
  }

  /// The same over a copy in memory: for a file that somebody may shorten or rewrite while it is used.
  /// A mapped file that is cut is an `InternalError` for who reads it, and takes the process down where native
  /// or vector code does.
  ///
  /// @throws GgufFormatException when it is no regular readable file, malformed, or changes meanwhile
  public static GgufFile openCopied(Path path) {
    return open(path, GgufFile::copy);
  }

  /// Brings a file into memory.
  private interface Source {
    MemorySegment read(FileChannel channel, long size, Arena arena) throws IOException;
  }

  private static MemorySegment map(FileChannel channel, long size, Arena arena) throws IOException {
    return channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
  }

  private static MemorySegment copy(FileChannel channel, long size, Arena arena)
      throws IOException {
    MemorySegment memory = allocate(size, arena);
    for (long at = 0; at < size; ) {
      ByteBuffer piece = memory.asSlice(at, Math.min(COPY_BYTES, size - at)).asByteBuffer();
      int n = channel.read(piece, at);
      if (n < 0) {
        throw new GgufFormatException(
            "end of the file: expected it at offset %d, found it at %d".formatted(size, at));
      }
      at += n;
    }
    return memory.asReadOnly();
  }

  private static MemorySegment allocate(long size, Arena arena) {
    try {
      return arena.allocate(size, COPY_ALIGNMENT);
    } catch (OutOfMemoryError e) {
      throw new GgufFormatException(
          "expected memory for a copy of %d bytes, found too little".formatted(size), e);
    }
  }

  private static GgufFile open(Path path, Source source) {
    Arena arena = Arena.ofShared();
    try {
      List<MemorySegment> parts = new ArrayList<>();
      List<Part> files = new ArrayList<>();
      GgufReader first = read(path, 0, source, arena, parts, files);
      SplitModel split = SplitModel.of(path, first);
      for (int part = 1; part < split.parts(); part++) {
        GgufReader next = read(split.path(part), part, source, arena, parts, files);
        split.check(part, next);
        first.tensors.addAll(next.tensors);
      }
      split.checkTensors(first.tensors.size());
      return new GgufFile(path, arena, parts, files, first);
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  private static GgufReader read(
      Path path,
      int part,
      Source source,
      Arena arena,
      List<MemorySegment> parts,
      List<Part> files) {
    if (!Files.isRegularFile(path)) {
      throw new GgufFormatException(
          "model file %s: expected a regular file, found %s".formatted(path, kind(path)));
    }
    try {
      return read(path, part, source, arena, parts, files, FileStamp.of(path));
    } catch (GgufFormatException e) {
      throw new GgufFormatException("model file " + path + ": " + e.getMessage(), e);
    } catch (InternalError e) {
      // A page of the mapped file is not there any more.
      throw new GgufFormatException(
          "model file " + path + ": expected a file that stays as it is, found it shortened", e);
    } catch (IOException e) {
      throw new GgufFormatException(
          "model file " + path + ": expected a readable file, found: " + e.getMessage(), e);
    }
  }

  private static GgufReader read(
      Path path,
      int part,
      Source source,
      Arena arena,
      List<MemorySegment> parts,
      List<Part> files,
      FileStamp stamp)
      throws IOException {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      long size = channel.size();
      MemorySegment whole = size == 0 ? MemorySegment.NULL : source.read(channel, size, arena);
      MemorySegment directory = whole.asSlice(0, Math.min(size, GgufInput.MAX_DIRECTORY_BYTES));
      GgufReader reader = new GgufReader(new GgufInput(directory.asByteBuffer(), size), part);
      reader.read();
      parts.add(whole);
      // Equal before and after: the stamp is that of the file that was opened.
      FileStamp after = FileStamp.of(path);
      if (!after.equals(stamp)) {
        throw new GgufFormatException(
            "expected a file that stays as it is, found %s and then %s".formatted(stamp, after));
      }
      files.add(new Part(path, stamp));
      return reader;
    }
  }

  private static String kind(Path path) {
    if (Files.isDirectory(path)) {
      return "a directory";
    }
    try {
      return Files.readAttributes(path, java.nio.file.attribute.BasicFileAttributes.class).isOther()
          ? "a special file"
          : "none";
    } catch (NoSuchFileException e) {
      return Files.isSymbolicLink(path) ? "a link to nothing" : "none";
    } catch (IOException e) {
      return "none that can be read: " + e.getMessage();
    }
  }

  /// The key-value pairs; those of the first part of a split model.
  public GgufMetadata metadata() {
    return metadata;
  }

  /// The tensor directory, in the file's order.
  public List<TensorInfo> tensors() {
    return tensors;
  }

  /// The tensor called `name`, over the mapped file.
  ///
  /// @throws GgufFormatException when the file has none
  public Tensor tensor(String name) {
    TensorInfo t = byName.get(name);
    if (t == null) {
      throw new GgufFormatException(
          "model file %s: expected a tensor %s, found none".formatted(path, name));
    }
    return view(t);
  }

  /// The tensor called `name`, if the file has it.
  public Optional<Tensor> findTensor(String name) {
    TensorInfo t = byName.get(name);
    return t == null ? Optional.empty() : Optional.of(view(t));
  }

  private Tensor view(TensorInfo t) {
    MemorySegment data = parts.get(t.part()).asSlice(t.offset(), t.byteSize());
    return new Tensor(t.name(), t.type(), t.shape(), data);
  }

  /// Where the file lies; of a split model the first part.
  public Path path() {
    return path;
  }

  /// The files that the model lies in, each as it was when it was opened.
  public List<Part> parts() {
    return files;
  }

  /// Bytes of the file, or of all parts.
  public long byteSize() {
    long bytes = 0;
    for (MemorySegment part : parts) {
      bytes += part.byteSize();
    }
    return bytes;
  }

  /// Version of the format: 2 or 3.
  public int version() {
    return version;
  }

  /// Unmaps the file; a second time it does nothing.
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}

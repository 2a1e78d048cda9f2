package ai.realm.gguf;

import ai.realm.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A GGUF model file, mapped into memory. Tensors are views of the mapping; closing the file ends
/// them, and an access afterwards throws.
public final class GgufFile implements AutoCloseable {
  private final Path path;
  private final Arena arena;
  private final MemorySegment mapping;
  private final GgufMetadata metadata;
  private final List<TensorInfo> tensors;
  private final Map<String, TensorInfo> byName;
  private final int version;

  private GgufFile(Path path, Arena arena, MemorySegment mapping, GgufReader reader) {
    this.path = path;
    this.arena = arena;
    this.mapping = mapping;
    this.metadata = GgufMetadata.of(reader.metadata);
    this.tensors = Collections.unmodifiableList(reader.tensors);
    this.version = reader.version;
    this.byName = HashMap.newHashMap(tensors.size());
    for (TensorInfo t : tensors) {
      byName.put(t.name(), t);
    }
  }

  /// Maps a file and reads its directory; no tensor data is touched.
  ///
  /// @throws GgufFormatException when it is no regular readable file, or malformed
  public static GgufFile open(Path path) {
    if (!Files.isRegularFile(path)) {
      throw new GgufFormatException(
          "model file %s: expected a regular file, found %s"
              .formatted(path, Files.isDirectory(path) ? "a directory" : kind(path)));
    }
    Arena arena = Arena.ofShared();
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      MemorySegment mapping =
          channel.size() == 0
              ? MemorySegment.NULL
              : channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      GgufReader reader = new GgufReader(mapping, 0);
      reader.read();
      return new GgufFile(path, arena, mapping, reader);
    } catch (GgufFormatException e) {
      arena.close();
      throw new GgufFormatException("model file " + path + ": " + e.getMessage(), e);
    } catch (NoSuchFileException e) {
      arena.close();
      throw new GgufFormatException("model file " + path + ": expected a file, found none", e);
    } catch (IOException e) {
      arena.close();
      throw new GgufFormatException(
          "model file " + path + ": expected a readable file, found: " + e.getMessage(), e);
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  private static String kind(Path path) {
    return Files.exists(path) ? "a special file" : "none";
  }

  /// The key-value pairs.
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
    return Optional.ofNullable(byName.get(name)).map(this::view);
  }

  private Tensor view(TensorInfo t) {
    return new Tensor(t.name(), t.type(), t.shape(), mapping.asSlice(t.offset(), t.byteSize()));
  }

  /// Where the file lies.
  public Path path() {
    return path;
  }

  /// Bytes of the file.
  public long byteSize() {
    return mapping.byteSize();
  }

  /// Version of the format: 2 or 3.
  public int version() {
    return version;
  }

  /// Unmaps the file.
  @Override
  public void close() {
    arena.close();
  }
}

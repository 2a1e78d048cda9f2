package ai.realm.quantize;

import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufFormatException;
import ai.realm.gguf.TensorInfo;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// How much an error in each column of each tensor matters: mean squares of the activations that a
/// text gave rise to, as `llama-imatrix` writes them. Two forms are read, little-endian:
///
/// ```
/// .dat:  n i32 | n × (name length i32, name, calls i32, n_values i32, f32 × n_values)
///        | chunks i32 | length i32 | name of the text     (the last three may be missing)
/// GGUF:  tensors NAME.in_sum2 and NAME.counts, F32
/// ```
public final class ImportanceMatrix {
  private static final int MAX_NAME_BYTES = 1024;

  private final Path path;
  private final Map<String, float[]> columns;
  private final int chunks;
  private final String text;

  private ImportanceMatrix(Path path, Map<String, float[]> columns, int chunks, String text) {
    this.path = path;
    this.columns = columns;
    this.chunks = chunks;
    this.text = text;
  }

  /// Reads a file.
  ///
  /// @throws GgufFormatException when it is none or malformed
  public static ImportanceMatrix open(Path path) {
    if (!Files.isRegularFile(path)) {
      throw new GgufFormatException(
          "importance matrix %s: expected a regular file, found none".formatted(path));
    }
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      long size = channel.size();
      if (size < 8 || size > Integer.MAX_VALUE) {
        throw new GgufFormatException(
            "importance matrix %s: expected 8 bytes to 2 GiB, found %d".formatted(path, size));
      }
      ByteBuffer in = channel.map(FileChannel.MapMode.READ_ONLY, 0, size);
      in.order(ByteOrder.LITTLE_ENDIAN);
      ImportanceMatrix matrix = in.getInt(0) == 0x46554747 ? readGguf(path) : readDat(path, in);
      matrix.checkFinite();
      return matrix;
    } catch (BufferUnderflowException e) {
      throw new GgufFormatException(
          "importance matrix %s: expected more, found the end of the file".formatted(path), e);
    } catch (IOException e) {
      throw new GgufFormatException(
          "importance matrix %s: expected a readable file, found: %s"
              .formatted(path, e.getMessage()),
          e);
    }
  }

  private static ImportanceMatrix readDat(Path path, ByteBuffer in) {
    Map<String, float[]> columns = new LinkedHashMap<>();
    int n = count(path, in, "entries", 13);
    for (int i = 0; i < n; i++) {
      String name = name(path, in);
      int calls = in.getInt();
      float[] values = new float[count(path, in, "values of " + name, 4)];
      for (int j = 0; j < values.length; j++) {
        float v = in.getFloat();
        values[j] = calls > 0 ? v / calls : v;
      }
      columns.put(name, values);
    }
    int chunks = in.hasRemaining() ? in.getInt() : 0;
    String text = in.hasRemaining() ? name(path, in) : "";
    return new ImportanceMatrix(path, columns, chunks, text);
  }

  private static int count(Path path, ByteBuffer in, String what, int minBytes) {
    int n = in.getInt();
    if (n < 1 || n > in.remaining() / minBytes) {
      throw new GgufFormatException(
          "importance matrix %s, %s at offset %d: expected 1 to %d, found %d"
              .formatted(path, what, in.position() - 4, in.remaining() / minBytes, n));
    }
    return n;
  }

  private static String name(Path path, ByteBuffer in) {
    int n = in.getInt();
    if (n < 0 || n > Math.min(in.remaining(), MAX_NAME_BYTES)) {
      throw new GgufFormatException(
          "importance matrix %s, length of a name at offset %d: expected 0 to %d, found %d"
              .formatted(path, in.position() - 4, Math.min(in.remaining(), MAX_NAME_BYTES), n));
    }
    byte[] utf8 = new byte[n];
    in.get(utf8);
    return new String(utf8, StandardCharsets.UTF_8);
  }

  private static ImportanceMatrix readGguf(Path path) {
    try (GgufFile gguf = GgufFile.open(path)) {
      Map<String, float[]> columns = new LinkedHashMap<>();
      for (TensorInfo t : gguf.tensors()) {
        if (t.name().endsWith(".in_sum2")) {
          String name = t.name().substring(0, t.name().length() - ".in_sum2".length());
          float[] sums = floats(gguf.tensor(t.name()));
          float[] counts = floats(gguf.tensor(name + ".counts"));
          int row = sums.length / counts.length;
          for (int i = 0; i < sums.length; i++) {
            float calls = counts[Math.min(i / row, counts.length - 1)];
            sums[i] = calls > 0 ? sums[i] / calls : 1;
          }
          columns.put(name, sums);
        }
      }
      int chunks = gguf.metadata().int32("imatrix.chunk_count", 0);
      return new ImportanceMatrix(path, columns, chunks, "");
    }
  }

  private static float[] floats(Tensor tensor) {
    if (tensor.type() != GgmlType.F32) {
      throw new GgufFormatException(
          "importance matrix, tensor %s: expected F32, found %s"
              .formatted(tensor.name(), tensor.type()));
    }
    return tensor
        .data()
        .toArray(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN));
  }

  private void checkFinite() {
    for (Map.Entry<String, float[]> entry : columns.entrySet()) {
      for (float v : entry.getValue()) {
        if (!Float.isFinite(v)) {
          throw new GgufFormatException(
              "importance matrix %s, values of %s: expected finite numbers, found %s"
                  .formatted(path, entry.getKey(), v));
        }
      }
    }
  }

  /// Importances of the columns of a tensor, one matrix (expert) after another; none if unknown.
  float @Nullable [] columns(String tensor) {
    return columns.get(tensor);
  }

  /// How many tensors it knows.
  public int size() {
    return columns.size();
  }

  /// How many chunks of text it was made from, 0 if unknown.
  public int chunks() {
    return chunks;
  }

  /// Name of the text, empty if unknown.
  public String text() {
    return text;
  }

  /// The file.
  public Path path() {
    return path;
  }
}

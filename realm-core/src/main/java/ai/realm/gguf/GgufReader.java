package ai.realm.gguf;

import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Reads header, metadata and tensor directory of a GGUF file, versions 2 and 3, little-endian.
///
/// ```
/// magic "GGUF" | version u32 | n_tensors u64 | n_kv u64
/// n_kv ×      key string | type u32 | value
/// n_tensors × name string | n_dims u32 | ne u64 × n_dims | type u32 | offset u64
/// padding to general.alignment (32) | tensor data
/// ```
/// A string is a u64 length and that many bytes; an array an element type u32, a u64 count and the
/// elements. See ggml/docs/gguf.md. Every length is compared with what remains of the file before
/// anything is allocated for it.
final class GgufReader {
  static final int U8 = 0;
  static final int I8 = 1;
  static final int U16 = 2;
  static final int I16 = 3;
  static final int U32 = 4;
  static final int I32 = 5;
  static final int F32 = 6;
  static final int BOOL = 7;
  static final int STRING = 8;
  static final int ARRAY = 9;
  static final int U64 = 10;
  static final int I64 = 11;
  static final int F64 = 12;

  private static final int MAGIC = 0x46554747;
  private static final int MAX_NAME_BYTES = 65_535;
  private static final int MAX_NESTING = 4;

  /// A key, a type and the shortest value.
  private static final int MIN_KV_BYTES = 8 + 4 + 1;

  /// A name, one dimension, a type and an offset.
  private static final int MIN_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8;

  private final MemorySegment file;
  private final long size;
  private final int part;
  private long at;

  final Map<String, GgufValue> metadata = new LinkedHashMap<>();
  final List<TensorInfo> tensors = new ArrayList<>();
  int version;

  GgufReader(MemorySegment file, int part) {
    this.file = file;
    this.size = file.byteSize();
    this.part = part;
  }

  static String typeName(int type) {
    return switch (type) {
      case U8 -> "u8";
      case I8 -> "i8";
      case U16 -> "u16";
      case I16 -> "i16";
      case U32 -> "u32";
      case I32 -> "i32";
      case F32 -> "f32";
      case BOOL -> "bool";
      case STRING -> "string";
      case ARRAY -> "array";
      case U64 -> "u64";
      case I64 -> "i64";
      case F64 -> "f64";
      default -> "type " + Integer.toUnsignedString(type);
    };
  }

  void read() {
    if (size < 24) {
      throw new GgufFormatException(
          "header at offset 0: expected at least 24 bytes, found a file of " + size);
    }
    int magic = u32("magic");
    if (magic != MAGIC) {
      throw new GgufFormatException(
          "magic at offset 0: expected \"GGUF\", found 0x" + Integer.toHexString(magic));
    }
    version = u32("version");
    if (version != 2 && version != 3) {
      boolean swapped = Integer.reverseBytes(version) == 2 || Integer.reverseBytes(version) == 3;
      throw new GgufFormatException(
          "version at offset 4: expected 2 or 3, found "
              + (swapped ? "a big-endian file" : Integer.toUnsignedString(version)));
    }
    long nTensors = count("n_tensors", MIN_TENSOR_BYTES);
    long nKv = count("n_kv", MIN_KV_BYTES);
    for (long i = 0; i < nKv; i++) {
      readPair(i);
    }
    Set<String> names = new HashSet<>();
    for (long i = 0; i < nTensors; i++) {
      tensors.add(readTensor(i, names));
    }
    placeTensors(alignment());
  }

  private void readPair(long i) {
    long start = at;
    String key = name("key " + i);
    GgufValue value = readValue(key, u32(key));
    if (metadata.put(key, value) != null) {
      throw new GgufFormatException("key at offset " + start + ": found \"" + key + "\" twice");
    }
  }

  private GgufValue readValue(String key, int type) {
    return switch (type) {
      case U8 -> new GgufValue.U8(u8(key));
      case I8 -> new GgufValue.I8(u8(key));
      case U16 -> new GgufValue.U16(u16(key));
      case I16 -> new GgufValue.I16(u16(key));
      case U32 -> new GgufValue.U32(u32(key));
      case I32 -> new GgufValue.I32(u32(key));
      case F32 -> new GgufValue.F32(Float.intBitsToFloat(u32(key)));
      case BOOL -> new GgufValue.Bool(bool(key));
      case STRING -> new GgufValue.Str(utf8(key, size));
      case ARRAY -> new GgufValue.Arr(readArray(key, 1));
      case U64 -> new GgufValue.U64(u64(key));
      case I64 -> new GgufValue.I64(u64(key));
      case F64 -> new GgufValue.F64(Double.longBitsToDouble(u64(key)));
      default ->
          throw new GgufFormatException(
              "type of key %s at offset %d: expected 0 to 12, found %s"
                  .formatted(key, at - 4, Integer.toUnsignedString(type)));
    };
  }

  private GgufArray readArray(String key, int depth) {
    int type = u32(key);
    long countAt = at;
    long n = u64(key);
    int minBytes =
        switch (type) {
          case U8, I8, BOOL -> 1;
          case U16, I16 -> 2;
          case U32, I32, F32 -> 4;
          case STRING, U64, I64, F64 -> 8;
          case ARRAY -> 12;
          default ->
              throw new GgufFormatException(
                  "element type of key %s at offset %d: expected 0 to 12, found %s"
                      .formatted(key, countAt - 4, Integer.toUnsignedString(type)));
        };
    if (n < 0 || n > (size - at) / minBytes || n > Integer.MAX_VALUE - 8) {
      throw new GgufFormatException(
          "length of key %s at offset %d: expected at most %d elements in what remains, found %s"
              .formatted(key, countAt, (size - at) / minBytes, Long.toUnsignedString(n)));
    }
    int count = (int) n;
    long start = at;
    if (type == ARRAY) {
      if (depth == MAX_NESTING) {
        throw new GgufFormatException(
            "key %s at offset %d: expected arrays nested at most %d deep"
                .formatted(key, countAt, MAX_NESTING));
      }
      List<GgufArray> nested = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        nested.add(readArray(key, depth + 1));
      }
      return new GgufArray(type, count, file.asSlice(start, at - start), new int[0], nested);
    }
    if (type == STRING) {
      return readStrings(key, count, start);
    }
    at += (long) count * minBytes;
    if (type == BOOL) {
      for (int i = 0; i < count; i++) {
        checkBool(key, start + i);
      }
    }
    return new GgufArray(type, count, file.asSlice(start, at - start), new int[0], List.of());
  }

  private GgufArray readStrings(String key, int count, long start) {
    int[] offsets = new int[count + 1];
    for (int i = 0; i < count; i++) {
      offsets[i] = (int) (at - start);
      long bytes = length(key);
      at += bytes;
      if (at - start > Integer.MAX_VALUE) {
        throw new GgufFormatException(
            "key %s at offset %d: expected less than 2 GiB of strings".formatted(key, start));
      }
    }
    offsets[count] = (int) (at - start);
    return new GgufArray(STRING, count, file.asSlice(start, at - start), offsets, List.of());
  }

  private TensorInfo readTensor(long i, Set<String> names) {
    long start = at;
    String name = name("name of tensor " + i);
    if (!names.add(name)) {
      throw new GgufFormatException("tensor at offset " + start + ": found \"" + name + "\" twice");
    }
    String place = "tensor " + name;
    int dims = u32(place);
    if (dims < 1 || dims > Shape.MAX_DIMENSIONS) {
      throw new GgufFormatException(
          "n_dims of tensor %s at offset %d: expected 1 to 4, found %s"
              .formatted(name, at - 4, Integer.toUnsignedString(dims)));
    }
    long shapeAt = at;
    long[] ne = new long[dims];
    for (int d = 0; d < dims; d++) {
      ne[d] = u64(place);
    }
    int typeId = u32(place);
    GgmlType type = type(name, typeId);
    long offset = u64(place);
    try {
      Shape shape = Shape.of(ne);
      if (shape.cols() % type.blockSize() != 0) {
        throw new IllegalArgumentException(
            "expected rows of a multiple of %d weights for %s, found %s"
                .formatted(type.blockSize(), type, shape));
      }
      type.byteSize(shape.elements());
      return new TensorInfo(name, type, shape, offset, part);
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw new GgufFormatException(
          "shape of tensor %s at offset %d: %s".formatted(name, shapeAt, e.getMessage()), e);
    }
  }

  private GgmlType type(String name, int id) {
    for (GgmlType type : GgmlType.values()) {
      if (type.id() == id) {
        return type;
      }
    }
    throw new GgufFormatException(
        "type of tensor %s at offset %d: expected a known ggml type, found %s"
            .formatted(name, at - 4, Integer.toUnsignedString(id)));
  }

  private long alignment() {
    GgufValue value = metadata.get("general.alignment");
    if (value == null) {
      return 32;
    }
    long alignment = value instanceof GgufValue.U32 u ? Integer.toUnsignedLong(u.value()) : -1;
    if (alignment < 8 || alignment > 1 << 20 || Long.bitCount(alignment) != 1) {
      throw new GgufFormatException(
          "general.alignment: expected a power of two from 8 to 1048576 as u32, found "
              + (alignment < 0 ? value.typeName() : alignment));
    }
    return alignment;
  }

  /// Turns offsets into the data section into offsets into the file, and checks that every tensor lies
  /// inside it and that none overlap.
  private void placeTensors(long alignment) {
    long data = (at + alignment - 1) / alignment * alignment;
    List<TensorInfo> order = new ArrayList<>();
    for (int i = 0; i < tensors.size(); i++) {
      TensorInfo t = tensors.get(i);
      long offset = t.offset();
      if (offset < 0 || offset % alignment != 0) {
        throw new GgufFormatException(
            "offset of tensor %s: expected a multiple of %d, found %s"
                .formatted(t.name(), alignment, Long.toUnsignedString(offset)));
      }
      if (offset > size - data || t.byteSize() > size - data - offset) {
        throw new GgufFormatException(
            "tensor %s: expected %d bytes of data at offset %s, found a file of %d bytes"
                .formatted(t.name(), t.byteSize(), Long.toUnsignedString(data + offset), size));
      }
      TensorInfo placed = new TensorInfo(t.name(), t.type(), t.shape(), data + offset, part);
      tensors.set(i, placed);
      order.add(placed);
    }
    order.sort((a, b) -> Long.compare(a.offset(), b.offset()));
    for (int i = 1; i < order.size(); i++) {
      TensorInfo before = order.get(i - 1);
      if (before.offset() + before.byteSize() > order.get(i).offset()) {
        throw new GgufFormatException(
            "tensor %s at offset %d: found its data overlapping that of %s"
                .formatted(order.get(i).name(), order.get(i).offset(), before.name()));
      }
    }
  }

  // ---- primitives
  // ---------------------------------------------------------------------------------

  private long take(String field, int bytes) {
    if (size - at < bytes) {
      throw new GgufFormatException(
          "%s at offset %d: expected %d bytes, found %d before the end of the file"
              .formatted(field, at, bytes, size - at));
    }
    long start = at;
    at += bytes;
    return start;
  }

  private byte u8(String field) {
    return file.get(ValueLayout.JAVA_BYTE, take(field, 1));
  }

  private short u16(String field) {
    return file.get(GgufArray.SHORT, take(field, 2));
  }

  private int u32(String field) {
    return file.get(GgufArray.INT, take(field, 4));
  }

  private long u64(String field) {
    return file.get(GgufArray.LONG, take(field, 8));
  }

  private boolean bool(String key) {
    return checkBool(key, take(key, 1));
  }

  private boolean checkBool(String key, long offset) {
    byte value = file.get(ValueLayout.JAVA_BYTE, offset);
    if (value != 0 && value != 1) {
      throw new GgufFormatException(
          "bool of key %s at offset %d: expected 0 or 1, found %d"
              .formatted(key, offset, value & 0xff));
    }
    return value == 1;
  }

  private long count(String field, int minBytes) {
    long n = u64(field);
    long most = (size - 24) / minBytes;
    if (n < 0 || n > most) {
      throw new GgufFormatException(
          "%s at offset %d: expected at most %d in a file of %d bytes, found %s"
              .formatted(field, at - 8, most, size, Long.toUnsignedString(n)));
    }
    return n;
  }

  private long length(String field) {
    long n = u64(field);
    if (n < 0 || n > size - at) {
      throw new GgufFormatException(
          "string length of %s at offset %d: expected at most the %d bytes that remain, found %s"
              .formatted(field, at - 8, size - at, Long.toUnsignedString(n)));
    }
    return n;
  }

  private String name(String field) {
    long start = at;
    String name = utf8(field, MAX_NAME_BYTES);
    if (name.isEmpty() || name.indexOf('\0') >= 0) {
      throw new GgufFormatException(
          "%s at offset %d: expected a name, found %s"
              .formatted(field, start, name.isEmpty() ? "an empty string" : "a NUL character"));
    }
    return name;
  }

  private String utf8(String field, long maxBytes) {
    long start = at;
    long n = length(field);
    if (n > maxBytes || n > Integer.MAX_VALUE - 8) {
      throw new GgufFormatException(
          "string length of %s at offset %d: expected at most %d bytes, found %d"
              .formatted(field, start, Math.min(maxBytes, Integer.MAX_VALUE - 8), n));
    }
    byte[] bytes = file.asSlice(at, n).toArray(ValueLayout.JAVA_BYTE);
    at += n;
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPORT)
          .onUnmappableCharacter(CodingErrorAction.REPORT)
          .decode(java.nio.ByteBuffer.wrap(bytes))
          .toString();
    } catch (CharacterCodingException e) {
      throw new GgufFormatException(
          "string of %s at offset %d: expected UTF-8, found malformed bytes"
              .formatted(field, start),
          e);
    }
  }
}

package ai.realm.gguf;

import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
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

  static final int MAGIC = 0x46554747;
  static final int HEADER_BYTES = 24;
  static final int DEFAULT_ALIGNMENT = 32;
  static final int MAX_ALIGNMENT = 1 << 20;
  static final int MAX_KEY_BYTES = 65_535;
  static final int MAX_TENSOR_NAME_BYTES = 1024;

  private static final int MAX_NESTING = 4;

  /// A key, a type and the shortest value.
  private static final int MIN_KV_BYTES = 8 + 4 + 1;

  /// A name, one dimension, a type and an offset.
  private static final int MIN_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8;

  // What an entry takes on the heap, about, apart from its text.
  private static final int KV_HEAP_BYTES = 128;
  private static final int TENSOR_HEAP_BYTES = 256;
  private static final int ARRAY_HEAP_BYTES = 128;

  private final GgufInput in;
  private final int part;

  final Map<String, GgufValue> metadata = new LinkedHashMap<>();
  final List<TensorInfo> tensors = new ArrayList<>();
  int version;

  /// @param part which file of a split model this is, from 0
  GgufReader(GgufInput in, int part) {
    this.in = in;
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
    if (in.fileSize() < HEADER_BYTES) {
      throw new GgufFormatException(
          "header at offset 0: expected at least 24 bytes, found a file of " + in.fileSize());
    }
    int magic = in.u32("magic");
    if (magic != MAGIC) {
      throw new GgufFormatException(
          "magic at offset 0: expected \"GGUF\", found 0x%08x".formatted(magic));
    }
    version = in.u32("version");
    if (version != 2 && version != 3) {
      boolean swapped = Integer.reverseBytes(version) == 2 || Integer.reverseBytes(version) == 3;
      throw new GgufFormatException(
          "version at offset 4: expected 2 or 3, found "
              + (swapped ? "a big-endian file" : Integer.toUnsignedString(version)));
    }
    int nTensors = in.count("n_tensors", MIN_TENSOR_BYTES, Integer.MAX_VALUE);
    int nKv = in.count("n_kv", MIN_KV_BYTES, Integer.MAX_VALUE);
    for (int i = 0; i < nKv; i++) {
      readPair(i);
    }
    Set<String> names = new HashSet<>();
    for (int i = 0; i < nTensors; i++) {
      tensors.add(readTensor(i, names));
    }
    placeTensors(alignment());
  }

  private void readPair(int i) {
    int start = in.at();
    String key = in.name("key", i, MAX_KEY_BYTES);
    in.charge(key, KV_HEAP_BYTES);
    if (metadata.put(key, readValue(key, in.u32(key))) != null) {
      throw new GgufFormatException(
          "key at offset %d: expected each key once, found \"%s\" again".formatted(start, key));
    }
  }

  private GgufValue readValue(String key, int type) {
    return switch (type) {
      case U8 -> new GgufValue.U8(in.u8(key));
      case I8 -> new GgufValue.I8(in.u8(key));
      case U16 -> new GgufValue.U16(in.u16(key));
      case I16 -> new GgufValue.I16(in.u16(key));
      case U32 -> new GgufValue.U32(in.u32(key));
      case I32 -> new GgufValue.I32(in.u32(key));
      case F32 -> new GgufValue.F32(Float.intBitsToFloat(in.u32(key)));
      case BOOL -> new GgufValue.Bool(in.bool(key));
      case STRING -> in.string(key);
      case ARRAY -> new GgufValue.Arr(readArray(key, 1));
      case U64 -> new GgufValue.U64(in.u64(key));
      case I64 -> new GgufValue.I64(in.u64(key));
      case F64 -> new GgufValue.F64(Double.longBitsToDouble(in.u64(key)));
      default ->
          throw new GgufFormatException(
              "type of key %s at offset %d: expected 0 to 12, found %s"
                  .formatted(key, in.at() - 4, Integer.toUnsignedString(type)));
    };
  }

  /// Bytes of a value of a fixed-size type; of the others the fewest.
  static int minBytes(int type) {
    return switch (type) {
      case U8, I8, BOOL -> 1;
      case U16, I16 -> 2;
      case U32, I32, F32 -> 4;
      case STRING, U64, I64, F64 -> 8;
      case ARRAY -> 12;
      default -> 0;
    };
  }

  private GgufArray readArray(String key, int depth) {
    in.charge(key, ARRAY_HEAP_BYTES);
    int type = in.u32(key);
    int minBytes = minBytes(type);
    if (minBytes == 0) {
      throw new GgufFormatException(
          "element type of key %s at offset %d: expected 0 to 12, found %s"
              .formatted(key, in.at() - 4, Integer.toUnsignedString(type)));
    }
    if (type == ARRAY && depth == MAX_NESTING) {
      throw new GgufFormatException(
          "key %s at offset %d: expected arrays nested at most %d deep, found more"
              .formatted(key, in.at() - 4, MAX_NESTING));
    }
    int n = in.count(key, minBytes, Integer.MAX_VALUE);
    int start = in.at();
    if (type == STRING) {
      return readStrings(key, n, start);
    }
    if (type == ARRAY) {
      List<GgufArray> nested = new ArrayList<>();
      for (int i = 0; i < n; i++) {
        nested.add(readArray(key, depth + 1));
      }
      return new GgufArray(type, n, in.slice(start, in.at() - start), new int[0], nested);
    }
    in.skip(n * minBytes);
    if (type == BOOL) {
      // Nothing stays on the heap, but looking at each takes time: that is bounded likewise.
      in.charge(key, n);
      in.checkBools(key, start, n);
    }
    return new GgufArray(type, n, in.slice(start, n * minBytes), new int[0], List.of());
  }

  private GgufArray readStrings(String key, int n, int start) {
    in.charge(key, 4L * n);
    int[] offsets = new int[n + 1];
    for (int i = 0; i < n; i++) {
      int bytes = in.length(key);
      offsets[i] = in.at() - start;
      in.skip(bytes);
    }
    offsets[n] = in.at() - start + 8;
    return new GgufArray(STRING, n, in.slice(start, in.at() - start), offsets, List.of());
  }

  private TensorInfo readTensor(int i, Set<String> names) {
    int start = in.at();
    String name = in.name("name of tensor", i, MAX_TENSOR_NAME_BYTES);
    in.charge(name, TENSOR_HEAP_BYTES);
    if (!names.add(name)) {
      throw new GgufFormatException(
          "tensor at offset %d: expected each name once, found \"%s\" again"
              .formatted(start, name));
    }
    int dims = in.u32(name);
    if (dims < 1 || dims > Shape.MAX_DIMENSIONS) {
      throw new GgufFormatException(
          "n_dims of tensor %s at offset %d: expected 1 to 4, found %s"
              .formatted(name, in.at() - 4, Integer.toUnsignedString(dims)));
    }
    int shapeAt = in.at();
    long[] ne = new long[dims];
    for (int d = 0; d < dims; d++) {
      ne[d] = in.u64(name);
    }
    GgmlType type = type(name, in.u32(name));
    long offset = in.u64(name);
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
          "shape of tensor %s at offset %d: %s"
              .formatted(
                  name,
                  shapeAt,
                  e instanceof ArithmeticException
                      ? "expected fewer than 2^63 bytes, found more"
                      : e.getMessage()),
          e);
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
            .formatted(name, in.at() - 4, Integer.toUnsignedString(id)));
  }

  private long alignment() {
    GgufValue value = metadata.get("general.alignment");
    if (value == null) {
      return DEFAULT_ALIGNMENT;
    }
    long alignment = value instanceof GgufValue.U32 u ? u.toLong() : -1;
    if (alignment < 8 || alignment > MAX_ALIGNMENT || Long.bitCount(alignment) != 1) {
      throw new GgufFormatException(
          "key general.alignment: expected a power of two from 8 to %d as u32, found %s"
              .formatted(MAX_ALIGNMENT, alignment < 0 ? value.typeName() : alignment));
    }
    return alignment;
  }

  /// Turns offsets into the data section into offsets into the file, and checks that every tensor lies
  /// inside it and that none overlap.
  private void placeTensors(long alignment) {
    long size = in.fileSize();
    long data = (in.at() + alignment - 1) / alignment * alignment;
    boolean ascending = true;
    long end = data;
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
            "data of tensor %s at offset %s: expected %d bytes, found a file of %d bytes"
                .formatted(t.name(), Long.toUnsignedString(data + offset), t.byteSize(), size));
      }
      ascending &= data + offset >= end;
      end = data + offset + t.byteSize();
      tensors.set(i, new TensorInfo(t.name(), t.type(), t.shape(), data + offset, part));
    }
    if (!ascending) {
      checkOverlaps();
    }
  }

  private void checkOverlaps() {
    List<TensorInfo> order = new ArrayList<>(tensors);
    order.sort((a, b) -> Long.compare(a.offset(), b.offset()));
    for (int i = 1; i < order.size(); i++) {
      TensorInfo before = order.get(i - 1);
      TensorInfo t = order.get(i);
      if (before.offset() + before.byteSize() > t.offset()) {
        throw new GgufFormatException(
            "data of tensor %s at offset %d: expected its own place, found it overlapping %s"
                .formatted(t.name(), t.offset(), before.name()));
      }
    }
  }
}

package ai.realm.gguf;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.AbstractList;
import java.util.List;

/// An array value over the mapped file: elements are read when asked for, so that a vocabulary of
/// 150,000 strings costs an offset each and no copy. Valid while the file is open.
public final class GgufArray {
  private final int elementType;
  private final int size;
  private final ByteBuffer data;

  /// For strings: where the bytes of each begin in `data`, then where those of one more would.
  private final int[] offsets;

  private final List<GgufArray> nested;

  GgufArray(int elementType, int size, ByteBuffer data, int[] offsets, List<GgufArray> nested) {
    this.elementType = elementType;
    this.size = size;
    this.data = data;
    this.offsets = offsets;
    this.nested = nested;
  }

  /// An array of strings in memory.
  public static GgufArray ofStrings(List<String> strings) {
    int[] offsets = new int[strings.size() + 1];
    byte[][] encoded = new byte[strings.size()][];
    int total = 8;
    for (int i = 0; i < encoded.length; i++) {
      encoded[i] = strings.get(i).getBytes(StandardCharsets.UTF_8);
      offsets[i] = total;
      total = Math.addExact(total, encoded[i].length + 8);
    }
    offsets[encoded.length] = total;
    ByteBuffer data = allocate(total - 8);
    for (byte[] bytes : encoded) {
      data.putLong(bytes.length).put(bytes);
    }
    return new GgufArray(GgufReader.STRING, encoded.length, data, offsets, List.of());
  }

  /// An array of f32 in memory.
  public static GgufArray ofFloats(float... values) {
    ByteBuffer data = allocate(4 * values.length);
    for (float value : values) {
      data.putFloat(value);
    }
    return new GgufArray(GgufReader.F32, values.length, data, new int[0], List.of());
  }

  /// An array of i32 in memory.
  public static GgufArray ofInts(int... values) {
    ByteBuffer data = allocate(4 * values.length);
    for (int value : values) {
      data.putInt(value);
    }
    return new GgufArray(GgufReader.I32, values.length, data, new int[0], List.of());
  }

  private static ByteBuffer allocate(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /// An array of u8 on the heap.
  public static GgufArray ofBytes(byte... values) {
    ByteBuffer data = allocate(values.length).put(values);
    return new GgufArray(GgufReader.U8, values.length, data, new int[0], List.of());
  }

  /// Number of elements.
  public int size() {
    return size;
  }

  /// Name of the element type, such as `string` or `f32`.
  public String elementTypeName() {
    return GgufReader.typeName(elementType);
  }

  /// Id of the element type in the file.
  int elementType() {
    return elementType;
  }

  /// The elements as they lie in the file.
  ByteBuffer data() {
    return data.duplicate().clear();
  }

  /// Whether the elements are strings.
  public boolean isStrings() {
    return elementType == GgufReader.STRING;
  }

  /// Whether the elements are numbers or booleans.
  public boolean isNumbers() {
    return elementType != GgufReader.STRING && elementType != GgufReader.ARRAY;
  }

  /// Whether the elements are whole numbers or booleans.
  public boolean isIntegers() {
    return isNumbers() && elementType != GgufReader.F32 && elementType != GgufReader.F64;
  }

  /// Bytes of string `i` in UTF-8.
  public int stringLength(int i) {
    return offsets[i + 1] - 8 - offsets[i];
  }

  /// Copies the UTF-8 bytes of string `i`, [#stringLength] many.
  public void copyString(int i, byte[] dst, int dstOffset) {
    data.get(offsets[i], dst, dstOffset, stringLength(i));
  }

  /// The UTF-8 bytes of string `i`, over the mapped file.
  public MemorySegment stringBytes(int i) {
    return MemorySegment.ofBuffer(data.slice(offsets[i], stringLength(i)));
  }

  /// String `i`; malformed UTF-8 becomes U+FFFD.
  public String string(int i) {
    byte[] utf8 = new byte[stringLength(i)];
    copyString(i, utf8, 0);
    return new String(utf8, StandardCharsets.UTF_8);
  }

  /// The strings, each decoded when asked for.
  public List<String> strings() {
    return new AbstractList<>() {
      @Override
      public String get(int i) {
        return string(i);
      }

      @Override
      public int size() {
        return size;
      }
    };
  }

  /// Nested array `i`.
  public GgufArray array(int i) {
    return nested.get(i);
  }

  /// Element `i` as a whole number; floats are cut.
  public long integer(int i) {
    return switch (elementType) {
      case GgufReader.U8 -> Byte.toUnsignedLong(data.get(i));
      case GgufReader.I8, GgufReader.BOOL -> data.get(i);
      case GgufReader.U16 -> Short.toUnsignedLong(data.getShort(2 * i));
      case GgufReader.I16 -> data.getShort(2 * i);
      case GgufReader.U32 -> Integer.toUnsignedLong(data.getInt(4 * i));
      case GgufReader.I32 -> data.getInt(4 * i);
      case GgufReader.U64, GgufReader.I64 -> data.getLong(8 * i);
      default -> (long) number(i);
    };
  }

  /// Element `i` as a floating-point number.
  public double number(int i) {
    return switch (elementType) {
      case GgufReader.F32 -> data.getFloat(4 * i);
      case GgufReader.F64 -> data.getDouble(8 * i);
      default -> integer(i);
    };
  }

  /// The elements as floats.
  public float[] floats() {
    float[] values = new float[size];
    if (elementType == GgufReader.F32) {
      data.duplicate().order(ByteOrder.LITTLE_ENDIAN).position(0).asFloatBuffer().get(values);
      return values;
    }
    for (int i = 0; i < size; i++) {
      values[i] = (float) number(i);
    }
    return values;
  }

  /// The elements as ints; larger values keep their low 32 bits.
  public int[] ints() {
    int[] values = new int[size];
    if (elementType == GgufReader.I32 || elementType == GgufReader.U32) {
      data.duplicate().order(ByteOrder.LITTLE_ENDIAN).position(0).asIntBuffer().get(values);
      return values;
    }
    for (int i = 0; i < size; i++) {
      values[i] = (int) integer(i);
    }
    return values;
  }
}

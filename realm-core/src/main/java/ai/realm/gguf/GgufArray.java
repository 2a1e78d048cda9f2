package ai.realm.gguf;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.AbstractList;
import java.util.List;

/// An array value over the mapped file: elements are read when asked for, so that a vocabulary of
/// 150,000 strings costs an offset each and no copy. Valid while the file is open.
public final class GgufArray {
  static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfDouble DOUBLE =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final int elementType;
  private final int size;
  private final MemorySegment data;

  /// For strings and nested arrays: start of each element in `data`, and the end of the last.
  private final int[] offsets;

  private final List<GgufArray> nested;

  GgufArray(int elementType, int size, MemorySegment data, int[] offsets, List<GgufArray> nested) {
    this.elementType = elementType;
    this.size = size;
    this.data = data;
    this.offsets = offsets;
    this.nested = List.copyOf(nested);
  }

  /// An array of strings that lies on the heap, for writers and tests.
  public static GgufArray ofStrings(List<String> strings) {
    byte[][] texts = new byte[strings.size()][];
    long total = 0;
    for (int i = 0; i < texts.length; i++) {
      texts[i] = strings.get(i).getBytes(StandardCharsets.UTF_8);
      total += 8L + texts[i].length;
    }
    MemorySegment data = MemorySegment.ofArray(new byte[Math.toIntExact(total)]);
    int[] offsets = new int[texts.length + 1];
    for (int i = 0; i < texts.length; i++) {
      data.set(LONG, offsets[i], texts[i].length);
      MemorySegment.copy(
          texts[i], 0, data, ValueLayout.JAVA_BYTE, offsets[i] + 8L, texts[i].length);
      offsets[i + 1] = offsets[i] + 8 + texts[i].length;
    }
    return new GgufArray(GgufReader.STRING, texts.length, data, offsets, List.of());
  }

  /// An array of f32 on the heap.
  public static GgufArray ofFloats(float... values) {
    MemorySegment data = MemorySegment.ofArray(new byte[4 * values.length]);
    for (int i = 0; i < values.length; i++) {
      data.set(FLOAT, 4L * i, values[i]);
    }
    return new GgufArray(GgufReader.F32, values.length, data, new int[0], List.of());
  }

  /// An array of i32 on the heap.
  public static GgufArray ofInts(int... values) {
    MemorySegment data = MemorySegment.ofArray(new byte[4 * values.length]);
    for (int i = 0; i < values.length; i++) {
      data.set(INT, 4L * i, values[i]);
    }
    return new GgufArray(GgufReader.I32, values.length, data, new int[0], List.of());
  }

  /// An array of u8 on the heap.
  public static GgufArray ofBytes(byte... values) {
    return new GgufArray(
        GgufReader.U8, values.length, MemorySegment.ofArray(values.clone()), new int[0], List.of());
  }

  /// Number of elements.
  public int size() {
    return size;
  }

  /// Name of the element type, such as `string` or `f32`.
  public String elementTypeName() {
    return GgufReader.typeName(elementType);
  }

  /// Whether the elements are strings.
  public boolean isStrings() {
    return elementType == GgufReader.STRING;
  }

  /// Whether the elements are numbers or booleans.
  public boolean isNumbers() {
    return elementType != GgufReader.STRING && elementType != GgufReader.ARRAY;
  }

  /// The UTF-8 bytes of string `i`, over the mapped file.
  public MemorySegment stringBytes(int i) {
    int start = offsets[i] + 8;
    return data.asSlice(start, (long) offsets[i + 1] - start);
  }

  /// String `i`; malformed UTF-8 becomes U+FFFD.
  public String string(int i) {
    return new String(stringBytes(i).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
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
      case GgufReader.U8 -> Byte.toUnsignedLong(data.get(ValueLayout.JAVA_BYTE, i));
      case GgufReader.I8, GgufReader.BOOL -> data.get(ValueLayout.JAVA_BYTE, i);
      case GgufReader.U16 -> Short.toUnsignedLong(data.get(SHORT, 2L * i));
      case GgufReader.I16 -> data.get(SHORT, 2L * i);
      case GgufReader.U32 -> Integer.toUnsignedLong(data.get(INT, 4L * i));
      case GgufReader.I32 -> data.get(INT, 4L * i);
      case GgufReader.U64, GgufReader.I64 -> data.get(LONG, 8L * i);
      default -> (long) number(i);
    };
  }

  /// Element `i` as a floating-point number.
  public double number(int i) {
    return switch (elementType) {
      case GgufReader.F32 -> data.get(FLOAT, 4L * i);
      case GgufReader.F64 -> data.get(DOUBLE, 8L * i);
      default -> integer(i);
    };
  }

  /// The elements as floats.
  public float[] floats() {
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = (float) number(i);
    }
    return values;
  }

  /// The elements as ints; larger values keep their low 32 bits.
  public int[] ints() {
    int[] values = new int[size];
    for (int i = 0; i < size; i++) {
      values[i] = (int) integer(i);
    }
    return values;
  }
}

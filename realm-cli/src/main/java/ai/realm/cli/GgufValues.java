package ai.realm.cli;

import ai.realm.gguf.GgufArray;
import ai.realm.gguf.GgufValue;

/// Metadata values as `realm inspect` shows them: type, then value, on one line.
final class GgufValues {
  private GgufValues() {}

  /// At most about `width` characters of the value.
  static String show(GgufValue value, int width) {
    return switch (value) {
      case GgufValue.U8 v -> "u8 " + Byte.toUnsignedInt(v.value());
      case GgufValue.I8 v -> "i8 " + v.value();
      case GgufValue.U16 v -> "u16 " + Short.toUnsignedInt(v.value());
      case GgufValue.I16 v -> "i16 " + v.value();
      case GgufValue.U32 v -> "u32 " + Integer.toUnsignedString(v.value());
      case GgufValue.I32 v -> "i32 " + v.value();
      case GgufValue.F32 v -> "f32 " + v.value();
      case GgufValue.Bool v -> "bool " + v.value();
      case GgufValue.Str v -> "string \"" + Printable.of(v.value(), width) + '"';
      case GgufValue.Arr v -> showArray(v.value(), width);
      case GgufValue.U64 v -> "u64 " + Long.toUnsignedString(v.value());
      case GgufValue.I64 v -> "i64 " + v.value();
      case GgufValue.F64 v -> "f64 " + v.value();
    };
  }

  private static String showArray(GgufArray array, int width) {
    StringBuilder shown =
        new StringBuilder(array.elementTypeName()).append('[').append(array.size()).append(']');
    int i = 0;
    for (; i < array.size() && shown.length() < width; i++) {
      shown.append(i == 0 ? " " : ", ").append(element(array, i, width));
    }
    return i < array.size() ? shown.append(", …").toString() : shown.toString();
  }

  private static String element(GgufArray array, int i, int width) {
    if (array.isStrings()) {
      return '"' + Printable.of(array.string(i), width) + '"';
    }
    if (!array.isNumbers()) {
      return '(' + showArray(array.array(i), width) + ')';
    }
    double number = array.number(i);
    return number == Math.rint(number) && Math.abs(number) < 1e15
        ? Long.toString((long) number)
        : Float.toString((float) number);
  }
}

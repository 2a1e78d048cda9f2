package ai.realm.gguf;

/// A metadata value with the type that the file gives it. Ids are those of `gguf_type` in gguf.h.
public sealed interface GgufValue {
  /// Type 0.
  record U8(byte value) implements GgufValue {}

  /// Type 1.
  record I8(byte value) implements GgufValue {}

  /// Type 2.
  record U16(short value) implements GgufValue {}

  /// Type 3.
  record I16(short value) implements GgufValue {}

  /// Type 4.
  record U32(int value) implements GgufValue {}

  /// Type 5.
  record I32(int value) implements GgufValue {}

  /// Type 6.
  record F32(float value) implements GgufValue {}

  /// Type 7.
  record Bool(boolean value) implements GgufValue {}

  /// Type 8, UTF-8.
  record Str(String value) implements GgufValue {}

  /// Type 9.
  record Arr(GgufArray value) implements GgufValue {}

  /// Type 10.
  record U64(long value) implements GgufValue {}

  /// Type 11.
  record I64(long value) implements GgufValue {}

  /// Type 12.
  record F64(double value) implements GgufValue {}

  /// The type's name in messages and listings.
  default String typeName() {
    return switch (this) {
      case U8 v -> "u8";
      case I8 v -> "i8";
      case U16 v -> "u16";
      case I16 v -> "i16";
      case U32 v -> "u32";
      case I32 v -> "i32";
      case F32 v -> "f32";
      case Bool v -> "bool";
      case Str v -> "string";
      case Arr v -> "array of " + v.value().elementTypeName();
      case U64 v -> "u64";
      case I64 v -> "i64";
      case F64 v -> "f64";
    };
  }
}

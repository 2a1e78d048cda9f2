package ai.realm.gguf;

import java.util.Objects;

/// A metadata value with the type that the file gives it. Ids are those of `gguf_type` in gguf.h.
public sealed interface GgufValue {
  /// The type's name in messages and listings.
  String typeName();

  /// A whole number of any width.
  sealed interface Whole extends GgufValue {
    /// The number; that of [U64] is negative from 2^63 on.
    long toLong();
  }

  /// Type 0.
  record U8(byte value) implements Whole {
    @Override
    public long toLong() {
      return Byte.toUnsignedLong(value);
    }

    @Override
    public String typeName() {
      return "u8";
    }
  }

  /// Type 1.
  record I8(byte value) implements Whole {
    @Override
    public long toLong() {
      return value;
    }

    @Override
    public String typeName() {
      return "i8";
    }
  }

  /// Type 2.
  record U16(short value) implements Whole {
    @Override
    public long toLong() {
      return Short.toUnsignedLong(value);
    }

    @Override
    public String typeName() {
      return "u16";
    }
  }

  /// Type 3.
  record I16(short value) implements Whole {
    @Override
    public long toLong() {
      return value;
    }

    @Override
    public String typeName() {
      return "i16";
    }
  }

  /// Type 4.
  record U32(int value) implements Whole {
    @Override
    public long toLong() {
      return Integer.toUnsignedLong(value);
    }

    @Override
    public String typeName() {
      return "u32";
    }
  }

  /// Type 5.
  record I32(int value) implements Whole {
    @Override
    public long toLong() {
      return value;
    }

    @Override
    public String typeName() {
      return "i32";
    }
  }

  /// Type 6.
  record F32(float value) implements GgufValue {
    @Override
    public String typeName() {
      return "f32";
    }
  }

  /// Type 7.
  record Bool(boolean value) implements GgufValue {
    @Override
    public String typeName() {
      return "bool";
    }
  }

  /// Type 8, UTF-8. A long one lies in the mapped file until it is asked for, and is valid while the
  /// file is open.
  final class Str implements GgufValue {
    private final String value;
    private final GgufInput.LongString source;

    /// A string in memory.
    public Str(String value) {
      this.value = Objects.requireNonNull(value);
      this.source = GgufInput.LongString.NONE;
    }

    Str(GgufInput.LongString source) {
      this.value = "";
      this.source = source;
    }

    /// The string.
    ///
    /// @throws GgufFormatException when it is a long one that is not UTF-8
    public String value() {
      return source.bytes() == 0 ? value : source.decode();
    }

    @Override
    public String typeName() {
      return "string";
    }

    @Override
    public boolean equals(Object o) {
      return o instanceof Str other && value().equals(other.value());
    }

    @Override
    public int hashCode() {
      return value().hashCode();
    }

    @Override
    public String toString() {
      return "Str[" + value() + "]";
    }
  }

  /// Type 9.
  record Arr(GgufArray value) implements GgufValue {
    @Override
    public String typeName() {
      return "array of " + value.elementTypeName();
    }
  }

  /// Type 10.
  record U64(long value) implements Whole {
    @Override
    public long toLong() {
      return value;
    }

    @Override
    public String typeName() {
      return "u64";
    }
  }

  /// Type 11.
  record I64(long value) implements Whole {
    @Override
    public long toLong() {
      return value;
    }

    @Override
    public String typeName() {
      return "i64";
    }
  }

  /// Type 12.
  record F64(double value) implements GgufValue {
    @Override
    public String typeName() {
      return "f64";
    }
  }
}

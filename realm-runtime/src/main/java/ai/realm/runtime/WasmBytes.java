package ai.realm.runtime;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/// A cursor over an untrusted WebAssembly module. Every read is checked against where the enclosing part
/// ends; refusals name the offset.
final class WasmBytes {
  private final byte[] bytes;
  private int at;
  private int end;

  WasmBytes(byte[] bytes) {
    this.bytes = bytes;
    this.end = bytes.length;
  }

  int offset() {
    return at;
  }

  boolean hasMore() {
    return at < end;
  }

  int left() {
    return end - at;
  }

  /// Passes over the magic number and the version that a module begins with.
  void header() {
    byte[] header = {0, 'a', 's', 'm', 1, 0, 0, 0};
    for (byte expected : header) {
      if (!hasMore() || u8() != expected) {
        throw refuse("expected the header of a WebAssembly module of version 1");
      }
    }
  }

  /// Bounds what follows to `length` bytes and returns the bound before, for [#leave].
  int enter(int length, String what) {
    if (length > left()) {
      throw refuse("%s: expected at most %d bytes, found a size of %d", what, left(), length);
    }
    int outer = end;
    end = at + length;
    return outer;
  }

  /// Ends a part: all of it must have been read.
  void leave(int outer, String what) {
    if (at != end) {
      throw refuse("%s: %d bytes are left over", what, end - at);
    }
    end = outer;
  }

  int u8() {
    if (at >= end) {
      throw refuse("expected a byte, found the end");
    }
    return bytes[at++] & 0xff;
  }

  /// An unsigned 32-bit LEB128 number that must fit 31 bits: no count of an admitted module comes near.
  int u31() {
    int value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      int b = u8();
      if (shift == 28 && (b & 0xf8) != 0) {
        throw refuse("expected a number below 2^31, found a larger one");
      }
      value |= (b & 0x7f) << shift;
      if ((b & 0x80) == 0) {
        return value;
      }
    }
    throw refuse("expected a LEB128 number of at most 5 bytes");
  }

  /// A full unsigned 32-bit LEB128 number, such as the offset of a load.
  long u32() {
    long value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      int b = u8();
      if (shift == 28 && (b & 0xf0) != 0) {
        throw refuse("expected a 32-bit number, found a longer one");
      }
      value |= (long) (b & 0x7f) << shift;
      if ((b & 0x80) == 0) {
        return value;
      }
    }
    throw refuse("expected a LEB128 number of at most 5 bytes");
  }

  /// Passes over a signed LEB128 number of at most `bits` bits.
  void skipSigned(int bits) {
    for (int i = 0; i < (bits + 6) / 7; i++) {
      if ((u8() & 0x80) == 0) {
        return;
      }
    }
    throw refuse("expected a signed LEB128 number of %d bits, found a longer one", bits);
  }

  /// A count of at most `most`; each of the counted takes at least a byte.
  int count(String what, int most) {
    int count = u31();
    if (count > most) {
      throw refuse("%s: expected at most %d, found %d", what, most, count);
    }
    if (count > left()) {
      throw refuse("%s: expected at most the %d bytes left, found %d", what, left(), count);
    }
    return count;
  }

  /// An index below `size`.
  int index(String what, int size) {
    int index = u31();
    if (index >= size) {
      throw refuse("%s: expected an index below %d, found %d", what, size, index);
    }
    return index;
  }

  void skip(int length) {
    if (length > left()) {
      throw refuse("expected %d bytes, found %d", length, left());
    }
    at += length;
  }

  String name(int most) {
    int length = count("name", most);
    int start = at;
    skip(length);
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(bytes, start, length))
          .toString();
    } catch (CharacterCodingException e) {
      throw refuse("name: expected UTF-8");
    }
  }

  GuestFormatException refuse(String format, Object... arguments) {
    return new GuestFormatException(
        "guest at offset 0x%x: %s".formatted(at, format.formatted(arguments)));
  }
}

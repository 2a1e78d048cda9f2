package ai.realm.runtime;

/// Reads the numbers of a WebAssembly binary, each checked against what remains. See the binary format
/// chapter of the WebAssembly specification.
final class ModuleReader {
  private final byte[] bytes;
  private int at;
  private int end;

  ModuleReader(byte[] bytes) {
    this.bytes = bytes;
    this.end = bytes.length;
  }

  int at() {
    return at;
  }

  int remaining() {
    return end - at;
  }

  /// Bounds reading to the next `length` bytes; returns the bound before, for [#leave].
  int enter(String what, int length) {
    if (length < 0 || length > remaining()) {
      throw error(what, "at most the " + remaining() + " bytes that remain", unsigned(length));
    }
    int before = end;
    end = at + length;
    return before;
  }

  /// Ends what [#enter] began; all of it must have been read.
  void leave(String what, int before) {
    if (at != end) {
      throw error(what, "an end here", remaining() + " more bytes");
    }
    end = before;
  }

  static String unsigned(int value) {
    return Integer.toUnsignedString(value);
  }

  GuestFormatException error(String what, String expected, String found) {
    return new GuestFormatException(
        "guest module at 0x%x: %s: expected %s, found %s".formatted(at, what, expected, found));
  }

  int u8(String what) {
    if (at >= end) {
      throw error(what, "a byte", "the end");
    }
    return bytes[at++] & 0xff;
  }

  /// An unsigned LEB128 of at most 32 bits.
  int u32(String what) {
    long value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      int b = u8(what);
      value |= (long) (b & 0x7f) << shift;
      if (b < 0x80) {
        if (value > 0xffff_ffffL) {
          throw error(what, "32 bits", "0x" + Long.toHexString(value));
        }
        return (int) value;
      }
    }
    throw error(what, "at most 5 bytes of a number", "more");
  }

  /// A signed LEB128 of at most `bits` bits; its value does not matter here.
  void skipSigned(String what, int bits) {
    for (int i = 0; i < (bits + 6) / 7; i++) {
      if (u8(what) < 0x80) {
        return;
      }
    }
    throw error(what, "at most " + (bits + 6) / 7 + " bytes of a number", "more");
  }

  void skip(String what, int count) {
    if (count < 0 || count > remaining()) {
      throw error(what, unsigned(count) + " bytes", remaining() + " before the end");
    }
    at += count;
  }

  /// A count of things of at least one byte each, at most `most` of them.
  int count(String what, int most) {
    int n = u32(what);
    if (n < 0 || n > most || n > remaining()) {
      at--;
      throw error(what, "at most " + Math.min(most, remaining() + 1), unsigned(n));
    }
    return n;
  }

  /// An index below `limit`.
  int index(String what, int limit) {
    int i = u32(what);
    if (i < 0 || i >= limit) {
      throw error(what, "an index below " + limit, unsigned(i));
    }
    return i;
  }

  String name(String what) {
    int length = count(what + " name", 1024);
    int from = at;
    skip(what + " name", length);
    return new String(bytes, from, length, java.nio.charset.StandardCharsets.UTF_8);
  }
}

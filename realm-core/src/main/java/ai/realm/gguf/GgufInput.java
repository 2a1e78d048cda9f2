package ai.realm.gguf;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// Cursor over header, metadata and directory of a file: every read is checked against what remains,
/// and everything that will stay on the heap is charged to a fixed budget, so that no file can make
/// opening it expensive.
///
/// It reads through a `ByteBuffer`, not the segment: the first access through each kind of memory
/// layout links a VarHandle, which costs a cold start some 10 ms. Nothing on the way of a well-formed
/// file formats or joins strings, for the same reason.
final class GgufInput {
  /// Most heap that metadata and directory may take. A vocabulary of 262,000 tokens with 514,000
  /// merges takes 3 MB of it.
  static final int MAX_HEAP_BYTES = 12 << 20;

  /// Where metadata and directory must end; data may lie anywhere.
  static final int MAX_DIRECTORY_BYTES = 1 << 30;

  private static final int MAX_STRING_BYTES = 64 << 20;

  /// Strings from here on are left in the file until they are asked for.
  private static final int LONG_STRING_BYTES = 64 << 10;

  private final ByteBuffer bytes;
  private final long fileSize;
  private final int limit;
  private int at;
  private int heapLeft = MAX_HEAP_BYTES;

  /// @param bytes the file, or its first GiB
  /// @param fileSize bytes of the whole file, for messages
  GgufInput(ByteBuffer bytes, long fileSize) {
    this.bytes = bytes.order(ByteOrder.LITTLE_ENDIAN);
    this.limit = bytes.limit();
    this.fileSize = fileSize;
  }

  int at() {
    return at;
  }

  int remaining() {
    return limit - at;
  }

  long fileSize() {
    return fileSize;
  }

  /// Counts heap against the budget before it is allocated.
  void charge(String field, long heapBytes) {
    if (heapBytes > heapLeft) {
      throw new GgufFormatException(
          "%s at offset %d: expected metadata that fits %d MiB of heap, found more"
              .formatted(field, at, MAX_HEAP_BYTES >> 20));
    }
    heapLeft -= (int) heapBytes;
  }

  private int take(String field, int n) {
    if (limit - at < n) {
      throw new GgufFormatException(
          "%s at offset %d: expected %d bytes, found %d before the end of the file or its first GiB"
              .formatted(field, at, n, limit - at));
    }
    int start = at;
    at += n;
    return start;
  }

  byte u8(String field) {
    return bytes.get(take(field, 1));
  }

  short u16(String field) {
    return bytes.getShort(take(field, 2));
  }

  int u32(String field) {
    return bytes.getInt(take(field, 4));
  }

  long u64(String field) {
    return bytes.getLong(take(field, 8));
  }

  boolean bool(String key) {
    checkBool(key, take(key, 1));
    return bytes.get(at - 1) == 1;
  }

  private void checkBool(String key, int offset) {
    byte value = bytes.get(offset);
    if (value != 0 && value != 1) {
      throw new GgufFormatException(
          "bool of key %s at offset %d: expected 0 or 1, found %d"
              .formatted(key, offset, value & 0xff));
    }
  }

  void checkBools(String key, int offset, int n) {
    for (int i = 0; i < n; i++) {
      checkBool(key, offset + i);
    }
  }

  /// A number of things, each of which takes at least `minBytes` of what remains.
  int count(String field, int minBytes, int most) {
    long n = u64(field);
    long possible = Math.min((limit - at) / minBytes, most);
    if (n < 0 || n > possible) {
      throw new GgufFormatException(
          "%s at offset %d: expected at most %d in a file of %d bytes, found %s"
              .formatted(field, at - 8, possible, fileSize, Long.toUnsignedString(n)));
    }
    return (int) n;
  }

  /// The length of a string, all of which lies in the file.
  int length(String field) {
    long n = u64(field);
    if (n < 0 || n > limit - at) {
      throw new GgufFormatException(
          "string length of %s at offset %d: expected at most the %d bytes that remain, found %s"
              .formatted(field, at - 8, limit - at, Long.toUnsignedString(n)));
    }
    return (int) n;
  }

  void skip(int n) {
    at += n;
  }

  /// `n` bytes from `start` on, as a little-endian view.
  ByteBuffer slice(int start, int n) {
    return bytes.slice(start, n).order(ByteOrder.LITTLE_ENDIAN);
  }

  /// A key or the name of a tensor: `what`, the `index`-th.
  String name(String what, int index, int maxBytes) {
    int start = at;
    int n = length(what);
    if (n > maxBytes) {
      throw new GgufFormatException(
          "string length of %s %d at offset %d: expected at most %d bytes, found %d"
              .formatted(what, index, start, maxBytes, n));
    }
    charge(what, n);
    String name = decode(what, start, take(what, n), n);
    if (n == 0 || name.indexOf('\0') >= 0) {
      throw new GgufFormatException(
          "%s %d at offset %d: expected a name, found %s"
              .formatted(what, index, start, n == 0 ? "an empty string" : "a NUL character"));
    }
    return name;
  }

  /// A value of type string.
  GgufValue.Str string(String key) {
    int start = at;
    int n = length(key);
    if (n > MAX_STRING_BYTES) {
      throw new GgufFormatException(
          "string length of key %s at offset %d: expected at most %d bytes, found %d"
              .formatted(key, start, MAX_STRING_BYTES, n));
    }
    int from = take(key, n);
    if (n >= LONG_STRING_BYTES) {
      return new GgufValue.Str(new LongString(this, key, from, n));
    }
    charge(key, n);
    return new GgufValue.Str(decode(key, start, from, n));
  }

  private String decode(String field, int start, int from, int n) {
    byte[] utf8 = new byte[n];
    bytes.get(from, utf8);
    String text = new String(utf8, StandardCharsets.UTF_8);
    // The decoder replaces what is malformed; then the text no longer encodes to the same bytes.
    if (text.indexOf('\uFFFD') >= 0
        && !Arrays.equals(text.getBytes(StandardCharsets.UTF_8), utf8)) {
      throw new GgufFormatException(
          "string of %s at offset %d: expected UTF-8, found malformed bytes"
              .formatted(field, start));
    }
    return text;
  }

  /// A string value that stays in the mapped file.
  record LongString(GgufInput input, String key, int from, int bytes) {
    static final LongString NONE =
        new LongString(new GgufInput(ByteBuffer.allocate(0), 0), "", 0, 0);

    String decode() {
      return input.decode(key, from - 8, from, bytes);
    }
  }
}

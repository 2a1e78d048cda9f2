package ai.realm.testing.gguf;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/// Little-endian bytes in the making.
public final class GgufBytes {
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

  /// How many there are.
  public int size() {
    return bytes.size();
  }

  /// One byte.
  public GgufBytes u8(int value) {
    bytes.write(value);
    return this;
  }

  /// Two bytes.
  public GgufBytes u16(int value) {
    return raw(allocate(2).putShort((short) value).array());
  }

  /// Four bytes.
  public GgufBytes u32(long value) {
    return raw(allocate(4).putInt((int) value).array());
  }

  /// Eight bytes.
  public GgufBytes u64(long value) {
    return raw(allocate(8).putLong(value).array());
  }

  /// An IEEE single.
  public GgufBytes f32(float value) {
    return raw(allocate(4).putFloat(value).array());
  }

  /// A length and that many bytes of UTF-8.
  public GgufBytes string(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    return u64(utf8.length).raw(utf8);
  }

  /// Bytes as they are.
  public GgufBytes raw(byte[] raw) {
    bytes.writeBytes(raw);
    return this;
  }

  /// Zeros up to a multiple of `alignment`.
  public GgufBytes align(int alignment) {
    while (bytes.size() % alignment != 0) {
      bytes.write(0);
    }
    return this;
  }

  /// All of them.
  public byte[] toByteArray() {
    return bytes.toByteArray();
  }

  private static ByteBuffer allocate(int n) {
    return ByteBuffer.allocate(n).order(ByteOrder.LITTLE_ENDIAN);
  }
}

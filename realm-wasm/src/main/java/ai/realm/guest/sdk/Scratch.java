package ai.realm.guest.sdk;

import static ai.realm.guest.sdk.HostException.check;

import ai.realm.guest.Arena;
import ai.realm.guest.Host;
import java.nio.charset.StandardCharsets;

/// Copies between objects and the linear memory that the host reads and writes.
final class Scratch {
  /// A host function that writes at most `capacity` at `to` and returns the full size.
  @FunctionalInterface
  interface Writer {
    int write(int to, int capacity);
  }

  private final Arena arena = new Arena();

  int mark() {
    return arena.top();
  }

  void release(int mark) {
    arena.release(mark);
  }

  /// Bytes that stay until the call ends or are released.
  int take(int bytes) {
    int at = arena.take(bytes);
    if (at < 0) {
      throw new HostException(Host.EMSGSIZE);
    }
    return at;
  }

  static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static String text(byte[] utf8) {
    return new String(utf8, StandardCharsets.UTF_8);
  }

  int put(byte[] bytes) {
    int at = take(bytes.length);
    for (int i = 0; i < bytes.length; i++) {
      Arena.putByte(at + i, bytes[i]);
    }
    return at;
  }

  int put(int[] values) {
    int at = take(4 * values.length);
    putAt(at, values);
    return at;
  }

  static void putAt(int at, int[] values) {
    for (int i = 0; i < values.length; i++) {
      Arena.putInt(at + 4 * i, values[i]);
    }
  }

  int put(float[] values) {
    int at = take(4 * values.length);
    for (int i = 0; i < values.length; i++) {
      Arena.putFloat(at + 4 * i, values[i]);
    }
    return at;
  }

  static byte[] bytes(int at, int count) {
    byte[] bytes = new byte[count];
    for (int i = 0; i < count; i++) {
      bytes[i] = Arena.getByte(at + i);
    }
    return bytes;
  }

  static int[] ints(int at, int count) {
    int[] values = new int[count];
    for (int i = 0; i < count; i++) {
      values[i] = Arena.getInt(at + 4 * i);
    }
    return values;
  }

  static float[] floats(int at, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = Arena.getFloat(at + 4 * i);
    }
    return values;
  }

  /// What a host function writes, in bytes.
  byte[] readBytes(Writer from) {
    int at = arena.top();
    return bytes(at, size(from, arena.left()));
  }

  /// The same for one that counts in words of four bytes.
  int[] readInts(Writer from) {
    int at = arena.top();
    return ints(at, size(from, arena.left() / 4));
  }

  float[] readFloats(Writer from) {
    int at = arena.top();
    return floats(at, size(from, arena.left() / 4));
  }

  private int size(Writer from, int capacity) {
    int size = check(from.write(arena.top(), capacity));
    if (size > capacity) {
      throw new HostException(Host.EMSGSIZE);
    }
    return size;
  }
}

package ai.realm.guest;

import org.teavm.interop.Address;

/// The linear memory that the guest shares with its host: handed out from the bottom, given back all at
/// once at the end of a call. Objects of this program live elsewhere, in WebAssembly's own heap.
public final class Arena {
  /// TeaVM keeps its own data and a heap for direct buffers below.
  private static final int START = 128 << 10;

  /// Where the memory ends that the host supplies. Only what is touched of it costs anything.
  private static final int END = 32 << 20;

  private int next = START;

  /// Bytes that are left.
  public int left() {
    return END - next;
  }

  /// Where the next block begins.
  public int top() {
    return next;
  }

  /// Takes `bytes` at [#top], rounded up to 8, or returns -1 when they are not left.
  public int take(int bytes) {
    int rounded = (bytes + 7) & -8;
    if (bytes < 0 || rounded > left()) {
      return -1;
    }
    int at = next;
    next += rounded;
    return at;
  }

  /// Gives back what was taken since [#top] was `mark`.
  public void release(int mark) {
    next = mark;
  }

  public static byte getByte(int at) {
    return Address.fromInt(at).getByte();
  }

  public static void putByte(int at, int value) {
    Address.fromInt(at).putByte((byte) value);
  }

  public static int getInt(int at) {
    return Address.fromInt(at).getInt();
  }

  public static void putInt(int at, int value) {
    Address.fromInt(at).putInt(value);
  }

  public static float getFloat(int at) {
    return Address.fromInt(at).getFloat();
  }

  public static void putFloat(int at, float value) {
    Address.fromInt(at).putFloat(value);
  }

  public static long getLong(int at) {
    return Address.fromInt(at).getLong();
  }
}

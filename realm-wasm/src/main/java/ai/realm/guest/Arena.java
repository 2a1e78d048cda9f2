package ai.realm.guest;

import org.teavm.interop.Address;

/// The linear memory that the guest shares with its host: handed out from the bottom, given back all at
/// once at the end of a call. Objects of this program live elsewhere, in WebAssembly's own heap.
final class Arena {
  /// TeaVM keeps its own data and a heap for direct buffers below.
  private static final int START = 128 << 10;

  /// Where the memory ends that the host supplies. Only what is touched of it costs anything.
  private static final int END = 32 << 20;

  private int next = START;

  /// Bytes that are left.
  int left() {
    return END - next;
  }

  /// Where the next block begins.
  int top() {
    return next;
  }

  /// Takes `bytes` at [#top], rounded up to 8, or returns -1 when they are not left.
  int take(int bytes) {
    int rounded = (bytes + 7) & -8;
    if (bytes < 0 || rounded > left()) {
      return -1;
    }
    int at = next;
    next += rounded;
    return at;
  }

  static byte getByte(int at) {
    return Address.fromInt(at).getByte();
  }

  static void putByte(int at, int value) {
    Address.fromInt(at).putByte((byte) value);
  }

  static int getInt(int at) {
    return Address.fromInt(at).getInt();
  }

  static void putInt(int at, int value) {
    Address.fromInt(at).putInt(value);
  }

  static void putFloat(int at, float value) {
    Address.fromInt(at).putFloat(value);
  }
}

package ai.realm.guest;

/// Holds generated text back while it may be the beginning of a stop text, across token borders.
final class StopTexts {
  private final byte[][] stops;
  private final int longest;

  /// Text that is not yet emitted, at most the longest stop text and one token.
  private byte[] held = new byte[256];

  private int length;

  StopTexts(byte[][] stops) {
    this.stops = stops;
    int most = 0;
    for (byte[] stop : stops) {
      most = Math.max(most, stop.length);
    }
    longest = most;
  }

  boolean isEmpty() {
    return stops.length == 0;
  }

  /// Appends what a token adds.
  void append(byte b) {
    if (length == held.length) {
      byte[] larger = new byte[length * 2];
      for (int i = 0; i < length; i++) {
        larger[i] = held[i];
      }
      held = larger;
    }
    held[length++] = b;
  }

  /// Where the earliest stop text begins in the held text, or -1.
  int find() {
    for (int at = 0; at < length; at++) {
      for (byte[] stop : stops) {
        if (stop.length > 0 && at + stop.length <= length && matches(stop, at, stop.length)) {
          return at;
        }
      }
    }
    return -1;
  }

  /// How many of the held bytes can go out: up to where a stop text may have begun, and never half a
  /// UTF-8 character.
  int ready() {
    int end = length;
    for (int at = Math.max(0, length - longest + 1); at < length && end == length; at++) {
      for (byte[] stop : stops) {
        if (matches(stop, at, Math.min(stop.length, length - at)) && at < end) {
          end = at;
        }
      }
    }
    return wholeCharacters(end);
  }

  private int wholeCharacters(int end) {
    int start = end - 1;
    while (start >= 0 && end - start < 4 && (held[start] & 0xc0) == 0x80) {
      start--;
    }
    if (start < 0) {
      return end;
    }
    int lead = held[start] & 0xff;
    int expected = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return end - start < expected ? start : end;
  }

  private boolean matches(byte[] stop, int at, int count) {
    for (int i = 0; i < count; i++) {
      if (held[at + i] != stop[i]) {
        return false;
      }
    }
    return true;
  }

  int length() {
    return length;
  }

  /// Moves the first `count` held bytes to linear memory.
  void moveTo(int address, int count) {
    for (int i = 0; i < count; i++) {
      Arena.putByte(address + i, held[i]);
    }
    for (int i = count; i < length; i++) {
      held[i - count] = held[i];
    }
    length -= count;
  }
}

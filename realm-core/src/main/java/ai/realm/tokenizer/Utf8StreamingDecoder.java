package ai.realm.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// Holds back the bytes of an unfinished UTF-8 character until the token that completes it. Bytes that
/// can begin no character become U+FFFD at once.
final class Utf8StreamingDecoder implements StreamingDecoder {
  private final Tokenizer tokenizer;
  private boolean stripSpace;
  private byte[] pending = new byte[0];

  Utf8StreamingDecoder(Tokenizer tokenizer, boolean stripSpace) {
    this.tokenizer = tokenizer;
    this.stripSpace = stripSpace;
  }

  @Override
  public String accept(int token) {
    byte[] piece = tokenizer.tokenBytes(token);
    int skip = stripSpace && piece.length > 0 && piece[0] == ' ' ? 1 : 0;
    stripSpace = false;
    if (piece.length == skip) {
      return "";
    }
    byte[] all = Arrays.copyOf(pending, pending.length + piece.length - skip);
    System.arraycopy(piece, skip, all, pending.length, piece.length - skip);
    int complete = all.length - unfinished(all);
    pending = Arrays.copyOfRange(all, complete, all.length);
    return new String(all, 0, complete, StandardCharsets.UTF_8);
  }

  @Override
  public String finish() {
    String rest = new String(pending, StandardCharsets.UTF_8);
    pending = new byte[0];
    return rest;
  }

  /// Number of bytes at the end that begin a character and do not complete it: 0 to 3.
  private static int unfinished(byte[] bytes) {
    for (int back = 1; back <= Math.min(3, bytes.length); back++) {
      int b = bytes[bytes.length - back] & 0xff;
      if (b >= 0xc0) {
        int length = b >= 0xf8 ? 1 : b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : 2;
        return length > back ? back : 0;
      }
      if (b < 0x80) {
        return 0;
      }
    }
    return 0;
  }
}

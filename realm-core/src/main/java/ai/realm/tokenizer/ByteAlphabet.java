package ai.realm.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// The printable characters that GPT-2's vocabulary writes bytes with: `!` to `~`, `¡` to `¬` and `®`
/// to `ÿ` stand for themselves, the other 68 bytes are U+0100 onwards. See `bytes_to_unicode` in
/// GPT-2's encoder.py.
final class ByteAlphabet {
  private static final byte[][] TEXTS = texts();
  private static final short[] BYTES = bytes();

  private ByteAlphabet() {}

  private static int character(int b, int others) {
    boolean printable =
        (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
    return printable ? b : 256 + others;
  }

  private static byte[][] texts() {
    byte[][] texts = new byte[256][];
    int others = 0;
    for (int b = 0; b < 256; b++) {
      int cp = character(b, others);
      others += cp >= 256 ? 1 : 0;
      texts[b] = Character.toString(cp).getBytes(StandardCharsets.UTF_8);
    }
    return texts;
  }

  private static short[] bytes() {
    short[] bytes = new short[256 + 68];
    Arrays.fill(bytes, (short) -1);
    int others = 0;
    for (int b = 0; b < 256; b++) {
      int cp = character(b, others);
      others += cp >= 256 ? 1 : 0;
      bytes[cp] = (short) b;
    }
    return bytes;
  }

  /// The UTF-8 of the character that stands for a byte: one or two bytes.
  static byte[] text(int b) {
    return TEXTS[b];
  }

  /// The bytes that a text of the alphabet stands for, or null when it has other characters.
  static byte @Nullable [] decode(byte[] text) {
    byte[] out = new byte[text.length];
    int n = 0;
    for (int i = 0; i < text.length; n++) {
      int cp = text[i];
      if (cp >= 0) {
        i++;
      } else if ((cp & 0xe0) == 0xc0 && i + 1 < text.length) {
        cp = (cp & 0x1f) << 6 | text[i + 1] & 0x3f;
        i += 2;
      } else {
        return null;
      }
      if (cp >= BYTES.length || BYTES[cp] < 0) {
        return null;
      }
      out[n] = (byte) BYTES[cp];
    }
    return Arrays.copyOf(out, n);
  }
}

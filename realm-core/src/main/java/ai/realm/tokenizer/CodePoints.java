package ai.realm.tokenizer;

import java.text.Normalizer;

/// Kinds of Unicode characters as llama.cpp's pre-tokenizers see them. Characters that came after
/// Unicode 15.1, on which its tables stand, count as unassigned: which tokens a text has must not
/// depend on the JDK.
final class CodePoints {
  /// `\p{L}`
  static final int LETTER = 1;

  /// `\p{N}`
  static final int NUMBER = 1 << 1;

  /// `\p{P}`
  static final int PUNCTUATION = 1 << 2;

  /// `\p{M}`
  static final int MARK = 1 << 3;

  /// `\p{S}`; not the tilde, which llama.cpp's table for ASCII lacks.
  static final int SYMBOL = 1 << 4;

  /// `\s`
  static final int SPACE = 1 << 5;

  /// `[\r\n]`
  static final int LINE_BREAK = 1 << 6;

  private static final byte[] ASCII = ascii();

  /// Ranges with characters that are newer than Unicode 15.1, and older holes.
  private static final int[] NEWER = {
    0x897, 0x897, 0x1b4e, 0x1b4f, 0x1b7f, 0x1b7f, 0x1c89, 0x1c8a, 0x2427, 0x2429, 0x31e4, 0x31e5,
    0xa7cb, 0xa7cd, 0xa7da, 0xa7dc, 0x105c0, 0x105f3, 0x10d40, 0x10d8f, 0x10ec2, 0x10efc, 0x11380,
    0x113e2, 0x116d0, 0x116e3, 0x11bc0, 0x11bf9, 0x11f5a, 0x11f5a, 0x13460, 0x143fa, 0x16100,
    0x16139, 0x16d40, 0x16d79, 0x18cff, 0x18cff, 0x1cc00, 0x1ceb3, 0x1e5d0, 0x1e5ff, 0x1f8b2,
    0x1f8c1, 0x1fa89, 0x1fa8f, 0x1fabe, 0x1fabe, 0x1fac6, 0x1fac6, 0x1fadc, 0x1fadf, 0x1fae9,
    0x1fae9, 0x1fbcb, 0x1fbef
  };

  private CodePoints() {}

  private static byte[] ascii() {
    byte[] kinds = new byte[128];
    for (int c = 0; c < 128; c++) {
      kinds[c] = (byte) category(c);
    }
    for (char c : "\t\u000b\f\r\n ".toCharArray()) {
      kinds[c] = SPACE;
    }
    kinds['\r'] |= LINE_BREAK;
    kinds['\n'] |= LINE_BREAK;
    kinds['~'] = 0;
    return kinds;
  }

  /// The kind of a character: one of the bits above or 0, and for line breaks two of them.
  static int kind(int cp) {
    if (cp < 128) {
      return ASCII[cp];
    }
    if (isSpace(cp)) {
      return SPACE;
    }
    return isNewer(cp) ? 0 : category(cp);
  }

  static int asciiKind(byte b) {
    return ASCII[b];
  }

  private static boolean isSpace(int cp) {
    return cp == 0x85
        || cp == 0xa0
        || cp == 0x1680
        || (cp >= 0x2000 && cp <= 0x200a)
        || cp == 0x2028
        || cp == 0x2029
        || cp == 0x202f
        || cp == 0x205f
        || cp == 0x3000;
  }

  private static int category(int cp) {
    return switch (Character.getType(cp)) {
      case Character.UPPERCASE_LETTER,
          Character.LOWERCASE_LETTER,
          Character.TITLECASE_LETTER,
          Character.MODIFIER_LETTER,
          Character.OTHER_LETTER ->
          LETTER;
      case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER ->
          NUMBER;
      case Character.DASH_PUNCTUATION,
          Character.START_PUNCTUATION,
          Character.END_PUNCTUATION,
          Character.CONNECTOR_PUNCTUATION,
          Character.OTHER_PUNCTUATION,
          Character.INITIAL_QUOTE_PUNCTUATION,
          Character.FINAL_QUOTE_PUNCTUATION ->
          PUNCTUATION;
      case Character.NON_SPACING_MARK, Character.ENCLOSING_MARK, Character.COMBINING_SPACING_MARK ->
          MARK;
      case Character.MATH_SYMBOL,
          Character.CURRENCY_SYMBOL,
          Character.MODIFIER_SYMBOL,
          Character.OTHER_SYMBOL ->
          SYMBOL;
      default -> 0;
    };
  }

  /// Whether the character is a control, format, private-use or surrogate character.
  static boolean isControl(int cp) {
    return !isNewer(cp)
        && switch (Character.getType(cp)) {
          case Character.CONTROL, Character.FORMAT, Character.PRIVATE_USE, Character.SURROGATE ->
              true;
          default -> false;
        };
  }

  private static boolean isNewer(int cp) {
    for (int i = 0; i < NEWER.length && cp >= NEWER[i]; i += 2) {
      if (cp <= NEWER[i + 1]) {
        return true;
      }
    }
    return false;
  }

  /// Whether the character is one of the Chinese ones, as Kimi's pre-tokenizer counts them.
  static boolean isHan(int cp) {
    return (cp >= 0x4e00 && cp <= 0x9fff)
        || (cp >= 0x3400 && cp <= 0x4dbf)
        || (cp >= 0x20000 && cp <= 0x2a6df)
        || (cp >= 0x2a700 && cp <= 0x2ebef)
        || (cp >= 0xf900 && cp <= 0xfaff)
        || (cp >= 0x2f800 && cp <= 0x2fa1f);
  }

  /// The first character of the canonical decomposition.
  static int base(int cp) {
    if (cp < 0xc0 || isNewer(cp) || (cp >= 0xd800 && cp < 0xe000)) {
      return cp;
    }
    return Normalizer.normalize(Character.toString(cp), Normalizer.Form.NFD).codePointAt(0);
  }

  static int lowerCase(int cp) {
    return isNewer(cp) ? cp : Character.toLowerCase(cp);
  }

  /// Number of UTF-8 bytes of a character.
  static int utf8Length(int cp) {
    return cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
  }
}

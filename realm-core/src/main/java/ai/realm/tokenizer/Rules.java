package ai.realm.tokenizer;

import static ai.realm.tokenizer.CodePoints.LETTER;
import static ai.realm.tokenizer.CodePoints.LINE_BREAK;
import static ai.realm.tokenizer.CodePoints.MARK;
import static ai.realm.tokenizer.CodePoints.NUMBER;
import static ai.realm.tokenizer.CodePoints.PUNCTUATION;
import static ai.realm.tokenizer.CodePoints.SPACE;
import static ai.realm.tokenizer.CodePoints.SYMBOL;

/// The alternatives that the pre-tokenizers' patterns are made of, each with its regular expression.
/// They read every character a bounded number of times and use no stack.
final class Rules {
  private static final int NONE = -1;

  private Rules() {}

  /// `'s|'t|'re|'ve|'m|'ll|'d`
  static Rule contraction() {
    return (t, at, to) -> contractionEnd(t, at, to, false);
  }

  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)`
  static Rule anyCaseContraction() {
    return (t, at, to) -> contractionEnd(t, at, to, true);
  }

  private static int contractionEnd(CodePointText t, int at, int to, boolean anyCase) {
    if (at + 1 >= to || t.codePoint[at] != '\'') {
      return NONE;
    }
    int a = letter(t, at + 1, anyCase);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') {
      return at + 2;
    }
    if (at + 2 >= to) {
      return NONE;
    }
    int b = letter(t, at + 2, anyCase);
    boolean match = (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l');
    return match ? at + 3 : NONE;
  }

  private static int letter(CodePointText t, int at, boolean anyCase) {
    int cp = t.codePoint[at];
    return anyCase && cp >= 'A' && cp <= 'Z' ? cp + ('a' - 'A') : cp;
  }

  /// ` ?[kinds]+`
  static Rule spaced(int kinds) {
    return (t, at, to) -> {
      int start = t.codePoint[at] == ' ' ? at + 1 : at;
      int end = t.skip(start, to, kinds);
      return end > start ? end : NONE;
    };
  }

  /// ` ?[^kinds]+`; `kinds` has the space.
  static Rule spacedOther(int kinds) {
    return (t, at, to) -> otherEnd(t, at, to, kinds);
  }

  private static int otherEnd(CodePointText t, int at, int to, int kinds) {
    int start = t.codePoint[at] == ' ' ? at + 1 : at;
    int end = t.skipOther(start, to, kinds);
    return end > start ? end : NONE;
  }

  /// ` ?[^kinds]+[\r\n]*`
  static Rule spacedOtherAndBreaks(int kinds) {
    return (t, at, to) -> {
      int end = otherEnd(t, at, to, kinds);
      return end < 0 ? NONE : t.skip(end, to, LINE_BREAK);
    };
  }

  /// ` ?[^\s\p{L}\p{N}]+[\r\n/]*`
  static Rule spacedOtherAndBreaksOrSlashes() {
    return (t, at, to) -> {
      int end = otherEnd(t, at, to, SPACE | LETTER | NUMBER);
      while (end > 0 && end < to && (t.is(end, LINE_BREAK) || t.codePoint[end] == '/')) {
        end++;
      }
      return end;
    };
  }

  /// ` ?[^\s\p{L}\p{N}]+[\r\n/]?`
  static Rule spacedOtherAndOneBreakOrSlash() {
    return (t, at, to) -> {
      int end = otherEnd(t, at, to, SPACE | LETTER | NUMBER);
      boolean more = end > 0 && end < to && (t.is(end, LINE_BREAK) || t.codePoint[end] == '/');
      return more ? end + 1 : end;
    };
  }

  /// ` ?[\p{P}\p{S}]+[\r\n]*`
  static Rule punctuationAndBreaks() {
    return (t, at, to) -> {
      int start = t.codePoint[at] == ' ' ? at + 1 : at;
      int end = t.skip(start, to, PUNCTUATION | SYMBOL);
      return end > start ? t.skip(end, to, LINE_BREAK) : NONE;
    };
  }

  /// `[^\r\n not]?[kinds]+`
  static Rule prefixed(int not, int kinds) {
    return (t, at, to) -> {
      if (!t.is(at, LINE_BREAK | not) && at + 1 < to && t.is(at + 1, kinds)) {
        return t.skip(at + 1, to, kinds);
      }
      return t.is(at, kinds) ? t.skip(at, to, kinds) : NONE;
    };
  }

  /// `[^\r\n\p{L}\p{N}]?[kinds]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?`
  static Rule prefixedWithContraction(int kinds) {
    Rule word = prefixed(LETTER | NUMBER, kinds);
    return (t, at, to) -> withContraction(t, word.end(t, at, to), to);
  }

  private static int withContraction(CodePointText t, int end, int to) {
    if (end < 0) {
      return NONE;
    }
    int more = contractionEnd(t, end, to, true);
    return more < 0 ? end : more;
  }

  /// `[^\r\n\p{L}\p{N}]?U*l+|[^\r\n\p{L}\p{N}]?U+l*` with U the letters less a–z, l the letters less
  /// A–Z.
  static Rule caseWord() {
    return (t, at, to) -> {
      boolean prefix = !t.is(at, LINE_BREAK | LETTER | NUMBER);
      int start = prefix ? at + 1 : at;
      return start < to && t.is(start, LETTER) ? caseWordEnd(t, start, to) : NONE;
    };
  }

  private static int caseWordEnd(CodePointText t, int start, int to) {
    int upper = start;
    while (upper < to && t.is(upper, LETTER) && !isAsciiLower(t.codePoint[upper])) {
      upper++;
    }
    if (upper < to && t.is(upper, LETTER)) {
      int end = upper;
      while (end < to && t.is(end, LETTER) && !isAsciiUpper(t.codePoint[end])) {
        end++;
      }
      return end;
    }
    // U+ ran to the end of the letters: it gives back until what follows is in l.
    for (int last = upper - 1; last >= start; last--) {
      if (!isAsciiUpper(t.codePoint[last])) {
        return last + 1;
      }
    }
    return upper;
  }

  private static boolean isAsciiLower(int cp) {
    return cp >= 'a' && cp <= 'z';
  }

  private static boolean isAsciiUpper(int cp) {
    return cp >= 'A' && cp <= 'Z';
  }

  /// [#caseWord], then `(?i:'s|'t|'re|'ve|'m|'ll|'d)?`
  static Rule caseWordWithContraction() {
    Rule word = caseWord();
    return (t, at, to) -> withContraction(t, word.end(t, at, to), to);
  }

  /// `\p{Han}+`
  static Rule han() {
    return (t, at, to) -> {
      int end = at;
      while (end < to && CodePoints.isHan(t.codePoint[end])) {
        end++;
      }
      return end;
    };
  }

  /// `[^\r\n\p{L}\p{N}]?[\p{L}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?`
  static Rule wordWithoutHan() {
    return (t, at, to) -> {
      int start = t.is(at, LINE_BREAK | LETTER | NUMBER) ? at : at + 1;
      int end = start;
      while (end < to && t.is(end, LETTER) && !CodePoints.isHan(t.codePoint[end])) {
        end++;
      }
      return end > start ? withContraction(t, end, to) : NONE;
    };
  }

  /// `[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+`: words with single spaces between them.
  static Rule phrase() {
    return (t, at, to) -> {
      int start = t.is(at, LINE_BREAK | LETTER | NUMBER) ? at : at + 1;
      if (start >= to || !t.is(start, LETTER)) {
        return NONE;
      }
      int end = start + 1;
      while (end < to) {
        if (t.is(end, LETTER | MARK)) {
          end++;
        } else if (t.codePoint[end] == ' ' && end + 1 < to && t.is(end + 1, LETTER)) {
          end += 2;
        } else {
          break;
        }
      }
      return end;
    };
  }

  /// `[ASCII punctuation][A-Za-z]+`
  static Rule punctuatedAsciiWord() {
    return (t, at, to) -> {
      int c = t.codePoint[at];
      boolean punctuation =
          (c >= '!' && c <= '/')
              || (c >= ':' && c <= '@')
              || (c >= '[' && c <= '`')
              || (c >= '{' && c <= '~');
      if (!punctuation) {
        return NONE;
      }
      int end = at + 1;
      while (end < to && (isAsciiLower(t.codePoint[end]) || isAsciiUpper(t.codePoint[end]))) {
        end++;
      }
      return end > at + 1 ? end : NONE;
    };
  }

  /// `[kinds]{1,most}`
  static Rule upTo(int most, int kinds) {
    return (t, at, to) -> t.skip(at, Math.min(to, at + most), kinds);
  }

  /// `[kinds]+`
  static Rule run(int kinds) {
    return (t, at, to) -> t.skip(at, to, kinds);
  }

  /// `\s*[\r\n]+`
  static Rule breaks() {
    return (t, at, to) -> {
      if (!t.is(at, SPACE)) {
        return NONE;
      }
      int end = t.skip(at, to, SPACE);
      while (end > at && !t.is(end - 1, LINE_BREAK)) {
        end--;
      }
      return end;
    };
  }

  /// `\s+(?!\S)`
  static Rule spacesBeforeSpace() {
    return (t, at, to) -> {
      int end = t.skip(at, to, SPACE);
      return end == to ? end : end - 1;
    };
  }

  /// `\s+`
  static Rule spaces() {
    return run(SPACE);
  }

  /// `\s+$`
  static Rule spacesAtEnd() {
    return (t, at, to) -> {
      int end = t.skip(at, to, SPACE);
      return end == to ? end : -end - 1;
    };
  }

  /// `\s{512}(?!\S)|\s{256}(?!\S)|…|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}`
  static Rule spacesByPowersOfTwo() {
    return (t, at, to) -> {
      int end = t.skip(at, Math.min(to, at + 513), SPACE);
      int beforeSpace = end == to ? end - at : end - at - 1;
      if (beforeSpace >= 4) {
        return at + Math.min(512, Integer.highestOneBit(beforeSpace));
      }
      return beforeSpace > 0 ? at + Math.min(2, beforeSpace) : end;
    };
  }

  /// `[set]+`
  static Rule run(CodePointSet set) {
    return (t, at, to) -> setEnd(t, at, to, set);
  }

  /// `\s?[set]+`
  static Rule spacedRun(CodePointSet set) {
    return (t, at, to) -> {
      if (t.is(at, SPACE)) {
        int end = setEnd(t, at + 1, to, set);
        if (end > at + 1) {
          return end;
        }
      }
      return setEnd(t, at, to, set);
    };
  }

  private static int setEnd(CodePointText t, int at, int to, CodePointSet set) {
    int end = at;
    while (end < to && set.contains(t.codePoint[end], t.kind[end])) {
      end++;
    }
    return end;
  }

  /// ` ?[^set\s]+`
  static Rule spacedRunOutside(CodePointSet set) {
    return (t, at, to) -> {
      int start = t.codePoint[at] == ' ' ? at + 1 : at;
      int end = start;
      while (end < to && !t.is(end, SPACE) && !set.contains(t.codePoint[end], t.kind[end])) {
        end++;
      }
      return end > start ? end : NONE;
    };
  }

  /// `[set]`
  static Rule one(CodePointSet set) {
    return (t, at, to) -> set.contains(t.codePoint[at], t.kind[at]) ? at + 1 : NONE;
  }

  /// `[set]{count}`
  static Rule exactly(int count, CodePointSet set) {
    return (t, at, to) -> {
      int end = setEnd(t, at, Math.min(to, at + count), set);
      return end == at + count ? end : NONE;
    };
  }

  /// `literal`
  static Rule literal(String ascii) {
    return (t, at, to) -> literalEnd(t, at, to, ascii);
  }

  private static int literalEnd(CodePointText t, int at, int to, String ascii) {
    if (to - at < ascii.length()) {
      return NONE;
    }
    for (int i = 0; i < ascii.length(); i++) {
      if (t.codePoint[at + i] != ascii.charAt(i)) {
        return NONE;
      }
    }
    return at + ascii.length();
  }

  /// `literal[set]{1,most}last`
  static Rule enclosed(String literal, CodePointSet set, int most, char last) {
    return (t, at, to) -> {
      int start = literalEnd(t, at, to, literal);
      if (start < 0) {
        return NONE;
      }
      int end = setEnd(t, start, (int) Math.min(to, (long) start + most), set);
      return end > start && end < to && t.codePoint[end] == last ? end + 1 : NONE;
    };
  }
}

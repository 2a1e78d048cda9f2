package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.List;

/// Regular expressions as ECMA-262 writes them (with the `u` flag), as far as they are regular: no
/// look-around, no back references, no word borders. Laziness does not change what matches, so it is
/// read and dropped. Anchors may stand at the ends of the pattern's outermost alternatives.
final class RegexParser {
  private static final CodePoints DIGITS = CodePoints.of('0', '9');
  private static final CodePoints WORD =
      CodePoints.ofRanges('a', 'z', 'A', 'Z', '0', '9', '_', '_');

  /// Space everywhere; other dialects than ECMA's know only this much.
  private static final CodePoints PLAIN_SPACE = CodePoints.ofRanges(9, 13, 32, 32);

  private static final CodePoints SPACE =
      CodePoints.ofRanges(
          9, 13, 32, 32, 0xA0, 0xA0, 0x1680, 0x1680, 0x2000, 0x200A, 0x2028, 0x2029, 0x202F, 0x202F,
          0x205F, 0x205F, 0x3000, 0x3000, 0xFEFF, 0xFEFF);
  private static final CodePoints LINE_ENDS =
      CodePoints.ofRanges('\n', '\n', '\r', '\r', 0x85, 0x85, 0x2028, 0x2029);

  private final String text;
  private final Budget budget;

  /// What errors begin with.
  private final String where;

  private int at;

  private RegexParser(String text, Budget budget, String where) {
    this.text = text;
    this.budget = budget;
    this.where = where;
  }

  /// Rules of the texts that match as a whole, with or without anchors.
  static RuleSet rules(String pattern, Budget budget) {
    RuleSet rules = new RuleSet(budget);
    rules.root(rules.rule("root", parse(pattern, budget, false, "pattern")).rule());
    return rules;
  }

  /// The texts that a match is found in, as JSON Schema asks for.
  ///
  /// @param place of the pattern in the schema
  static Expr parse(String pattern, String place, Budget budget) {
    return parse(pattern, budget, true, Budget.where(place));
  }

  /// @param search whether a match anywhere in the text is enough
  private static Expr parse(String pattern, Budget budget, boolean search, String where) {
    budget.source(pattern);
    RegexParser p = new RegexParser(pattern, budget, where);
    List<Expr> all = new ArrayList<>();
    do {
      if (!all.isEmpty()) {
        p.at++;
      }
      boolean anchored = p.peek() == '^';
      if (anchored) {
        p.at++;
      }
      Expr body = p.sequence(0);
      boolean closed = p.peek() == '$';
      if (closed) {
        p.at++;
      }
      Expr any = Expr.star(new Expr.Chars(CodePoints.ALL));
      all.add(
          Expr.sequence(
              search && !anchored ? any : Expr.EMPTY, body, search && !closed ? any : Expr.EMPTY));
    } while (p.peek() == '|');
    if (p.at < pattern.length()) {
      throw p.error("the end");
    }
    return Expr.choice(all);
  }

  private Expr alternatives(int depth) {
    budget.depth(depth);
    List<Expr> all = new ArrayList<>();
    all.add(sequence(depth));
    while (peek() == '|') {
      at++;
      all.add(sequence(depth));
    }
    return Expr.choice(all);
  }

  private Expr sequence(int depth) {
    List<Expr> parts = new ArrayList<>();
    while (at < text.length()) {
      char c = peek();
      if (c == '|' || c == ')' || c == '$' && depth == 0) {
        break;
      }
      parts.add(quantified(atom(depth)));
    }
    return parts.size() == 1 ? parts.getFirst() : new Expr.Sequence(List.copyOf(parts));
  }

  private Expr atom(int depth) {
    int c = text.codePointAt(at);
    at += Character.charCount(c);
    return switch (c) {
      case '.' -> new Expr.Chars(LINE_ENDS.not());
      case '[' -> new Expr.Chars(charClass());
      case '(' -> group(depth);
      case '\\' -> new Expr.Chars(escape(false, false));
      case '^', '$' -> {
        at--;
        throw unsupported("an anchor inside the pattern");
      }
      case '*', '+', '?', '{' -> {
        at--;
        throw error("something to repeat");
      }
      default -> new Expr.Chars(CodePoints.of(c));
    };
  }

  private Expr group(int depth) {
    if (peek() == '?') {
      at++;
      if (peek() == ':') {
        at++;
      } else if (peek() == '<'
          && at + 1 < text.length()
          && Character.isLetter(text.charAt(at + 1))) {
        int close = text.indexOf('>', at);
        if (close < 0) {
          throw error("'>'");
        }
        at = close + 1;
      } else {
        throw unsupported("look-around");
      }
    }
    Expr body = alternatives(depth + 1);
    if (peek() != ')') {
      throw error("')'");
    }
    at++;
    return body;
  }

  private Expr quantified(Expr atom) {
    int min;
    int max;
    switch (peek()) {
      case '*' -> {
        min = 0;
        max = Expr.Repeat.UNBOUNDED;
      }
      case '+' -> {
        min = 1;
        max = Expr.Repeat.UNBOUNDED;
      }
      case '?' -> {
        min = 0;
        max = 1;
      }
      case '{' -> {
        at++;
        min = integer();
        max = min;
        if (peek() == ',') {
          at++;
          max = peek() == '}' ? Expr.Repeat.UNBOUNDED : integer();
        }
        if (peek() != '}' || max < min) {
          throw error("a repetition such as {2,5}");
        }
      }
      default -> {
        return atom;
      }
    }
    at++;
    if (peek() == '?') {
      at++;
    }
    if ("*+{".indexOf(peek()) >= 0 && at < text.length()) {
      throw error("one repetition at a time");
    }
    return new Expr.Repeat(atom, min, max);
  }

  private int integer() {
    int from = at;
    while (peek() >= '0' && peek() <= '9') {
      at++;
    }
    if (at == from || at - from > 6) {
      throw error("a number of repetitions");
    }
    return Integer.parseInt(text, from, at, 10);
  }

  private CodePoints charClass() {
    boolean negated = peek() == '^';
    if (negated) {
      at++;
    }
    CodePoints set = CodePoints.NONE;
    while (peek() != ']') {
      CodePoints first = member(negated);
      if (peek() == '-' && at + 1 < text.length() && text.charAt(at + 1) != ']') {
        at++;
        CodePoints last = member(negated);
        if (first.ranges() != 1
            || last.ranges() != 1
            || first.first(0) != first.last(0)
            || last.first(0) != last.last(0)
            || first.first(0) > last.first(0)) {
          throw error("a range of characters in order");
        }
        first = CodePoints.of(first.first(0), last.first(0));
      }
      set = set.or(first);
      budget.time();
    }
    at++;
    return negated ? set.not() : set;
  }

  private CodePoints member(boolean negated) {
    if (at >= text.length()) {
      throw error("']'");
    }
    int c = text.codePointAt(at);
    at += Character.charCount(c);
    return c == '\\' ? escape(true, negated) : CodePoints.of(c);
  }

  /// Where dialects differ, the narrower set, or the wider one where it is negated.
  private CodePoints escape(boolean inClass, boolean negated) {
    char c = peek();
    at++;
    return switch (c) {
      case 'd' -> DIGITS;
      case 'D' -> DIGITS.not();
      case 'w' -> WORD;
      case 'W' -> WORD.not();
      case 's' -> negated ? SPACE : PLAIN_SPACE;
      case 'S' -> (negated ? PLAIN_SPACE : SPACE).not();
      case 't' -> CodePoints.of('\t');
      case 'n' -> CodePoints.of('\n');
      case 'r' -> CodePoints.of('\r');
      case 'f' -> CodePoints.of('\f');
      case 'v' -> CodePoints.of(0x0B);
      case '0' -> CodePoints.of(0);
      case 'x' -> CodePoints.of(hex(2));
      case 'u' -> CodePoints.of(unicode());
      case 'b' -> {
        if (!inClass) {
          throw unsupported("a word border");
        }
        yield CodePoints.of('\b');
      }
      default -> {
        if (at > text.length() || Character.isLetterOrDigit(c)) {
          at--;
          throw unsupported("the escape \\" + (at < text.length() ? c : ""));
        }
        yield CodePoints.of(c);
      }
    };
  }

  private int unicode() {
    if (peek() == '{') {
      int close = text.indexOf('}', at);
      if (close < 0 || close - at > 7 || close - at < 2) {
        throw error("a code point such as \\u{1F999}");
      }
      at++;
      int value = hex(close - at);
      at++;
      if (!Character.isValidCodePoint(value)) {
        throw error("a code point up to 10FFFF");
      }
      return value;
    }
    int value = hex(4);
    if (Character.isHighSurrogate((char) value) && text.startsWith("\\u", at)) {
      int second = at;
      at += 2;
      char low = peek() == '{' ? 0 : (char) hex(4);
      if (Character.isLowSurrogate(low)) {
        return Character.toCodePoint((char) value, low);
      }
      at = second;
    }
    return value;
  }

  private int hex(int digits) {
    int value = 0;
    for (int i = 0; i < digits; i++, at++) {
      int digit = Character.digit(peek(), 16);
      if (digit < 0) {
        throw error(digits + " hexadecimal digits");
      }
      value = value << 4 | digit;
    }
    return value;
  }

  private char peek() {
    return at < text.length() ? text.charAt(at) : 0;
  }

  private GrammarException error(String expected) {
    return GrammarException.invalid(
        "%s: expected %s at character %d".formatted(where, expected, Math.min(at, text.length())));
  }

  private GrammarException unsupported(String what) {
    return GrammarException.unsupported(
        "%s: %s at character %d cannot be followed byte by byte"
            .formatted(where, what, Math.min(at, text.length())));
  }
}

package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.List;

/// Reads the regular part of ECMA 262 regular expressions: literals, classes, groups, alternatives,
/// quantifiers, `^` at the begin and `$` at the end. Lookaround and back references are refused. A
/// pattern without anchors matches anywhere, as in JSON Schema.
final class RegexParser {
  private static final int MAX_DEPTH = 100;
  private static final CharSet DIGIT = CharSet.of('0', '9');
  private static final CharSet WORD =
      CharSet.union(List.of(new int[] {'0', '9'}, new int[] {'A', 'Z'}, new int[] {'a', 'z'}))
          .or(CharSet.of("_"));

  /// What every dialect counts as white space, and what any does: a text must match by all of them.
  private static final CharSet SPACE = CharSet.of(" \t\n\u000b\f\r");

  private static final CharSet ANY_SPACE =
      SPACE
          .or(CharSet.of("\u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"))
          .or(CharSet.of(0x2000, 0x200a));

  private static final CharSet ANY = CharSet.of("\n\r\u0085\u2028\u2029").not();

  private final String source;
  private int at;
  private int depth;

  private RegexParser(String source) {
    this.source = source;
  }

  /// The texts that a pattern matches somewhere; where it is anchored, there only.
  static Node parse(String source) {
    RegexParser parser = new RegexParser(source);
    List<Node> options = new ArrayList<>();
    do {
      options.add(parser.anchored());
    } while (parser.accept('|'));
    if (parser.at < source.length()) {
      throw parser.error("expected the end of the pattern");
    }
    return options.size() == 1 ? options.getFirst() : new Node.Choice(options);
  }

  private GrammarException error(String message) {
    return GrammarException.invalid("pattern at %d: %s".formatted(at, message));
  }

  private boolean accept(char c) {
    if (at < source.length() && source.charAt(at) == c) {
      at++;
      return true;
    }
    return false;
  }

  private Node anchored() {
    Node all = Node.any(new Node.Chars(CharSet.ALL));
    boolean begin = accept('^');
    Node body = sequence();
    boolean end = accept('$');
    List<Node> items = new ArrayList<>();
    if (!begin) {
      items.add(all);
    }
    items.add(body);
    if (!end) {
      items.add(all);
    }
    return new Node.Sequence(items);
  }

  private Node alternatives() {
    if (++depth > MAX_DEPTH) {
      throw GrammarException.limit(
          "pattern: expected groups nested at most " + MAX_DEPTH + " deep");
    }
    List<Node> options = new ArrayList<>();
    do {
      options.add(sequence());
    } while (accept('|'));
    depth--;
    return options.size() == 1 ? options.getFirst() : new Node.Choice(options);
  }

  private Node sequence() {
    List<Node> items = new ArrayList<>();
    while (at < source.length()) {
      char c = source.charAt(at);
      if (c == '|' || c == ')' || (c == '$' && depth == 0)) {
        break;
      }
      if (c == '^' || c == '$') {
        throw GrammarException.unsupported(
            "pattern at %d: anchors are supported at its begin and end only".formatted(at));
      }
      items.add(quantified(atom()));
    }
    return new Node.Sequence(items);
  }

  private Node atom() {
    if (accept('(')) {
      if (accept('?') && !accept(':')) {
        if (!accept('<') || at >= source.length() || "=!".indexOf(source.charAt(at)) >= 0) {
          throw GrammarException.unsupported(
              "pattern at %d: lookaround is not supported".formatted(at));
        }
        int end = source.indexOf('>', at);
        if (end < 0) {
          throw error("expected > to end a group's name");
        }
        at = end + 1;
      }
      Node group = alternatives();
      if (!accept(')')) {
        throw error("expected )");
      }
      return group;
    }
    if (accept('[')) {
      return new Node.Chars(characterClass());
    }
    if (accept('.')) {
      return new Node.Chars(ANY);
    }
    if (accept('\\')) {
      return new Node.Chars(escape(false, false));
    }
    int c = source.codePointAt(at);
    if ("*+?{".indexOf(c) >= 0) {
      throw error("expected something to repeat");
    }
    at += Character.charCount(c);
    return new Node.Chars(CharSet.of(c, c));
  }

  private Node quantified(Node item) {
    int min;
    int max;
    if (accept('*')) {
      min = 0;
      max = -1;
    } else if (accept('+')) {
      min = 1;
      max = -1;
    } else if (accept('?')) {
      min = 0;
      max = 1;
    } else if (accept('{')) {
      min = number();
      max = min;
      if (accept(',')) {
        max = at < source.length() && source.charAt(at) == '}' ? -1 : number();
      }
      if (!accept('}')) {
        throw error("expected }");
      }
      if (max >= 0 && max < min) {
        throw error("expected a repetition whose maximum is at least " + min);
      }
    } else {
      return item;
    }
    accept('?');
    if (at < source.length() && "*+{".indexOf(source.charAt(at)) >= 0) {
      throw error("expected one quantifier");
    }
    return new Node.Repeat(item, min, max);
  }

  private int number() {
    int from = at;
    while (at < source.length() && source.charAt(at) >= '0' && source.charAt(at) <= '9') {
      at++;
    }
    if (from == at || at - from > 6) {
      throw error("expected a number of at most 6 digits");
    }
    return Integer.parseInt(source.substring(from, at));
  }

  private CharSet characterClass() {
    boolean negated = accept('^');
    CharSet set = CharSet.union(List.of());
    while (!accept(']')) {
      if (at >= source.length()) {
        throw error("expected ] to end a class");
      }
      CharSet first = classItem(negated);
      boolean single =
          first.ranges().size() == 1
              && first.ranges().getFirst()[0] == first.ranges().getFirst()[1];
      if (single
          && at + 1 < source.length()
          && source.charAt(at) == '-'
          && source.charAt(at + 1) != ']') {
        at++;
        CharSet last = classItem(negated);
        int from = first.ranges().getFirst()[0];
        int to = last.ranges().getFirst()[0];
        if (last.ranges().size() != 1 || to != last.ranges().getFirst()[1] || to < from) {
          throw error("expected a range of characters");
        }
        set = set.or(CharSet.of(from, to));
      } else {
        set = set.or(first);
      }
    }
    return negated ? set.not() : set;
  }

  private CharSet classItem(boolean negated) {
    if (accept('\\')) {
      return escape(true, negated);
    }
    int c = source.codePointAt(at);
    at += Character.charCount(c);
    return CharSet.of(c, c);
  }

  private CharSet escape(boolean inClass, boolean negated) {
    if (at >= source.length()) {
      throw error("expected an escape");
    }
    int c = source.codePointAt(at);
    at += Character.charCount(c);
    return switch (c) {
      case 'd' -> DIGIT;
      case 'D' -> DIGIT.not();
      case 'w' -> WORD;
      case 'W' -> WORD.not();
      case 's' -> negated ? ANY_SPACE : SPACE;
      case 'S' -> (negated ? SPACE : ANY_SPACE).not();
      case 'n' -> CharSet.of("\n");
      case 'r' -> CharSet.of("\r");
      case 't' -> CharSet.of("\t");
      case 'f' -> CharSet.of("\f");
      case 'v' -> CharSet.of("\u000b");
      case '0' -> CharSet.of(0, 0);
      case 'x' -> hex(2);
      case 'u' -> hex(4);
      case 'b' -> {
        if (inClass) {
          yield CharSet.of("\b");
        }
        throw GrammarException.unsupported("pattern at " + at + ": \\b is not supported");
      }
      default -> {
        if (c < 128 && Character.isLetterOrDigit(c)) {
          throw GrammarException.unsupported(
              "pattern at %d: \\%c is not supported".formatted(at, c));
        }
        yield CharSet.of(c, c);
      }
    };
  }

  private CharSet hex(int digits) {
    int value = 0;
    for (int i = 0; i < digits; i++) {
      int digit = at < source.length() ? Character.digit(source.charAt(at), 16) : -1;
      if (digit < 0) {
        throw error("expected " + digits + " hex digits");
      }
      value = value << 4 | digit;
      at++;
    }
    return CharSet.of(value, value);
  }
}

package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Reads GBNF, llama.cpp's grammar notation:
///
/// ```
/// rule ::= alternative ("|" alternative)*        one rule a line, or continued inside parentheses
/// item  = "text" | [class] | [^class] | . | name | (alternatives)
///         followed by * + ? {n} {n,} {n,m}
/// ```
/// See grammars/README.md in llama.cpp. `#` begins a comment.
final class GbnfParser {
  private static final int MAX_DEPTH = 100;

  private final String source;
  private final Map<String, Node> rules = new LinkedHashMap<>();
  private int at;
  private int depth;

  private GbnfParser(String source) {
    this.source = source;
  }

  static Map<String, Node> parse(String source) {
    GbnfParser parser = new GbnfParser(source);
    parser.run();
    return parser.rules;
  }

  private void run() {
    space(true);
    while (at < source.length()) {
      String name = name();
      space(false);
      if (!source.startsWith("::=", at)) {
        throw error("expected ::=");
      }
      at += 3;
      space(true);
      Node body = alternatives(false);
      if (rules.put(name, body) != null) {
        throw error("rule " + name + " is defined twice");
      }
      if (at < source.length() && source.charAt(at) != '\n' && source.charAt(at) != '\r') {
        throw error("expected the end of the rule");
      }
      space(true);
    }
    if (!rules.containsKey("root")) {
      throw GrammarException.invalid("grammar: expected a rule named root");
    }
  }

  private GrammarException error(String message) {
    int line = 1;
    for (int i = 0; i < Math.min(at, source.length()); i++) {
      line += source.charAt(i) == '\n' ? 1 : 0;
    }
    String found =
        at < source.length() ? "'" + Character.toString(source.codePointAt(at)) + "'" : "the end";
    return GrammarException.invalid(
        "grammar line %d: %s, found %s".formatted(line, message, found));
  }

  private void space(boolean newlines) {
    while (at < source.length()) {
      char c = source.charAt(at);
      if (c == '#') {
        while (at < source.length() && source.charAt(at) != '\n' && source.charAt(at) != '\r') {
          at++;
        }
      } else if (c == ' ' || c == '\t' || (newlines && (c == '\n' || c == '\r'))) {
        at++;
      } else {
        return;
      }
    }
  }

  private String name() {
    int from = at;
    while (at < source.length() && isNameCharacter(source.charAt(at))) {
      at++;
    }
    if (from == at) {
      throw error("expected a rule's name");
    }
    return source.substring(from, at);
  }

  private static boolean isNameCharacter(char c) {
    return (c >= 'a' && c <= 'z')
        || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9')
        || c == '-'
        || c == '_';
  }

  private Node alternatives(boolean nested) {
    if (++depth > MAX_DEPTH) {
      throw GrammarException.limit(
          "grammar: expected groups nested at most " + MAX_DEPTH + " deep");
    }
    List<Node> options = new ArrayList<>();
    options.add(sequence(nested));
    while (at < source.length() && source.charAt(at) == '|') {
      at++;
      space(true);
      options.add(sequence(nested));
    }
    depth--;
    return options.size() == 1 ? options.getFirst() : new Node.Choice(options);
  }

  private Node sequence(boolean nested) {
    List<Node> items = new ArrayList<>();
    while (at < source.length()) {
      char c = source.charAt(at);
      if (c == '"') {
        items.add(literal());
      } else if (c == '[') {
        items.add(new Node.Chars(characterClass()));
      } else if (c == '.') {
        at++;
        items.add(new Node.Chars(CharSet.ALL));
      } else if (c == '(') {
        at++;
        space(true);
        items.add(alternatives(true));
        if (at >= source.length() || source.charAt(at) != ')') {
          throw error("expected )");
        }
        at++;
      } else if (isNameCharacter(c)) {
        items.add(new Node.Rule(name()));
      } else {
        break;
      }
      space(nested);
      repetitions(items, nested);
    }
    return items.size() == 1 ? items.getFirst() : new Node.Sequence(items);
  }

  private void repetitions(List<Node> items, boolean nested) {
    while (at < source.length()) {
      char c = source.charAt(at);
      int min;
      int max;
      if (c == '*' || c == '+' || c == '?') {
        at++;
        min = c == '+' ? 1 : 0;
        max = c == '?' ? 1 : -1;
      } else if (c == '{') {
        at++;
        space(nested);
        min = number();
        space(nested);
        max = min;
        if (at < source.length() && source.charAt(at) == ',') {
          at++;
          space(nested);
          max = at < source.length() && source.charAt(at) != '}' ? number() : -1;
          space(nested);
        }
        if (at >= source.length() || source.charAt(at) != '}') {
          throw error("expected }");
        }
        at++;
      } else {
        return;
      }
      if (max >= 0 && max < min) {
        throw error("expected a repetition whose maximum is at least " + min);
      }
      items.add(new Node.Repeat(items.removeLast(), min, max));
      space(nested);
    }
  }

  private int number() {
    int from = at;
    while (at < source.length() && Character.isDigit(source.charAt(at))) {
      at++;
    }
    if (from == at || at - from > 6) {
      throw error("expected a number of at most 6 digits");
    }
    return Integer.parseInt(source.substring(from, at));
  }

  private Node literal() {
    at++;
    StringBuilder text = new StringBuilder();
    while (at < source.length() && source.charAt(at) != '"') {
      text.appendCodePoint(character());
    }
    if (at >= source.length()) {
      throw error("expected \" to end a text");
    }
    at++;
    return Node.text(text.toString());
  }

  private CharSet characterClass() {
    at++;
    boolean negated = at < source.length() && source.charAt(at) == '^';
    at += negated ? 1 : 0;
    List<int[]> ranges = new ArrayList<>();
    while (at < source.length() && source.charAt(at) != ']') {
      int first = character();
      int last = first;
      if (at + 1 < source.length() && source.charAt(at) == '-' && source.charAt(at + 1) != ']') {
        at++;
        last = character();
        if (last < first) {
          throw error("expected a range whose end is not before its begin");
        }
      }
      ranges.add(new int[] {first, last});
    }
    if (at >= source.length()) {
      throw error("expected ] to end a class");
    }
    at++;
    CharSet set = CharSet.union(ranges);
    return negated ? set.not() : set;
  }

  private int character() {
    int c = source.codePointAt(at);
    at += Character.charCount(c);
    if (c != '\\') {
      return c;
    }
    if (at >= source.length()) {
      throw error("expected an escape");
    }
    char escape = source.charAt(at++);
    return switch (escape) {
      case 'x' -> hex(2);
      case 'u' -> hex(4);
      case 'U' -> hex(8);
      case 't' -> '\t';
      case 'r' -> '\r';
      case 'n' -> '\n';
      case '\\', '"', '[', ']' -> escape;
      default -> {
        at--;
        throw error("expected an escape of \\ \" [ ] t r n x u U");
      }
    };
  }

  private int hex(int digits) {
    int value = 0;
    for (int i = 0; i < digits; i++) {
      int digit = at < source.length() ? Character.digit(source.charAt(at), 16) : -1;
      if (digit < 0) {
        throw error("expected " + digits + " hex digits");
      }
      value = value << 4 | digit;
      at++;
    }
    if (!Character.isValidCodePoint(value)) {
      throw error("expected a character");
    }
    return value;
  }
}

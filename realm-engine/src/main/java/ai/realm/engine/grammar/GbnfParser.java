package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// GBNF as llama.cpp reads it: `name ::= alternatives`, one rule a line; a line may be broken inside
/// parentheses, after `::=` and after `|`. See grammars/README.md in ggml-org/llama.cpp.
final class GbnfParser {
  private final String text;
  private final RuleSet rules;
  private final Map<String, Integer> numbers = new HashMap<>();
  private final Map<Integer, Integer> usedAt = new HashMap<>();
  private final Map<Integer, Boolean> defined = new HashMap<>();
  private int at;

  /// Nested levels of what was read last, groups and repetitions of repetitions.
  private int levels;

  private GbnfParser(String text, Budget budget) {
    this.text = text;
    this.rules = new RuleSet(budget);
  }

  /// @throws GrammarException with the line of the fault
  static RuleSet parse(String text, Budget budget) {
    budget.source(text);
    GbnfParser p = new GbnfParser(text, budget);
    p.space(true);
    while (p.at < text.length()) {
      p.rule();
    }
    Integer root = p.numbers.get("root");
    if (root == null || !p.defined.containsKey(root)) {
      throw GrammarException.invalid("grammar: expected a rule named root, found none");
    }
    for (Map.Entry<Integer, Integer> use : p.usedAt.entrySet()) {
      if (!p.defined.containsKey(use.getKey())) {
        p.at = use.getValue();
        throw p.error("a rule named " + p.rules.name(use.getKey()));
      }
    }
    p.rules.root(root);
    return p.rules;
  }

  private void rule() {
    String name = name();
    space(false);
    if (!text.startsWith("::=", at)) {
      throw error("'::='");
    }
    at += 3;
    space(true);
    int rule = number(name);
    rules.define(rule, alternatives(0));
    defined.put(rule, true);
    if (peek() == '\r') {
      at++;
    }
    if (at < text.length()) {
      if (peek() != '\n') {
        throw error("the end of the rule");
      }
      at++;
    }
    space(true);
  }

  private int number(String name) {
    Integer known = numbers.get(name);
    if (known != null) {
      return known;
    }
    int rule = rules.declare(name, false);
    numbers.put(name, rule);
    return rule;
  }

  private Expr alternatives(int depth) {
    rules.budget().depth(depth);
    List<Expr> all = new ArrayList<>();
    all.add(sequence(depth));
    int most = levels;
    while (peek() == '|') {
      at++;
      space(true);
      all.add(sequence(depth));
      most = Math.max(most, levels);
    }
    levels = most;
    return Expr.choice(all);
  }

  private Expr sequence(int depth) {
    List<Expr> parts = new ArrayList<>();
    int most = 0;
    while (true) {
      levels = 0;
      char c = peek();
      Expr part;
      if (c == '"') {
        part = literal();
      } else if (c == '[') {
        part = charClass();
      } else if (c == '.') {
        at++;
        part = new Expr.Chars(CodePoints.ALL);
      } else if (c == '(') {
        at++;
        space(true);
        part = alternatives(depth + 1);
        if (peek() != ')') {
          throw error("')'");
        }
        at++;
        levels++;
      } else if (isWord(c)) {
        int from = at;
        int rule = number(name());
        usedAt.putIfAbsent(rule, from);
        part = new Expr.Ref(rule);
      } else {
        break;
      }
      space(depth > 0);
      parts.add(repeated(part, depth));
      most = Math.max(most, levels);
    }
    levels = most;
    return parts.size() == 1 ? parts.getFirst() : new Expr.Sequence(List.copyOf(parts));
  }

  private Expr repeated(Expr body, int depth) {
    boolean nested = depth > 0;
    Expr out = body;
    for (int i = 0; ; i++) {
      switch (peek()) {
        case '*' -> out = new Expr.Repeat(out, 0, Expr.Repeat.UNBOUNDED);
        case '+' -> out = new Expr.Repeat(out, 1, Expr.Repeat.UNBOUNDED);
        case '?' -> out = new Expr.Repeat(out, 0, 1);
        case '{' -> out = counted(out, nested);
        default -> {
          return out;
        }
      }
      levels += i > 0 ? 1 : 0;
      rules.budget().depth(depth + levels);
      at++;
      space(nested);
    }
  }

  private Expr counted(Expr body, boolean nested) {
    at++;
    space(nested);
    int min = integer();
    space(nested);
    int max = min;
    if (peek() == ',') {
      at++;
      space(nested);
      max = Character.isDigit(peek()) ? integer() : Expr.Repeat.UNBOUNDED;
      space(nested);
    }
    if (peek() != '}') {
      throw error("'}'");
    }
    if (max < min) {
      throw error("a maximum of at least " + min);
    }
    return new Expr.Repeat(body, min, max);
  }

  private int integer() {
    int from = at;
    while (peek() >= '0' && peek() <= '9') {
      at++;
    }
    if (at == from || at - from > 9) {
      throw error("a number of repetitions");
    }
    return Integer.parseInt(text, from, at, 10);
  }

  private Expr literal() {
    at++;
    List<Expr> parts = new ArrayList<>();
    while (peek() != '"') {
      parts.add(new Expr.Chars(CodePoints.of(character())));
    }
    at++;
    return new Expr.Sequence(List.copyOf(parts));
  }

  private Expr charClass() {
    at++;
    boolean negated = peek() == '^';
    if (negated) {
      at++;
    }
    List<Integer> pairs = new ArrayList<>();
    while (peek() != ']') {
      int first = character();
      int last = first;
      if (peek() == '-' && at + 1 < text.length() && text.charAt(at + 1) != ']') {
        at++;
        last = character();
      }
      pairs.add(first);
      pairs.add(last);
    }
    at++;
    CodePoints set = CodePoints.ofRanges(pairs.stream().mapToInt(Integer::intValue).toArray());
    return new Expr.Chars(negated ? set.not() : set);
  }

  private int character() {
    if (at >= text.length()) {
      throw error("a character");
    }
    int c = text.codePointAt(at);
    at += Character.charCount(c);
    if (c != '\\') {
      return c;
    }
    char escape = peek();
    at++;
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
        throw error("an escape such as \\n, \\\", \\x41 or \\u00e9");
      }
    };
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
    if (!Character.isValidCodePoint(value)) {
      throw error("a code point up to 10FFFF");
    }
    return value;
  }

  private String name() {
    int from = at;
    while (isWord(peek())) {
      at++;
    }
    if (at == from) {
      throw error("a rule name");
    }
    return text.substring(from, at);
  }

  private static boolean isWord(char c) {
    return c >= 'a' && c <= 'z'
        || c >= 'A' && c <= 'Z'
        || c >= '0' && c <= '9'
        || c == '-'
        || c == '_';
  }

  /// The next character; NUL at the end, which no rule may contain unescaped.
  private char peek() {
    return at < text.length() ? text.charAt(at) : 0;
  }

  private void space(boolean newlines) {
    while (at < text.length()) {
      char c = text.charAt(at);
      if (c == '#') {
        while (at < text.length() && text.charAt(at) != '\n' && text.charAt(at) != '\r') {
          at++;
        }
      } else if (c == ' ' || c == '\t' || newlines && (c == '\n' || c == '\r')) {
        at++;
      } else {
        return;
      }
    }
  }

  private GrammarException error(String expected) {
    int end = Math.min(at, text.length());
    long line = 1 + text.substring(0, end).chars().filter(c -> c == '\n').count();
    String found =
        at < text.length()
            ? "'" + text.substring(at, Math.min(at + 20, text.length())).strip() + "'"
            : "the end";
    return GrammarException.invalid(
        "grammar line %d: expected %s, found %s".formatted(line, expected, found));
  }
}

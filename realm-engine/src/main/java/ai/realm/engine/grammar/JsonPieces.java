package ai.realm.engine.grammar;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// Grammar pieces of JSON texts: strings with their escapes, numbers in a range, white space.
final class JsonPieces {
  /// Digits of the largest integers that are made.
  private static final int MAX_DIGITS = 16;

  private static final BigInteger LARGEST = BigInteger.TEN.pow(MAX_DIGITS).subtract(BigInteger.ONE);
  private static final Node DIGIT = Node.range('0', '9');
  private static final CharSet CONTROL =
      CharSet.union(List.of(new int[] {0, 0x1f}, new int[] {0x7f, 0x7f}));
  private static final CharSet RAW = CONTROL.or(CharSet.of("\"\\")).not();
  private static final CharSet HEX =
      CharSet.union(List.of(new int[] {'0', '9'}, new int[] {'A', 'F'}, new int[] {'a', 'f'}));

  private JsonPieces() {}

  /// Optional white space: nothing, a space, or a new line with some indentation.
  static Node whiteSpace() {
    return Node.choice(
        Node.EMPTY,
        Node.text(" "),
        Node.sequence(Node.text("\n"), new Node.Repeat(new Node.Chars(CharSet.of(" \t")), 0, 20)));
  }

  /// One character inside a string's quotes, or an escape of one. No surrogates, so that the count of
  /// these is the string's length in characters.
  static Node character() {
    Node hex = new Node.Chars(HEX);
    Node escape =
        Node.choice(
            new Node.Chars(CharSet.of("\"\\bfnrt")),
            Node.sequence(
                Node.text("u"),
                Node.choice(
                    Node.sequence(new Node.Chars(HEX.and(CharSet.of("dD").not())), hex, hex, hex),
                    Node.sequence(
                        new Node.Chars(CharSet.of("dD")), Node.range('0', '7'), hex, hex))));
    return Node.choice(new Node.Chars(RAW), Node.sequence(Node.text("\\"), escape));
  }

  /// A string of `min` to `max` characters.
  static Node string(int min, int max) {
    return Node.sequence(
        Node.text("\""), new Node.Repeat(new Node.Rule("char"), min, max), Node.text("\""));
  }

  /// A JSON string whose content matches a node over plain characters.
  static Node stringOf(Node content) {
    return Node.sequence(Node.text("\""), escaped(content), Node.text("\""));
  }

  private static Node escaped(Node node) {
    return switch (node) {
      case Node.Chars c -> escaped(c.set());
      case Node.Sequence s ->
          new Node.Sequence(s.items().stream().map(JsonPieces::escaped).toList());
      case Node.Choice c -> new Node.Choice(c.options().stream().map(JsonPieces::escaped).toList());
      case Node.Repeat r -> new Node.Repeat(escaped(r.item()), r.min(), r.max());
      case Node.Rule r -> r;
    };
  }

  private static Node escaped(CharSet set) {
    List<Node> options = new ArrayList<>();
    CharSet raw = set.and(RAW);
    if (!raw.isEmpty()) {
      options.add(new Node.Chars(raw));
    }
    for (int[] range : set.and(RAW.not()).ranges()) {
      for (int c = range[0]; c <= range[1]; c++) {
        options.add(Node.text(quotedCharacter(c)));
      }
    }
    return options.size() == 1 ? options.getFirst() : new Node.Choice(options);
  }

  private static String quotedCharacter(int c) {
    return switch (c) {
      case '"' -> "\\\"";
      case '\\' -> "\\\\";
      case '\n' -> "\\n";
      case '\r' -> "\\r";
      case '\t' -> "\\t";
      case '\b' -> "\\b";
      case '\f' -> "\\f";
      default -> RAW.contains(c) ? Character.toString(c) : "\\u%04x".formatted(c);
    };
  }

  /// A text as a JSON string.
  static String quoted(String text) {
    StringBuilder out = new StringBuilder("\"");
    text.codePoints().forEach(c -> out.append(quotedCharacter(c)));
    return out.append('"').toString();
  }

  /// A key, without escapes, that is none of `names`.
  static Node keyOtherThan(List<String> names) {
    TreeMap<String, Boolean> sorted = new TreeMap<>();
    names.forEach(n -> sorted.put(n, true));
    return Node.sequence(
        Node.text("\""), other(new ArrayList<>(sorted.keySet()), 0), Node.text("\""));
  }

  /// Texts that differ from all `names`, which agree before `at`.
  private static Node other(List<String> names, int at) {
    Node rest = Node.any(new Node.Chars(RAW));
    Map<Integer, List<String>> byNext = new TreeMap<>();
    boolean taken = false;
    for (String name : names) {
      if (name.length() <= at) {
        taken = true;
      } else {
        byNext.computeIfAbsent(name.codePointAt(at), c -> new ArrayList<>()).add(name);
      }
    }
    List<Node> options = new ArrayList<>();
    if (!taken) {
      options.add(Node.EMPTY);
    }
    CharSet others = RAW;
    for (Map.Entry<Integer, List<String>> e : byNext.entrySet()) {
      int c = e.getKey();
      others = others.and(CharSet.of(c, c).not());
      if (RAW.contains(c)) {
        options.add(
            Node.sequence(
                new Node.Chars(CharSet.of(c, c)),
                other(e.getValue(), at + Character.charCount(c))));
      }
    }
    options.add(Node.sequence(new Node.Chars(others), rest));
    return new Node.Choice(options);
  }

  // ---- numbers
  // ------------------------------------------------------------------------------------

  /// An integer without leading zeros and at most 16 digits.
  static Node integer() {
    return Node.sequence(Node.optional(Node.text("-")), unsigned());
  }

  private static Node unsigned() {
    return Node.choice(
        Node.text("0"),
        Node.sequence(Node.range('1', '9'), new Node.Repeat(DIGIT, 0, MAX_DIGITS - 1)));
  }

  /// A number with optional fraction and exponent.
  static Node number() {
    return Node.sequence(
        integer(),
        Node.optional(fraction()),
        Node.optional(
            Node.sequence(
                new Node.Chars(CharSet.of("eE")),
                Node.optional(new Node.Chars(CharSet.of("+-"))),
                // Three digits could exceed what a double holds.
                new Node.Repeat(DIGIT, 1, 2))));
  }

  private static Node fraction() {
    return Node.sequence(Node.text("."), new Node.Repeat(DIGIT, 1, MAX_DIGITS));
  }

  /// An integer between two bounds, both included.
  static Node integer(BigInteger least, BigInteger most) {
    BigInteger low = least.max(LARGEST.negate());
    BigInteger high = most.min(LARGEST);
    if (low.compareTo(high) > 0) {
      throw GrammarException.invalid(
          "schema: expected an integer from %s to %s, which is none".formatted(least, most));
    }
    List<Node> options = new ArrayList<>();
    if (low.signum() < 0) {
      BigInteger nearest = high.signum() < 0 ? high.negate() : BigInteger.ONE;
      options.add(Node.sequence(Node.text("-"), natural(nearest, low.negate())));
    }
    if (high.signum() >= 0) {
      options.add(natural(low.max(BigInteger.ZERO), high));
    }
    return new Node.Choice(options);
  }

  /// A number between two integer bounds: integers, and decimals where a whole unit fits.
  static Node number(BigInteger least, BigInteger most) {
    List<Node> options = new ArrayList<>();
    options.add(integer(least, most));
    BigInteger upper = most.min(LARGEST).subtract(BigInteger.ONE);
    BigInteger lower = least.max(BigInteger.ZERO);
    if (lower.compareTo(upper) <= 0) {
      options.add(Node.sequence(natural(lower, upper), fraction()));
    }
    BigInteger deepest = least.max(LARGEST.negate()).negate().subtract(BigInteger.ONE);
    BigInteger nearest = most.signum() >= 0 ? BigInteger.ZERO : most.negate();
    if (nearest.compareTo(deepest) <= 0) {
      options.add(Node.sequence(Node.text("-"), natural(nearest, deepest), fraction()));
    }
    return new Node.Choice(options);
  }

  /// A natural number between two bounds: for each count of digits, the numbers of that length.
  private static Node natural(BigInteger low, BigInteger high) {
    List<Node> options = new ArrayList<>();
    BigInteger from = low;
    while (from.compareTo(high) <= 0) {
      int digits = from.toString().length();
      BigInteger to = BigInteger.TEN.pow(digits).subtract(BigInteger.ONE).min(high);
      options.add(sameLength(from.toString(), to.toString()));
      from = to.add(BigInteger.ONE);
    }
    return options.size() == 1 ? options.getFirst() : new Node.Choice(options);
  }

  private static Node sameLength(String low, String high) {
    if (low.isEmpty()) {
      return Node.EMPTY;
    }
    int rest = low.length() - 1;
    if (low.equals("0".repeat(rest + 1)) && high.equals("9".repeat(rest + 1))) {
      return new Node.Repeat(DIGIT, rest + 1, rest + 1);
    }
    char a = low.charAt(0);
    char b = high.charAt(0);
    if (a == b) {
      return Node.sequence(
          Node.text(Character.toString(a)), sameLength(low.substring(1), high.substring(1)));
    }
    List<Node> options = new ArrayList<>();
    options.add(
        Node.sequence(
            Node.text(Character.toString(a)), sameLength(low.substring(1), "9".repeat(rest))));
    if (b - a > 1) {
      options.add(Node.sequence(Node.range(a + 1, b - 1), new Node.Repeat(DIGIT, rest, rest)));
    }
    options.add(
        Node.sequence(
            Node.text(Character.toString(b)), sameLength("0".repeat(rest), high.substring(1))));
    return new Node.Choice(options);
  }
}

package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.List;

/// The right side of a rule: what GBNF, patterns and schemas all become. Immutable.
sealed interface Expr {
  Expr EMPTY = new Sequence(List.of());

  /// Matches nothing at all.
  Expr NOTHING = new Choice(List.of());

  /// One character of a set.
  record Chars(CodePoints set) implements Expr {}

  /// One byte of a range, of UTF-8 that is put together by hand.
  record Bytes(int first, int last) implements Expr {}

  record Sequence(List<Expr> parts) implements Expr {}

  record Choice(List<Expr> alternatives) implements Expr {}

  /// @param max the most repetitions, or [#UNBOUNDED]
  record Repeat(Expr body, int min, int max) implements Expr {
    static final int UNBOUNDED = Integer.MAX_VALUE;
  }

  /// Another rule, by its number.
  record Ref(int rule) implements Expr {}

  static Expr text(String text) {
    if (text.codePointCount(0, text.length()) == 1) {
      return new Chars(CodePoints.of(text.codePointAt(0)));
    }
    List<Expr> parts = new ArrayList<>();
    text.codePoints().forEach(c -> parts.add(new Chars(CodePoints.of(c))));
    return new Sequence(parts);
  }

  static Expr sequence(Expr... parts) {
    return new Sequence(List.of(parts));
  }

  static Expr choice(List<Expr> alternatives) {
    return alternatives.size() == 1
        ? alternatives.getFirst()
        : new Choice(List.copyOf(alternatives));
  }

  static Expr choice(Expr... alternatives) {
    return new Choice(List.of(alternatives));
  }

  static Expr optional(Expr body) {
    return new Repeat(body, 0, 1);
  }

  static Expr star(Expr body) {
    return new Repeat(body, 0, Repeat.UNBOUNDED);
  }

  static Expr chars(int... pairs) {
    return new Chars(CodePoints.ofRanges(pairs));
  }
}

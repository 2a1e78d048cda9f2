package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.List;

/// The syntax tree that all grammar languages are read into.
sealed interface Node {
  /// One character of a set.
  record Chars(CharSet set) implements Node {}

  /// One after the other; empty for nothing.
  record Sequence(List<Node> items) implements Node {}

  /// One of them.
  record Choice(List<Node> options) implements Node {}

  /// `min` to `max` times; `max` −1 for any number.
  record Repeat(Node item, int min, int max) implements Node {}

  /// A rule by name.
  record Rule(String name) implements Node {}

  /// Nothing.
  Node EMPTY = new Sequence(List.of());

  /// A text.
  static Node text(String s) {
    List<Node> items = new ArrayList<>();
    s.codePoints().forEach(c -> items.add(new Chars(CharSet.of(c, c))));
    return items.size() == 1 ? items.getFirst() : new Sequence(items);
  }

  /// One after the other.
  static Node sequence(Node... items) {
    return new Sequence(List.of(items));
  }

  /// One of them.
  static Node choice(Node... options) {
    return new Choice(List.of(options));
  }

  /// It or nothing.
  static Node optional(Node item) {
    return new Repeat(item, 0, 1);
  }

  /// Any number of it.
  static Node any(Node item) {
    return new Repeat(item, 0, -1);
  }

  /// One character between `first` and `last`.
  static Node range(int first, int last) {
    return new Chars(CharSet.of(first, last));
  }
}

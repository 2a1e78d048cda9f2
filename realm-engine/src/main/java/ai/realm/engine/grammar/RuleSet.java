package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Rules under construction. A rule gets its number before its right side, so that rules can be
/// recursive. Used by one thread.
final class RuleSet {
  /// @param shared kept as a rule of its own, so that all its uses share one automaton
  /// @param place of the schema that it was made for
  private record Rule(String name, boolean shared, @Nullable String place) {}

  private final Budget budget;
  private final List<Rule> rules = new ArrayList<>();
  private final List<Expr> bodies = new ArrayList<>();
  private int root;

  RuleSet(Budget budget) {
    this.budget = budget;
  }

  Budget budget() {
    return budget;
  }

  int declare(String name, boolean shared) {
    rules.add(new Rule(name, shared, budget.place()));
    bodies.add(Expr.NOTHING);
    budget.rules(rules.size());
    return rules.size() - 1;
  }

  void define(int rule, Expr body) {
    bodies.set(rule, body);
  }

  /// A new shared rule.
  Expr.Ref rule(String name, Expr body) {
    int rule = declare(name, true);
    define(rule, body);
    return new Expr.Ref(rule);
  }

  void root(int rule) {
    root = rule;
  }

  int root() {
    return root;
  }

  int size() {
    return rules.size();
  }

  String name(int rule) {
    return rules.get(rule).name();
  }

  @Nullable String place(int rule) {
    return rules.get(rule).place();
  }

  boolean shared(int rule) {
    return rules.get(rule).shared();
  }

  Expr body(int rule) {
    return bodies.get(rule);
  }
}

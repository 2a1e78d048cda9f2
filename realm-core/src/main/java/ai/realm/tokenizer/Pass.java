package ai.realm.tokenizer;

/// One pass of a pre-tokenizer: cuts a piece of text into smaller ones.
@FunctionalInterface
interface Pass {
  /// Appends the end of each piece of `[from, to)`, the last being `to`.
  void split(CodePointText text, int from, int to, IntList ends);

  /// A pass that cuts around each match of the first of `rules` that matches, as an alternation of
  /// regular expressions does; what no rule matches stays together.
  static Pass of(Rule... rules) {
    return (text, from, to, ends) -> {
      int rest = from;
      int at = from;
      while (at < to) {
        int end = -1;
        int next = at + 1;
        for (Rule rule : rules) {
          end = rule.end(text, at, to);
          if (end > at) {
            break;
          }
          if (rules.length == 1 && -end - 1 > next) {
            next = -end - 1;
          }
        }
        if (end <= at) {
          at = next;
          continue;
        }
        if (rest < at) {
          ends.add(at);
        }
        ends.add(end);
        at = end;
        rest = end;
      }
      if (rest < to) {
        ends.add(to);
      }
    };
  }
}

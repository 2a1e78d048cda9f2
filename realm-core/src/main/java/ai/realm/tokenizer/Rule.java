package ai.realm.tokenizer;

/// One alternative of a pre-tokenizer's pattern.
@FunctionalInterface
interface Rule {
  /// The end of the match that begins at `at`, at most `to`; a number not above `at` when there is
  /// none. `to` is the end of the text for this rule, whatever comes after. A result −n−1 with n above
  /// `at` says that no match begins before n, which keeps a long run from being read again and again.
  int end(CodePointText text, int at, int to);
}

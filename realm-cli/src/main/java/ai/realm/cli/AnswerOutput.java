package ai.realm.cli;

/// Where an answer goes while it comes.
@FunctionalInterface
interface AnswerOutput {
  /// A piece of it, in whole characters.
  void text(String piece);

  /// A token of it, where the request asked for log probabilities: the natural logarithm of the
  /// probability that the model gave it.
  default void logprob(int token, float logprob) {}
}

package ai.realm.cli;

import java.util.Locale;

/// What one generation took.
///
/// @param promptTokens tokens of the prompt, template included
/// @param newTokens tokens that were generated
/// @param firstTokenNanos from the request to the first token; 0 when none came
/// @param totalNanos from the request to the end
/// @param finish why it ended
record Generation(
    int promptTokens, int newTokens, long firstTokenNanos, long totalNanos, Finish finish) {
  /// Why a generation ended.
  enum Finish {
    /// The model ended its turn, or a stop text was met.
    STOP,
    /// As many tokens as asked for, or the context is full.
    LENGTH,
    /// Ctrl-C.
    CANCELLED
  }

  /// Tokens per second after the first; 0 for fewer than two tokens.
  double tokensPerSecond() {
    long nanos = totalNanos - firstTokenNanos;
    return newTokens < 2 || nanos <= 0 ? 0 : (newTokens - 1) * 1e9 / nanos;
  }

  /// The one line that follows an answer.
  String report(String backend) {
    String end =
        switch (finish) {
          case STOP -> "";
          case LENGTH -> ", length limit";
          case CANCELLED -> ", stopped";
        };
    return String.format(
        Locale.ROOT,
        "[%d prompt tokens, %d new tokens%s, first token after %.0f ms, %.1f tokens/s, %s]",
        promptTokens,
        newTokens,
        end,
        firstTokenNanos / 1e6,
        tokensPerSecond(),
        backend);
  }
}

package ai.realm.bench;

import ai.realm.runtime.GuestOutput;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;

/// When the tokens of one realm's generations came.
final class TokenTimes implements GuestOutput {
  private final List<Long> first = new ArrayList<>();
  private final List<Long> between = new ArrayList<>();
  private long last;
  private boolean begun;
  private long tokens;

  /// A generation begins.
  void begin() {
    last = System.nanoTime();
    begun = false;
  }

  @Override
  public void text(String text) {}

  @Override
  public void token(int id) {
    long now = System.nanoTime();
    (begun ? between : first).add(now - last);
    begun = true;
    last = now;
    tokens++;
  }

  long tokens() {
    return tokens;
  }

  /// Nanoseconds to each generation's first token.
  LongStream first() {
    return first.stream().mapToLong(Long::longValue);
  }

  /// Nanoseconds between tokens.
  LongStream between() {
    return between.stream().mapToLong(Long::longValue);
  }
}

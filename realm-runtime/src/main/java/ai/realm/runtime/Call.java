package ai.realm.runtime;

import java.nio.charset.StandardCharsets;
import java.util.List;

/// One call into a guest: its arguments, its output and what it used.
final class Call {
  private final List<byte[]> arguments;
  private final GuestOutput output;
  private final StringBuilder text = new StringBuilder();
  private final long startedNanos = System.nanoTime();
  private final long deadlineNanos;
  private volatile boolean cancelled;
  private int promptTokens;
  private int newTokens;
  private long firstTokenNanos;
  private long waitNanos;

  Call(List<Object> arguments, GuestOutput output, long timeoutNanos) {
    this.arguments =
        arguments.stream().map(a -> a.toString().getBytes(StandardCharsets.UTF_8)).toList();
    this.output = output;
    this.deadlineNanos = startedNanos + timeoutNanos;
  }

  /// UTF-8 bytes of an argument; empty where the call has none of that index.
  byte[] argument(int index) {
    return index >= 0 && index < arguments.size() ? arguments.get(index) : new byte[0];
  }

  long deadlineNanos() {
    return deadlineNanos;
  }

  boolean isPastDeadline() {
    return System.nanoTime() - deadlineNanos >= 0;
  }

  void cancel() {
    cancelled = true;
  }

  boolean isCancelled() {
    return cancelled;
  }

  void emit(String piece) {
    if (!piece.isEmpty()) {
      text.append(piece);
      output.text(piece);
    }
  }

  void emitToken(int token) {
    output.token(token);
  }

  /// Counts a step of `rows` tokens.
  void countStep(int rows) {
    promptTokens += rows > 1 || newTokens == 0 ? rows : 0;
  }

  /// Counts time that a step waited for the engine.
  void countWait(long nanos) {
    waitNanos += nanos;
  }

  void countSampled() {
    if (firstTokenNanos == 0) {
      firstTokenNanos = System.nanoTime() - startedNanos;
    }
    newTokens++;
  }

  CallResult result(long value) {
    return new CallResult(
        value,
        text.toString(),
        promptTokens,
        newTokens,
        firstTokenNanos,
        System.nanoTime() - startedNanos,
        waitNanos);
  }
}

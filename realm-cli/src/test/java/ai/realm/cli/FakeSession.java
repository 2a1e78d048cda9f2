package ai.realm.cli;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/// A session that gives prepared answers in pieces and remembers what it was asked.
final class FakeSession implements Session {
  final List<GenerationRequest> asked = new ArrayList<>();
  final Deque<List<String>> answers = new ArrayDeque<>();
  final List<String> notices = new ArrayList<>();
  final Deque<RuntimeException> failures = new ArrayDeque<>();
  boolean cancelled;
  boolean closed;

  FakeSession answering(String... pieces) {
    answers.add(List.of(pieces));
    return this;
  }

  @Override
  public String backend() {
    return "fake (1 thread)";
  }

  @Override
  public int vocabularySize() {
    return 100;
  }

  @Override
  public List<String> notices() {
    return notices;
  }

  @Override
  public Generation generate(GenerationRequest request, AnswerOutput output) {
    asked.add(request);
    if (!failures.isEmpty()) {
      throw failures.remove();
    }
    List<String> pieces = answers.remove();
    pieces.forEach(output::text);
    if (request.sampling().more().contains("\"logprobs\":true")) {
      output.logprob(42, -0.25f);
    }
    return new Generation(
        7,
        pieces.size(),
        2_000_000,
        12_000_000,
        cancelled ? Generation.Finish.CANCELLED : Generation.Finish.STOP);
  }

  @Override
  public void cancel() {
    cancelled = true;
  }

  @Override
  public void close() {
    closed = true;
  }
}

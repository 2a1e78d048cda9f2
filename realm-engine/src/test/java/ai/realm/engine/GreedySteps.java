package ai.realm.engine;

import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/// What a caller does that takes the most probable token: a prompt, and steps of one output.
final class GreedySteps {
  /// A guard against hanging, not a bound.
  private static final long HANG_NANOS = TimeUnit.SECONDS.toNanos(30);

  private GreedySteps() {}

  /// Ids in the vocabulary of [FakeModel]; of another seed, others.
  static int[] prompt(int seed, int length) {
    int[] ids = new int[length];
    Arrays.setAll(ids, i -> Math.floorMod(seed * 31 + i * 7, FakeModel.VOCABULARY));
    return ids;
  }

  static StepRequest request(Sequence s, int... ids) {
    return new StepRequest().set(s, ids, ids.length, 1, Sampler.of(SamplingParams.GREEDY));
  }

  /// Waits for the token of a request.
  static int await(StepRequest r) throws InterruptedException {
    r.await(System.nanoTime() + HANG_NANOS);
    return r.token(0);
  }

  /// The token that follows.
  static int step(Engine engine, Sequence s, int... ids) throws InterruptedException {
    StepRequest r = request(s, ids);
    engine.submit(r);
    return await(r);
  }
}

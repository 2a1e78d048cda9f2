package ai.realm.bench;

import ai.realm.engine.sampling.Candidates;
import ai.realm.engine.sampling.DryBreakers;
import ai.realm.engine.sampling.History;
import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import ai.realm.engine.sampling.SamplingParams.DryParams;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;

/// How long the engine's thread takes to choose a token, over a vocabulary of 128k tokens whose logits fall off
/// with their rank as a language model's do, behind 2,000 tokens.
///
/// `SamplingSpeed [ROUNDS]`
public final class SamplingSpeed {
  private static final int VOCABULARY = 128 << 10;
  private static final int HISTORY = 2000;
  private static final int ROWS = 50;

  private SamplingSpeed() {}

  private static Map<String, SamplingParams> cases() {
    Map<String, SamplingParams> cases = new LinkedHashMap<>();
    DryParams dry = new DryParams(0.8f, 1.75f, 2, -1, DryBreakers.NONE);
    SamplingParams.Builder greedy = SamplingParams.builder().temperature(0);
    cases.put("greedy", greedy.build());
    cases.put("greedy, penalties and DRY", greedy.penalties(64, 1.1f, 0, 0).dry(dry).build());
    cases.put("temperature", warm().build());
    cases.put("top-k 40, top-p 0.95", warm().topK(40).topP(0.95f).build());
    cases.put("top-p 0.95", warm().topP(0.95f).build());
    cases.put("min-p 0.05", warm().minP(0.05f).build());
    cases.put(
        "top-k, penalties and DRY", warm().topK(40).penalties(64, 1.1f, 0, 0).dry(dry).build());
    cases.put("typical 0.9", warm().typicalP(0.9f).build());
    cases.put("mirostat", warm().mirostat(5, 0.1f).build());
    return cases;
  }

  private static SamplingParams.Builder warm() {
    return SamplingParams.builder().temperature(0.8f);
  }

  /// Prints microseconds a row, the median of the rounds.
  public static void main(String[] args) {
    int rounds = args.length == 0 ? 15 : Integer.parseInt(args[0]);
    float[] logits = logits();
    int[] tokens = new SplittableRandom(2).ints(HISTORY + ROWS, 0, 500).toArray();
    cases()
        .forEach((name, params) -> {
          double[] micros = new double[rounds];
          for (int i = 0; i < rounds; i++) {
            micros[i] = measure(Sampler.of(params), logits, tokens);
          }
          Arrays.sort(micros);
          System.out.printf(Locale.ROOT, "%-28s %9.1f us%n", name, micros[rounds / 2]);
        });
  }

  private static double measure(Sampler sampler, float[] logits, int[] tokens) {
    float[] row = new float[VOCABULARY];
    History history = new History();
    Candidates candidates = new Candidates();
    long nanos = 0;
    for (int i = 0; i < ROWS; i++) {
      System.arraycopy(logits, 0, row, 0, VOCABULARY);
      history.show(tokens, HISTORY + i);
      long start = System.nanoTime();
      sampler.sample(row, VOCABULARY, history, candidates);
      nanos += System.nanoTime() - start;
    }
    return nanos / 1e3 / ROWS;
  }

  private static float[] logits() {
    SplittableRandom random = new SplittableRandom(1);
    int[] ranks = new int[VOCABULARY];
    for (int i = 0; i < VOCABULARY; i++) {
      int j = random.nextInt(i + 1);
      ranks[i] = ranks[j];
      ranks[j] = i;
    }
    float[] logits = new float[VOCABULARY];
    for (int i = 0; i < VOCABULARY; i++) {
      logits[i] = (float) (18 - 1.6 * Math.log(1 + ranks[i]) + 0.3 * random.nextDouble());
    }
    return logits;
  }
}

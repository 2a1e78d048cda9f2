package ai.realm.engine.sampling;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.engine.sampling.SamplingParams.StageKind;
import ai.realm.gguf.GgufFile;
import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.time.CpuTime;
import ai.realm.tokenizer.Tokenizer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

final class SamplerTest {
  /// Tokens of a large vocabulary.
  private static final int LARGE = 128_000;

  /// Far more than a choice takes on a machine that is busy.
  private static final Duration PATIENCE = Duration.ofSeconds(2);

  private static final float[] LOGITS = {2, 1, 0.5f, 0.1f, -0.3f, -1, -2.5f, -4};

  private static int[] draw(SamplingParams params, int n) {
    Sampler sampler = Sampler.of(params);
    History history = new History();
    Candidates candidates = new Candidates();
    int[] tokens = new int[n];
    for (int i = 0; i < n; i++) {
      history.show(tokens, i);
      tokens[i] = sampler.sample(LOGITS.clone(), LOGITS.length, history, candidates);
    }
    return tokens;
  }

  private static List<Integer> kept(SamplingParams params) {
    Candidates c = new Candidates();
    c.load(LOGITS.clone(), LOGITS.length);
    c.draws.begin(params.seed(), 0);
    Sampler.of(params).narrow(c, new History());
    return Arrays.stream(c.ids, 0, c.size).sorted().boxed().toList();
  }

  private static int sample(SamplingParams params, float[] logits) {
    return Sampler.of(params).sample(logits, logits.length, new History(), new Candidates());
  }

  @Test
  void zeroTemperatureTakesTheMostProbableToken() {
    assertThat(draw(SamplingParams.GREEDY, 5)).containsOnly(0);
  }

  @Test
  void theSameSeedGivesTheSameTokensAndAnotherSeedOthers() {
    SamplingParams.Builder b = SamplingParams.builder().seed(7);
    assertThat(draw(b.build(), 50)).isEqualTo(draw(b.build(), 50));
    assertThat(draw(b.build(), 50)).isNotEqualTo(draw(b.seed(8).build(), 50));
  }

  @Test
  void drawsInProportionToTheProbabilities() {
    int[] tokens = draw(SamplingParams.builder().seed(1).build(), 20_000);
    double share = (double) Arrays.stream(tokens).filter(t -> t == 0).count() / tokens.length;
    assertThat(share).isBetween(0.515, 0.535); // softmax gives 0.5252
  }

  @Test
  void truncationsKeepWhatTheySay() {
    assertThat(kept(SamplingParams.builder().topK(3).build())).containsExactly(0, 1, 2);
    assertThat(kept(SamplingParams.builder().topP(0.8f).build())).containsExactly(0, 1, 2);
    assertThat(kept(SamplingParams.builder().minP(0.2f).build())).containsExactly(0, 1, 2);
    assertThat(kept(SamplingParams.builder().typicalP(0.5f).build())).containsExactly(0, 1, 2);
    assertThat(kept(SamplingParams.builder().topNSigma(1).build())).containsExactly(0, 1, 2);
    assertThat(kept(SamplingParams.builder().xtc(1, 0.1f).build()))
        .containsExactly(2, 3, 4, 5, 6, 7);
  }

  /// Logits over such a temperature are infinite.
  @Test
  void aTinyTemperatureTakesTheMostProbableToken() {
    for (float t : new float[] {1e-35f, 1e-37f, 1e-38f, 1e-42f, Float.MIN_VALUE}) {
      SamplingParams.Builder b = SamplingParams.builder().temperature(t);
      assertThat(draw(b.build(), 20)).as("%s", t).containsOnly(0);
      float[] negative = {Float.NEGATIVE_INFINITY, -30, -20, -20.5f, -3e38f};
      assertThat(sample(b.build(), negative)).as("%s", t).isEqualTo(2);
      // What comes after it finds numbers.
      b.topNSigma(1).order(List.of(StageKind.TEMPERATURE, StageKind.TOP_N_SIGMA));
      assertThat(draw(b.build(), 20)).as("%s, then top-nσ", t).containsOnly(0);
    }
  }

  @Test
  void aTinyTemperatureDrawsFromTheMostProbableTokensOnly() {
    SamplingParams.Builder b = SamplingParams.builder().temperature(Float.MIN_VALUE);
    float[] logits = {1, 7, 3, 7, Float.NEGATIVE_INFINITY};
    assertThat(IntStream.range(0, 50).map(seed -> sample(b.seed(seed).build(), logits.clone())))
        .containsOnly(1, 3);
  }

  @Test
  void aDynamicTemperatureThatBecomesTinyTakesTheMostProbableToken() {
    for (float bias : new float[] {90, 95, 100, 200}) {
      SamplingParams.Builder b = SamplingParams.builder().temperature(1).dynamicTemperature(1, 1);
      assertThat(draw(b.logitBias(Map.of(3, bias)).build(), 20)).as("%s", bias).containsOnly(3);
    }
  }

  @Test
  void theOrderOfStagesCounts() {
    SamplingParams.Builder b = SamplingParams.builder().temperature(3).minP(0.5f);
    assertThat(kept(b.build())).containsExactly(0);
    assertThat(kept(b.order(List.of(StageKind.TEMPERATURE, StageKind.MIN_P)).build()))
        .containsExactly(0, 1, 2, 3);
  }

  @Test
  void biasesMoveAndExcludeTokens() {
    SamplingParams.Builder b = SamplingParams.builder().temperature(0);
    assertThat(draw(b.logitBias(Map.of(5, 10f)).build(), 1)).containsExactly(5);
    assertThat(draw(b.logitBias(Map.of(0, Float.NEGATIVE_INFINITY)).build(), 1)).containsExactly(1);
  }

  @Test
  void penaltiesDiscourageRepetition() {
    SamplingParams params =
        SamplingParams.builder().temperature(0).penalties(-1, 1, 0.6f, 0.5f).build();
    assertThat(draw(params, 4)).containsExactly(0, 1, 0, 2);
  }

  @Test
  void dryBreaksALoop() {
    SamplingParams.DryParams dry = new SamplingParams.DryParams(5, 2, 2, -1, DryBreakers.NONE);
    Sampler sampler = Sampler.of(SamplingParams.builder().temperature(0).dry(dry).build());
    History history = new History().show(new int[] {3, 4, 0, 3, 4}, 5);
    assertThat(sampler.sample(LOGITS.clone(), LOGITS.length, history, new Candidates()))
        .isEqualTo(1);
  }

  /// Tails that a long history follows nearly to their ends, of as many breakers as a guest may name.
  @Test
  void dryLooksForManyBreakersInALongHistory() {
    try (GgufFile model = GgufFile.open(SampleModel.path())) {
      Tokenizer tokenizer = Tokenizer.of(model.metadata());
      List<String> breakers = new ArrayList<>();
      for (int i = 0; i < 64; i++) {
        breakers.add("q".repeat(19) + (char) ('0' + i));
      }
      DryBreakers made = DryBreakers.of(tokenizer, breakers);
      int[] tokens = new int[LARGE];
      Arrays.fill(tokens, tokenizer.encode("qq", false, false)[1]);
      History history = new History().show(tokens, LARGE);
      assertThat(made.tokensSinceBreaker(history, LARGE)).isEqualTo(LARGE);
      int[] tail = tokenizer.encode("q".repeat(18) + "7", false, false);
      System.arraycopy(tail, 0, tokens, LARGE - 3 - tail.length, tail.length);
      assertThat(made.tokensSinceBreaker(history, LARGE)).isEqualTo(3);
    }
  }

  @Test
  void logprobIsThatOfTheWholeDistribution() {
    assertThat(Math.exp(Sampler.logprob(LOGITS, LOGITS.length, 0))).isBetween(0.5251, 0.5252);
  }

  @Test
  void partialSortingEqualsSorting() {
    Random random = new Random(3);
    for (int round = 0; round < 200; round++) {
      int n = 1 + random.nextInt(300);
      float[] logits = new float[n];
      for (int i = 0; i < n; i++) {
        logits[i] = random.nextInt(20) - 10;
      }
      Candidates whole = new Candidates();
      whole.load(logits, n);
      whole.sort(n);
      Candidates parts = new Candidates();
      parts.load(logits, n);
      for (int k = 1; k <= n; k = k * 2 + 1) {
        parts.sort(k);
        assertThat(Arrays.copyOf(parts.ids, k)).isEqualTo(Arrays.copyOf(whole.ids, k));
      }
      for (int i = 1; i < n; i++) {
        assertThat(whole.logits[i]).isLessThanOrEqualTo(whole.logits[i - 1]);
      }
    }
  }

  @Test
  void selectingFewOfManyEqualsSorting() {
    Random random = new Random(4);
    for (int round = 0; round < 20; round++) {
      int n = 1100 + random.nextInt(3000);
      float[] logits = new float[n];
      for (int i = 0; i < n; i++) {
        logits[i] = round % 2 == 0 ? random.nextInt(300) : random.nextFloat();
      }
      Candidates whole = new Candidates();
      whole.load(logits, n);
      // More than are looked for one by one.
      whole.sort(n);
      Candidates parts = new Candidates();
      parts.load(logits, n);
      for (int k : new int[] {1, 40, 64, 128, 256, 300, 800}) {
        parts.sort(k);
        assertThat(Arrays.copyOf(parts.ids, k)).isEqualTo(Arrays.copyOf(whole.ids, k));
      }
      assertThat(Arrays.stream(parts.ids, 0, n).distinct().count()).isEqualTo(n);
    }
  }

  /// Typical sampling as it is defined, with everything sorted.
  @Test
  void typicalKeepsWhatIsNearestToTheExpectedSurprise() {
    Random random = new Random(5);
    for (int round = 0; round < 50; round++) {
      int n = round < 25 ? 1 + random.nextInt(100) : 2000;
      float[] logits = new float[n];
      for (int i = 0; i < n; i++) {
        logits[i] = (float) (4 * random.nextGaussian());
      }
      float p = 0.1f + 0.8f * random.nextFloat();
      double sum = 0;
      for (float l : logits) {
        sum += Math.exp(l);
      }
      double entropy = 0;
      double[] surprise = new double[n];
      for (int i = 0; i < n; i++) {
        surprise[i] = Math.log(sum) - logits[i];
        entropy += Math.exp(-surprise[i]) * surprise[i];
      }
      double expected = entropy;
      Integer[] order = new Integer[n];
      Arrays.setAll(order, i -> i);
      Arrays.sort(
          order, java.util.Comparator.comparingDouble(i -> Math.abs(surprise[i] - expected)));
      int kept = 0;
      for (double mass = 0; kept < n && mass <= p; kept++) {
        mass += Math.exp(-surprise[order[kept]]);
      }
      Candidates c = new Candidates();
      c.load(logits, n);
      Sampler.of(SamplingParams.builder().typicalP(p).build()).narrow(c, new History());
      assertThat(Arrays.stream(c.ids, 0, c.size).boxed().toList())
          .containsExactlyInAnyOrder(Arrays.copyOf(order, kept));
    }
  }

  /// As it is defined, with everything sorted.
  @Test
  void xtcDropsAllButTheLeastOfTheTopChoices() {
    Random random = new Random(6);
    for (int round = 0; round < 100; round++) {
      int n = round < 50 ? 2 + random.nextInt(20) : 2000;
      float[] logits = new float[n];
      double sum = 0;
      for (int i = 0; i < n; i++) {
        logits[i] = round % 3 == 0 ? random.nextInt(4) : (float) (2 * random.nextGaussian());
        sum += Math.exp(logits[i]);
      }
      float threshold = round % 5 == 0 ? 0 : Math.min(0.5f, 3 * random.nextFloat() / n);
      int minKeep = 1 + random.nextInt(3);
      Candidates whole = new Candidates();
      whole.load(logits, n);
      whole.sort(n);
      int reach = 0;
      while (reach < n && Math.exp(whole.logits[reach]) / sum >= threshold) {
        reach++;
      }
      int dropped = reach > 1 && n - (reach - 1) >= minKeep ? reach - 1 : 0;
      Candidates c = new Candidates();
      c.load(logits, n);
      Sampler.of(SamplingParams.builder().xtc(1, threshold).minKeep(minKeep).build())
          .narrow(c, new History());
      assertThat(Arrays.stream(c.ids, 0, c.size).sorted().toArray())
          .isEqualTo(Arrays.stream(whole.ids, dropped, n).sorted().toArray());
      assertThat(c.ids[0]).isEqualTo(whole.ids[dropped]);
    }
  }

  /// Quadratic, any of them takes many times as long.
  @Test
  void noStageTakesLongForAFlatDistribution() {
    List<SamplingParams> all =
        List.of(
            SamplingParams.builder().xtc(1, 0).build(),
            SamplingParams.builder().topK(LARGE / 2).build(),
            SamplingParams.builder().topP(0.999f).build(),
            SamplingParams.builder().minP(1e-6f).minKeep(LARGE / 2).build(),
            SamplingParams.builder().typicalP(0.999f).build(),
            SamplingParams.builder().topNSigma(0.1f).build(),
            SamplingParams.builder().mirostat(100, 0.1f).build());
    for (boolean equal : new boolean[] {true, false}) {
      float[] logits = new float[LARGE];
      for (int i = 0; i < LARGE && !equal; i++) {
        logits[i] = (i * 7919L % LARGE) * 1e-6f;
      }
      for (SamplingParams params : all) {
        CpuTime.assertWithin(params.toString(), PATIENCE, () -> sample(params, logits.clone()));
      }
    }
  }

  /// Each candidate in the middle is the best of those that are left, when it is asked for.
  @Test
  void badPivotsDoNotMakeASelectionQuadratic() {
    float[] logits = new float[LARGE];
    int[] at = new int[LARGE];
    Arrays.setAll(at, i -> i);
    for (int low = 0; low < LARGE; low++) {
      int middle = low + LARGE - 1 >>> 1;
      logits[at[middle]] = LARGE - low;
      at[middle] = at[low];
    }
    Candidates c = new Candidates();
    c.load(logits, LARGE);
    CpuTime.assertWithin(PATIENCE, () -> c.sort(LARGE / 2));
    for (int i = 0; i < LARGE / 2; i++) {
      assertThat(c.logits[i]).isEqualTo(LARGE - i);
    }
  }

  @Test
  void penaltiesBehindATruncationTouchTheSameTokens() {
    SamplingParams.Builder b =
        SamplingParams.builder()
            .topK(5)
            .penalties(-1, 1.5f, 0.25f, 0.5f)
            .order(List.of(SamplingParams.StageKind.TOP_K, SamplingParams.StageKind.PENALTIES));
    Candidates c = new Candidates();
    c.load(LOGITS.clone(), LOGITS.length);
    Sampler.of(b.build()).narrow(c, new History().show(new int[] {1, 4, 7, 1, 99}, 5));
    float[] found = new float[LOGITS.length];
    for (int i = 0; i < c.size; i++) {
      found[c.ids[i]] = c.logits[i];
    }
    assertThat(found).containsExactly(2, 1 / 1.5f - 1, 0.5f, 0.1f, -0.3f * 1.5f - 0.75f, 0, 0, 0);
  }

  @Test
  void refusesLogitsThatAreNoNumbers() {
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
      float[] logits = {1, bad, 0};
      for (SamplingParams params :
          List.of(SamplingParams.GREEDY, SamplingParams.builder().build())) {
        assertThatThrownBy(() -> sample(params, logits.clone()))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("logits");
      }
    }
    float[] none = {Float.NEGATIVE_INFINITY, Float.NEGATIVE_INFINITY};
    assertThatThrownBy(() -> sample(SamplingParams.GREEDY, none))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void namesAParameterOutOfRange() {
    assertThatThrownBy(() -> SamplingParams.builder().topP(1.5f).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("top p: expected 0 to 1, found 1.5");
    assertThatThrownBy(() -> SamplingParams.builder().minP(1.7f).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("min p: expected 0 to 1, found 1.7");
    assertThatThrownBy(() -> SamplingParams.builder().topP(Float.POSITIVE_INFINITY).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("top p: expected 0 to 1, found Infinity");
    assertThatThrownBy(() -> SamplingParams.builder().temperature(Float.NaN).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("temperature");
  }
}

package ai.realm.engine.sampling;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Chooses tokens by [SamplingParams]: biases, then the stages in their order, then a draw. Keeps nothing from
/// token to token: what it looks back on is the sequence's [History], and its random numbers depend on the seed and
/// the place in the sequence only. So it serves any number of sequences, and a fork, a truncated or speculative
/// sequence gets the tokens that plain decoding gives.
public final class Sampler {
  private final SamplingParams params;
  private final List<Stage> stages = new ArrayList<>();
  private final @Nullable Mirostat mirostat;
  private final boolean greedy;

  private Sampler(SamplingParams params) {
    this.params = params;
    this.mirostat =
        params.mirostatTau() > 0 ? new Mirostat(params.mirostatTau(), params.mirostatEta()) : null;
    for (SamplingParams.StageKind kind : params.order()) {
      Stage stage = stage(kind);
      if (stage != null) {
        stages.add(stage);
      }
    }
    this.greedy =
        params.temperature() == 0
            && params.temperatureRange() == 0
            && params.order().contains(SamplingParams.StageKind.TEMPERATURE)
            && params.xtcProbability() == 0
            && params.typicalP() == 1
            && stages.stream().noneMatch(s -> s instanceof Penalties || s instanceof Dry);
  }

  /// A sampler of these parameters.
  public static Sampler of(SamplingParams params) {
    return new Sampler(params);
  }

  private @Nullable Stage stage(SamplingParams.StageKind kind) {
    SamplingParams p = params;
    boolean truncating = mirostat == null;
    return switch (kind) {
      case PENALTIES ->
          p.penaltyLastN() != 0
                  && (p.repeatPenalty() != 1
                      || p.frequencyPenalty() != 0
                      || p.presencePenalty() != 0)
              ? new Penalties(
                  p.penaltyLastN(), p.repeatPenalty(), p.frequencyPenalty(), p.presencePenalty())
              : null;
      case DRY -> p.dry().multiplier() > 0 ? new Dry(p.dry()) : null;
      case TOP_N_SIGMA ->
          truncating && p.topNSigma() >= 0 ? new Truncations.TopNSigma(p.topNSigma()) : null;
      case TOP_K -> truncating && p.topK() > 0 ? new Truncations.TopK(p.topK()) : null;
      case TYPICAL ->
          truncating && p.typicalP() < 1
              ? new Truncations.Typical(p.typicalP(), p.minKeep())
              : null;
      case TOP_P -> truncating && p.topP() < 1 ? new Truncations.TopP(p.topP(), p.minKeep()) : null;
      case MIN_P -> truncating && p.minP() > 0 ? new Truncations.MinP(p.minP(), p.minKeep()) : null;
      case XTC ->
          truncating && p.xtcProbability() > 0
              ? new Truncations.Xtc(p.xtcProbability(), p.xtcThreshold(), p.minKeep())
              : null;
      case TEMPERATURE ->
          p.temperature() == 1 && p.temperatureRange() == 0
              ? null
              : new Temperature(p.temperature(), p.temperatureRange(), p.temperatureExponent());
    };
  }

  /// The parameters it was made from.
  public SamplingParams params() {
    return params;
  }

  /// Chooses a token.
  ///
  /// @param logits one per token; an excluded token has negative infinity; biases are added to them
  /// @param vocabulary how many of `logits` count
  /// @param history what precedes the token
  /// @param candidates memory to work with
  /// @throws IllegalArgumentException when no logit is finite, or one is NaN or infinite
  public int sample(float[] logits, int vocabulary, History history, Candidates candidates) {
    for (Map.Entry<Integer, Float> bias : params.logitBias().entrySet()) {
      if (bias.getKey() >= 0 && bias.getKey() < vocabulary) {
        logits[bias.getKey()] += bias.getValue();
      }
    }
    if (greedy) {
      return best(logits, vocabulary);
    }
    Candidates c = candidates;
    c.load(logits, vocabulary);
    c.draws.begin(params.seed(), history.size());
    Mirostat bounded = mirostat;
    if (bounded == null) {
      narrow(c, history);
      return c.ids[draw(c)];
    }
    float mu = bounded.bound(history);
    narrow(c, history);
    bounded.apply(c, mu);
    int chosen = draw(c);
    history.path().chose(c.ids[chosen], bounded.next(c, chosen, mu));
    return c.ids[chosen];
  }

  /// Applies all stages.
  void narrow(Candidates c, History history) {
    for (int i = 0; i < stages.size(); i++) {
      stages.get(i).apply(c, history);
    }
  }

  private static int draw(Candidates c) {
    if (c.size == 1) {
      return 0;
    }
    float max = c.max();
    double target = c.draws.next() * c.expSum(max);
    for (int i = 0; i < c.size - 1; i++) {
      target -= Math.exp(c.logits[i] - max);
      if (target < 0) {
        return i;
      }
    }
    return c.size - 1;
  }

  private static int best(float[] logits, int vocabulary) {
    int best = -1;
    float max = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < vocabulary; i++) {
      float l = logits[i];
      if (l > max) {
        max = l;
        best = i;
      } else if (Float.isNaN(l)) {
        throw new IllegalArgumentException("logits: expected numbers, found NaN for token " + i);
      }
    }
    if (best < 0 || max == Float.POSITIVE_INFINITY) {
      throw new IllegalArgumentException(
          "logits: expected a finite value for at least one token, found "
              + (best < 0 ? "none" : "infinity"));
    }
    return best;
  }

  /// Natural logarithm of the probability that logits give to a token, before any stage.
  public static float logprob(float[] logits, int vocabulary, int token) {
    float max = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < vocabulary; i++) {
      max = Math.max(max, logits[i]);
    }
    double sum = 0;
    for (int i = 0; i < vocabulary; i++) {
      sum += Math.exp(logits[i] - max);
    }
    return (float) (logits[token] - max - Math.log(sum));
  }
}

package ai.realm.engine.sampling;

import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/// How the next token is chosen. Made by [#builder] or a `with` of another; every value has a default
/// that changes nothing.
///
/// @param temperature divides the logits; 0 takes the most probable token
/// @param temperatureRange where positive, the temperature moves by up to this with the entropy
/// @param temperatureExponent how steeply it does
/// @param topK keeps the k most probable tokens; 0 keeps all
/// @param topP keeps the most probable tokens until their probabilities sum to this; 1 keeps all
/// @param minP drops tokens less probable than this share of the best one's probability; 0 keeps all
/// @param typicalP keeps the most typical tokens until their probabilities sum to this; 1 keeps all
/// @param topNSigma drops tokens more than so many standard deviations below the best; negative: off
/// @param xtcProbability how often top choices are excluded; 0: never
/// @param xtcThreshold from which probability on a token is a top choice
/// @param penaltyLastN how many tokens penalties look back; −1: all, 0: off
/// @param repeatPenalty divides the logits of recent tokens; 1: off
/// @param frequencyPenalty subtracted per occurrence; 0: off
/// @param presencePenalty subtracted from tokens that occurred; 0: off
/// @param dry penalty on repeating sequences
/// @param mirostatTau where positive, Mirostat 2 with this target surprise replaces the truncations
/// @param mirostatEta its learning rate
/// @param logitBias added to the logits of tokens by id; negative infinity excludes a token
/// @param minKeep how many candidates truncations leave at least
/// @param order the stages in their order; those left out are not applied
/// @param seed of the random numbers: the same seed gives the same token behind the same tokens
public record SamplingParams(
    float temperature,
    float temperatureRange,
    float temperatureExponent,
    int topK,
    float topP,
    float minP,
    float typicalP,
    float topNSigma,
    float xtcProbability,
    float xtcThreshold,
    int penaltyLastN,
    float repeatPenalty,
    float frequencyPenalty,
    float presencePenalty,
    DryParams dry,
    float mirostatTau,
    float mirostatEta,
    Map<Integer, Float> logitBias,
    int minKeep,
    List<StageKind> order,
    long seed) {

  /// The stages whose order can be chosen.
  public enum StageKind {
    PENALTIES,
    DRY,
    TOP_N_SIGMA,
    TOP_K,
    TYPICAL,
    TOP_P,
    MIN_P,
    XTC,
    TEMPERATURE
  }

  /// The order of llama.cpp.
  public static final List<StageKind> DEFAULT_ORDER = List.of(StageKind.values());

  /// Always the most probable token.
  public static final SamplingParams GREEDY = builder().temperature(0).build();

  /// The most tokens that a bias may name.
  private static final int MAX_BIASES = 1024;

  /// Penalty on sequences that repeat.
  ///
  /// @param multiplier 0: off
  /// @param base grows the penalty with the length of the repetition
  /// @param allowedLength repetitions shorter than this cost nothing
  /// @param lastN how many tokens it looks back; −1: all
  /// @param breakers what ends a repetition
  public record DryParams(
      float multiplier, float base, int allowedLength, int lastN, DryBreakers breakers) {
    /// No penalty.
    public static final DryParams OFF = new DryParams(0, 1.75f, 2, -1, DryBreakers.NONE);

    public DryParams {
      Range.check("dry multiplier", multiplier, 0, 1000);
      Range.check("dry base", base, 0, 1000);
      Range.check("dry allowed length", allowedLength, 0, Integer.MAX_VALUE);
      Range.check("dry last n", lastN, -1, Integer.MAX_VALUE);
    }
  }

  public SamplingParams {
    Range.check("temperature", temperature, 0, 100);
    Range.check("temperature range", temperatureRange, 0, 100);
    Range.check("temperature exponent", temperatureExponent, 0, 100);
    Range.check("top k", topK, 0, Integer.MAX_VALUE);
    Range.check("top p", topP, 0, 1);
    Range.check("min p", minP, 0, 1);
    Range.check("typical p", typicalP, 0, 1);
    Range.check("top n sigma", topNSigma, -1, 1000);
    Range.check("xtc probability", xtcProbability, 0, 1);
    Range.check("xtc threshold", xtcThreshold, 0, 1);
    Range.check("penalty last n", penaltyLastN, -1, Integer.MAX_VALUE);
    Range.check("repeat penalty", repeatPenalty, 0.01, 100);
    Range.check("frequency penalty", frequencyPenalty, -100, 100);
    Range.check("presence penalty", presencePenalty, -100, 100);
    Range.check("mirostat tau", mirostatTau, 0, 100);
    Range.check("mirostat eta", mirostatEta, 0, 10);
    Range.check("min keep", minKeep, 1, Integer.MAX_VALUE);
    Range.check("logit bias entries", logitBias.size(), 0, MAX_BIASES);
    logitBias = Map.copyOf(logitBias);
    for (float bias : logitBias.values()) {
      if (!(bias < Float.POSITIVE_INFINITY)) {
        throw new IllegalArgumentException("logit bias: expected below infinity, found " + bias);
      }
    }
    order = List.copyOf(order);
    if (!order.isEmpty() && EnumSet.copyOf(order).size() != order.size()) {
      throw new IllegalArgumentException("order: expected each stage once, found " + order);
    }
    Objects.requireNonNull(dry);
  }

  /// Temperature, top-k, top-p, min-p and a seed; nothing else.
  public SamplingParams(float temperature, int topK, float topP, float minP, long seed) {
    this(
        temperature,
        0,
        1,
        topK,
        topP,
        minP,
        1,
        -1,
        0,
        0.1f,
        64,
        1,
        0,
        0,
        DryParams.OFF,
        0,
        0.1f,
        Map.of(),
        1,
        DEFAULT_ORDER,
        seed);
  }

  /// A builder with the defaults: temperature 1 and everything else off.
  public static Builder builder() {
    return new Builder(new SamplingParams(1, 0, 1, 0, 0));
  }

  /// A builder that starts from these.
  public Builder toBuilder() {
    return new Builder(this);
  }

  /// Collects parameters; [#build] checks them.
  public static final class Builder {
    private float temperature;
    private float temperatureRange;
    private float temperatureExponent;
    private int topK;
    private float topP;
    private float minP;
    private float typicalP;
    private float topNSigma;
    private float xtcProbability;
    private float xtcThreshold;
    private int penaltyLastN;
    private float repeatPenalty;
    private float frequencyPenalty;
    private float presencePenalty;
    private DryParams dry;
    private float mirostatTau;
    private float mirostatEta;
    private Map<Integer, Float> logitBias;
    private int minKeep;
    private List<StageKind> order;
    private long seed;

    private Builder(SamplingParams p) {
      temperature = p.temperature;
      temperatureRange = p.temperatureRange;
      temperatureExponent = p.temperatureExponent;
      topK = p.topK;
      topP = p.topP;
      minP = p.minP;
      typicalP = p.typicalP;
      topNSigma = p.topNSigma;
      xtcProbability = p.xtcProbability;
      xtcThreshold = p.xtcThreshold;
      penaltyLastN = p.penaltyLastN;
      repeatPenalty = p.repeatPenalty;
      frequencyPenalty = p.frequencyPenalty;
      presencePenalty = p.presencePenalty;
      dry = p.dry;
      mirostatTau = p.mirostatTau;
      mirostatEta = p.mirostatEta;
      logitBias = p.logitBias;
      minKeep = p.minKeep;
      order = p.order;
      seed = p.seed;
    }

    /// See [SamplingParams#temperature].
    public Builder temperature(float v) {
      temperature = v;
      return this;
    }

    /// See [SamplingParams#temperatureRange] and [SamplingParams#temperatureExponent].
    public Builder dynamicTemperature(float range, float exponent) {
      temperatureRange = range;
      temperatureExponent = exponent;
      return this;
    }

    /// See [SamplingParams#topK].
    public Builder topK(int v) {
      topK = v;
      return this;
    }

    /// See [SamplingParams#topP].
    public Builder topP(float v) {
      topP = v;
      return this;
    }

    /// See [SamplingParams#minP].
    public Builder minP(float v) {
      minP = v;
      return this;
    }

    /// See [SamplingParams#typicalP].
    public Builder typicalP(float v) {
      typicalP = v;
      return this;
    }

    /// See [SamplingParams#topNSigma].
    public Builder topNSigma(float v) {
      topNSigma = v;
      return this;
    }

    /// See [SamplingParams#xtcProbability] and [SamplingParams#xtcThreshold].
    public Builder xtc(float probability, float threshold) {
      xtcProbability = probability;
      xtcThreshold = threshold;
      return this;
    }

    /// See the penalties of [SamplingParams].
    public Builder penalties(int lastN, float repeat, float frequency, float presence) {
      penaltyLastN = lastN;
      repeatPenalty = repeat;
      frequencyPenalty = frequency;
      presencePenalty = presence;
      return this;
    }

    /// See [DryParams].
    public Builder dry(DryParams v) {
      dry = v;
      return this;
    }

    /// See [SamplingParams#mirostatTau] and [SamplingParams#mirostatEta].
    public Builder mirostat(float tau, float eta) {
      mirostatTau = tau;
      mirostatEta = eta;
      return this;
    }

    /// See [SamplingParams#logitBias].
    public Builder logitBias(Map<Integer, Float> v) {
      logitBias = v;
      return this;
    }

    /// See [SamplingParams#minKeep].
    public Builder minKeep(int v) {
      minKeep = v;
      return this;
    }

    /// See [SamplingParams#order].
    public Builder order(List<StageKind> v) {
      order = v;
      return this;
    }

    /// See [SamplingParams#seed].
    public Builder seed(long v) {
      seed = v;
      return this;
    }

    /// The parameters.
    ///
    /// @throws IllegalArgumentException when one is out of its range, naming it
    public SamplingParams build() {
      return new SamplingParams(
          temperature,
          temperatureRange,
          temperatureExponent,
          topK,
          topP,
          minP,
          typicalP,
          topNSigma,
          xtcProbability,
          xtcThreshold,
          penaltyLastN,
          repeatPenalty,
          frequencyPenalty,
          presencePenalty,
          dry,
          mirostatTau,
          mirostatEta,
          logitBias,
          minKeep,
          order,
          seed);
    }
  }
}

package ai.realm.engine.sampling;

/// How the next token is chosen.
///
/// @param temperature divides the logits; 0 takes the most probable token
/// @param topK keeps the k most probable tokens; 0 keeps all
/// @param topP keeps the most probable tokens until their probabilities sum to this; 1 keeps all
/// @param minP drops tokens less probable than this share of the best one's probability; 0 keeps all
/// @param seed the random sequence; the same seed gives the same tokens
public record SamplingParams(float temperature, int topK, float topP, float minP, long seed) {
  /// Always the most probable token.
  public static final SamplingParams GREEDY = new SamplingParams(0, 0, 1, 0, 0);

  public SamplingParams {
    if (!(temperature >= 0 && temperature <= 100)) {
      throw new IllegalArgumentException("temperature: expected 0 to 100, found " + temperature);
    }
    if (topK < 0) {
      throw new IllegalArgumentException("topK: expected at least 0, found " + topK);
    }
    if (!(topP >= 0 && topP <= 1)) {
      throw new IllegalArgumentException("topP: expected 0 to 1, found " + topP);
    }
    if (!(minP >= 0 && minP <= 1)) {
      throw new IllegalArgumentException("minP: expected 0 to 1, found " + minP);
    }
  }
}

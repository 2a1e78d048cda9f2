package ai.realm.model;

import org.jspecify.annotations.Nullable;

/// How a model stretches its rotary frequencies beyond the context it was first trained with.
sealed interface RopeScaling {
  /// All positions divided by `factor` (1: none), rotated elements times `attentionFactor`.
  record Uniform(float factor, float attentionFactor) implements RopeScaling {}

  /// Peng et al., "YaRN" (2023): fast frequencies stay, slow ones are divided by `factor`, those that
  /// turn `betaSlow` to `betaFast` times within the original context are mixed; `attentionFactor · (1
  /// + 0.1 ln factor)` scales the result. See `rope_yarn` in ggml.
  ///
  /// @param extrapolation weight of the mix; 0 makes it uniform
  record Yarn(
      float factor,
      int originalContext,
      float extrapolation,
      float attentionFactor,
      float betaFast,
      float betaSlow)
      implements RopeScaling {}

  /// Frequencies `base^(−2i/dims)`, divided by `factors[i]` where given (Llama 3, LongRoPE), scaled.
  default float[] frequencies(int dims, float base, float @Nullable [] factors) {
    float[] frequencies = new float[dims / 2];
    for (int i = 0; i < frequencies.length; i++) {
      double plain = Math.pow(base, -2.0 * i / dims) / (factors == null ? 1 : factors[i]);
      frequencies[i] =
          (float)
              switch (this) {
                case Uniform uniform -> plain / uniform.factor;
                case Yarn yarn -> {
                  double mix = yarnRamp(yarn, i, dims, base) * yarn.extrapolation;
                  yield plain / yarn.factor * (1 - mix) + plain * mix;
                }
              };
    }
    return frequencies;
  }

  /// Factor on rotated elements.
  default float magnitude() {
    return switch (this) {
      case Uniform uniform -> uniform.attentionFactor;
      case Yarn yarn ->
          yarn.extrapolation == 0
              ? yarn.attentionFactor
              : (float) (yarn.attentionFactor * (1 + 0.1 * Math.log(yarn.factor)));
    };
  }

  /// 1 for pairs that turn often and keep their frequency, 0 for slow ones, a line between.
  private static double yarnRamp(Yarn yarn, int pair, int dims, float base) {
    double low = Math.max(0, Math.floor(turningPair(yarn.betaFast, yarn, dims, base)));
    double high = Math.min(dims - 1.0, Math.ceil(turningPair(yarn.betaSlow, yarn, dims, base)));
    double y = (pair - low) / Math.max(0.001, high - low);
    return 1 - Math.clamp(y, 0.0, 1.0);
  }

  /// The (fractional) pair that turns `turns` times within the original context.
  private static double turningPair(float turns, Yarn yarn, int dims, float base) {
    return dims * Math.log(yarn.originalContext / (turns * 2 * Math.PI)) / (2 * Math.log(base));
  }
}

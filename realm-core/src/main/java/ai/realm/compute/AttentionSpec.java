package ai.realm.compute;

import org.jspecify.annotations.Nullable;

/// What kind of attention a layer computes.
///
/// @param heads query heads
/// @param kvHeads key/value heads; `heads` is a multiple of it (GQA)
/// @param keyLength elements of a query or key head
/// @param valueLength elements of a value head
/// @param scale factor on q·k
/// @param softcap where positive, scores become `softcap * tanh(score / softcap)` (Gemma 2)
/// @param window where positive, a query at position p sees keys at positions > p − window
/// @param causal whether a query sees only keys at its own position and before (false: encoders)
/// @param maxAlibiBias where positive, ALiBi with this maximum bias
/// @param sinks one logit per head that takes part in the softmax's sum only (gpt-oss), or null
public record AttentionSpec(
    int heads,
    int kvHeads,
    int keyLength,
    int valueLength,
    float scale,
    float softcap,
    int window,
    boolean causal,
    float maxAlibiBias,
    @Nullable Buffer sinks) {
  public AttentionSpec {
    if (heads < 1 || kvHeads < 1 || heads % kvHeads != 0) {
      throw new IllegalArgumentException(
          "expected heads to be a multiple of kvHeads, found %d and %d".formatted(heads, kvHeads));
    }
  }

  /// Plain causal attention with scale `1/sqrt(headLength)`.
  public static AttentionSpec causal(int heads, int kvHeads, int headLength) {
    return new AttentionSpec(
        heads,
        kvHeads,
        headLength,
        headLength,
        (float) (1 / Math.sqrt(headLength)),
        0,
        0,
        true,
        0,
        null);
  }

  /// ALiBi's slope of a query head, 0 where [#maxAlibiBias] is not positive: the score of a key at
  /// distance d loses `slope · d`. Heads beyond the greatest power of two take the odd slopes of the
  /// next one. See Press et al., "Train Short, Test Long" (2021), and `ggml_compute_forward_soft_max`.
  public float alibiSlope(int head) {
    if (maxAlibiBias <= 0) {
      return 0;
    }
    int powerOfTwo = Integer.highestOneBit(heads);
    return (float)
        (head < powerOfTwo
            ? Math.pow(2, -maxAlibiBias / powerOfTwo * (head + 1))
            : Math.pow(2, -maxAlibiBias / 2 / powerOfTwo * (2 * (head - powerOfTwo) + 1)));
  }
}

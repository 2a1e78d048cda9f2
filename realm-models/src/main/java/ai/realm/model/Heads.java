package ai.realm.model;

import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Buffer;
import org.jspecify.annotations.Nullable;

/// Numbers and lengths of attention heads.
///
/// @param heads query heads
/// @param kvHeads key/value heads, a divisor of `heads`
/// @param keyLength elements of a query or key head
/// @param valueLength elements of a value head
record Heads(int heads, int kvHeads, int keyLength, int valueLength) {
  int queryWidth() {
    return heads * keyLength;
  }

  int keyWidth() {
    return kvHeads * keyLength;
  }

  int valueWidth() {
    return kvHeads * valueLength;
  }

  int attendedWidth() {
    return heads * valueLength;
  }

  /// `1/√keyLength`.
  float usualScale() {
    return (float) (1 / Math.sqrt(keyLength));
  }

  /// Causal attention with the usual scale.
  AttentionSpec causal() {
    return windowed(usualScale(), 0);
  }

  /// Causal attention over the last `window` positions; 0 for all.
  AttentionSpec windowed(float scale, int window) {
    return spec(scale, 0, window, null);
  }

  /// Causal attention with soft-capped scores or sinks.
  AttentionSpec spec(float scale, float softcap, int window, @Nullable Buffer sinks) {
    return new AttentionSpec(
        heads, kvHeads, keyLength, valueLength, scale, softcap, window, true, 0, sinks);
  }

  /// Causal attention with linear biases instead of positions.
  AttentionSpec alibi(float maxBias) {
    return new AttentionSpec(
        heads, kvHeads, keyLength, valueLength, usualScale(), 0, 0, true, maxBias, null);
  }

  /// An encoder: unless `causal`, every row sees every row of its sequence.
  AttentionSpec encoder(boolean causal, float maxAlibiBias) {
    return new AttentionSpec(
        heads, kvHeads, keyLength, valueLength, usualScale(), 0, 0, causal, maxAlibiBias, null);
  }
}

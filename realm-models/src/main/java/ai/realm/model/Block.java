package ai.realm.model;

import ai.realm.compute.Buffer;
import org.jspecify.annotations.Nullable;

/// One layer: what it adds to the residual stream `x`.
sealed interface Block {
  /// Updates the residual stream.
  void apply(Step s);

  /// Attention, then feed-forward:
  ///
  /// ```
  /// x += scale · postAttentionNorm(mix(attentionNorm(x)))
  /// x += scale · postFeedForwardNorm(f(feedForwardNorm(x)))
  /// ```
  ///
  /// @param attentionNorm of the input, or null (OLMo 2)
  /// @param postAttentionNorm of the sublayer's result, or null (most)
  /// @param feedForwardNorm of the input, or null
  /// @param postFeedForwardNorm of the sublayer's result, or null
  /// @param residualScale factor on what is added (Granite, MiniCPM)
  record Sequential(
      @Nullable Norm attentionNorm,
      TokenMixer mixer,
      @Nullable Norm postAttentionNorm,
      @Nullable Norm feedForwardNorm,
      FeedForward feedForward,
      @Nullable Norm postFeedForwardNorm,
      float residualScale)
      implements Block {
    @Override
    public void apply(Step s) {
      Buffer y = s.buffer(Step.Slot.Y, s.width());
      mixer.apply(s, y, normed(s, attentionNorm));
      addTo(s, y, postAttentionNorm);
      feedForward.apply(s, y, normed(s, feedForwardNorm));
      addTo(s, y, postFeedForwardNorm);
    }

    private void addTo(Step s, Buffer y, @Nullable Norm norm) {
      int n = s.rows();
      if (norm != null) {
        norm.apply(s, y, y, n);
      }
      long count = (long) n * s.width();
      if (residualScale != 1) {
        s.backend.scale(y, residualScale, count);
      }
      s.backend.add(s.x(), y, count);
    }
  }

  /// Attention and feed-forward side by side: `x += mix(norm(x)) + f(feedForwardNorm(x))` (GPT-J,
  /// Falcon, Command R).
  ///
  /// @param norm of attention's input
  /// @param feedForwardNorm of feed-forward's input; null where it shares attention's
  record Parallel(
      Norm norm, TokenMixer mixer, @Nullable Norm feedForwardNorm, FeedForward feedForward)
      implements Block {
    @Override
    public void apply(Step s) {
      long count = (long) s.rows() * s.width();
      Buffer y = s.buffer(Step.Slot.Y, s.width());
      Buffer z = s.buffer(Step.Slot.Z, s.width());
      Buffer h = normed(s, norm);
      mixer.apply(s, y, h);
      feedForward.apply(s, z, feedForwardNorm == null ? h : normed(s, feedForwardNorm));
      s.backend.add(s.x(), y, count);
      s.backend.add(s.x(), z, count);
    }
  }

  /// One sublayer only: `x += mix(norm(x))` (Mamba).
  record MixerOnly(Norm norm, TokenMixer mixer) implements Block {
    @Override
    public void apply(Step s) {
      Buffer y = s.buffer(Step.Slot.Y, s.width());
      mixer.apply(s, y, normed(s, norm));
      s.backend.add(s.x(), y, (long) s.rows() * s.width());
    }
  }

  /// The original order: `x = norm₁(x + mix(x))`, `x = norm₂(x + f(x))` (BERT).
  record PostNorm(
      TokenMixer mixer, Norm attentionNorm, FeedForward feedForward, Norm feedForwardNorm)
      implements Block {
    @Override
    public void apply(Step s) {
      int n = s.rows();
      long count = (long) n * s.width();
      Buffer x = s.x();
      Buffer y = s.buffer(Step.Slot.Y, s.width());
      mixer.apply(s, y, x);
      s.backend.add(x, y, count);
      attentionNorm.apply(s, x, x, n);
      feedForward.apply(s, y, x);
      s.backend.add(x, y, count);
      feedForwardNorm.apply(s, x, x, n);
    }
  }

  private static Buffer normed(Step s, @Nullable Norm norm) {
    if (norm == null) {
      return s.x();
    }
    Buffer h = s.buffer(Step.Slot.H, s.width());
    norm.apply(s, h, s.x(), s.rows());
    return h;
  }

  /// What only one architecture has; said in its own file.
  non-sealed interface Extra extends Block {}
}

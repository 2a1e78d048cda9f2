package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.AttentionSpec;
import ai.realm.compute.WeightMatrix;
import org.jspecify.annotations.Nullable;

/// Sublayers as most architectures name their tensors. `b` is a layer's prefix, `blk.N.`.
final class Pieces {
  private Pieces() {}

  /// `attn_q`, `attn_k`, `attn_v` (or `attn_qkv`, fused) and `attn_output`.
  static Attention attention(
      ModelReader r, String b, int layer, Heads heads, @Nullable Rope rope, AttentionSpec spec) {
    return attention(r, b, layer, heads, rope, spec, null, null);
  }

  /// The same with norms of queries and keys.
  static Attention attention(
      ModelReader r,
      String b,
      int layer,
      Heads heads,
      @Nullable Rope rope,
      AttentionSpec spec,
      @Nullable HeadNorm qNorm,
      @Nullable HeadNorm kNorm) {
    int width = r.width();
    Linear o = r.linear(b + "attn_output", heads.attendedWidth(), width);
    if (r.hasTensor(b + "attn_qkv.weight")) {
      int q = heads.queryWidth();
      int k = heads.keyWidth();
      int v = heads.valueWidth();
      int all = q + k + v;
      return new Attention(
          layer,
          r.part(b + "attn_qkv", width, all, 0, q),
          r.part(b + "attn_qkv", width, all, q, k),
          r.part(b + "attn_qkv", width, all, q + k, v),
          o,
          qNorm,
          kNorm,
          rope,
          spec);
    }
    return new Attention(
        layer,
        r.linear(b + "attn_q", width, heads.queryWidth()),
        r.linear(b + "attn_k", width, heads.keyWidth()),
        r.linear(b + "attn_v", width, heads.valueWidth()),
        o,
        qNorm,
        kNorm,
        rope,
        spec);
  }

  /// RMS norm of each head with weights that all heads share.
  static HeadNorm headNorm(ModelReader r, String name, int headLength) {
    return new HeadNorm(r.rmsNorm(name, headLength), null);
  }

  /// Layer norm of each head with weights of its own, or null when the file has none.
  static @Nullable HeadNorm layerHeadNorm(ModelReader r, String name, int headLength, int heads) {
    if (!r.hasTensor(name + ".weight")) {
      return null;
    }
    Norm norm = new Norm(Norm.Kind.LAYER, headLength, null, null, r.layerEpsilon());
    return new HeadNorm(norm, r.matrixVector(name + ".weight", headLength, heads));
  }

  /// Layer norm of whole rows with weights and biases, or null when the file has none.
  static @Nullable HeadNorm layerRowNorm(ModelReader r, String name, int width) {
    Norm norm = r.optionalLayerNorm(name, width);
    return norm == null ? null : new HeadNorm(norm, null);
  }

  /// The range of q, k and v, 0 for none.
  static float clamp(ModelReader r) {
    return Math.max(0, r.float32("attention.clamp_kqv", 0));
  }

  /// A layer with RMS norms `attn_norm` and `ffn_norm` of its sublayers' inputs.
  static Block preNorm(ModelReader r, String b, TokenMixer mixer, FeedForward feedForward) {
    return new Block.Sequential(
        r.rmsNorm(b + "attn_norm", r.width()),
        mixer,
        null,
        r.rmsNorm(b + "ffn_norm", r.width()),
        feedForward,
        null,
        1);
  }

  /// The same with layer norms.
  static Block layerPreNorm(ModelReader r, String b, TokenMixer mixer, FeedForward feedForward) {
    return new Block.Sequential(
        r.layerNorm(b + "attn_norm", r.width()),
        mixer,
        null,
        r.layerNorm(b + "ffn_norm", r.width()),
        feedForward,
        null,
        1);
  }

  /// A layer with RMS norms of its sublayers' inputs and results.
  static Block sandwichNorm(ModelReader r, String b, TokenMixer mixer, FeedForward feedForward) {
    return new Block.Sequential(
        r.rmsNorm(b + "attn_norm", r.width()),
        mixer,
        r.rmsNorm(b + "post_attention_norm", r.width()),
        r.rmsNorm(b + "ffn_norm", r.width()),
        feedForward,
        r.rmsNorm(b + "post_ffw_norm", r.width()),
        1);
  }

  /// Token embeddings times the root of their width (Gemma).
  static Decoder.Embedding scaledEmbedding(ModelReader r, WeightMatrix tokens) {
    return new Decoder.Embedding(tokens, (float) Math.sqrt(r.width()), null, null, null);
  }

  /// RMS norm, then the output projection.
  static Decoder.Output rmsOutput(ModelReader r, WeightMatrix tokens) {
    return new Decoder.Output(
        r.rmsNorm("output_norm", r.width()), r.outputProjection(tokens), 1, 0);
  }

  /// Layer norm, then the output projection.
  static Decoder.Output layerOutput(ModelReader r, WeightMatrix tokens) {
    return new Decoder.Output(
        r.layerNorm("output_norm", r.width()), r.outputProjection(tokens), 1, 0);
  }

  /// `ffn_gate`, `ffn_up`, `ffn_down`.
  static DenseFeedForward gated(ModelReader r, String b, int hidden, Activation f) {
    return new DenseFeedForward(
        r.linear(b + "ffn_gate", r.width(), hidden),
        r.linear(b + "ffn_up", r.width(), hidden),
        r.linear(b + "ffn_down", hidden, r.width()),
        f);
  }

  /// `ffn_up` that holds gate and up, `ffn_down`.
  static DenseFeedForward gatedFused(ModelReader r, String b, int hidden, Activation f) {
    return new DenseFeedForward(
        r.part(b + "ffn_up", r.width(), 2 * hidden, 0, hidden),
        r.part(b + "ffn_up", r.width(), 2 * hidden, hidden, hidden),
        r.linear(b + "ffn_down", hidden, r.width()),
        f);
  }

  /// `ffn_up`, `ffn_down`.
  static DenseFeedForward ungated(ModelReader r, String b, int hidden, Activation f) {
    return new DenseFeedForward(
        null,
        r.linear(b + "ffn_up", r.width(), hidden),
        r.linear(b + "ffn_down", hidden, r.width()),
        f);
  }

  /// A dense layer, or experts chosen by softmax where the file has a router.
  static FeedForward denseOrExperts(ModelReader r, String b, Activation f, boolean normalise) {
    if (!r.hasTensor(b + "ffn_gate_inp.weight")) {
      return gated(r, b, r.feedForwardLength(), f);
    }
    int hidden = r.bounded("expert_feed_forward_length", 1 << 20, r.feedForwardLength());
    return experts(r, b, hidden, f, MixtureOfExperts.Choice.softmax(usedExperts(r), normalise));
  }

  static int expertCount(ModelReader r) {
    return r.bounded("expert_count", 4096);
  }

  static int usedExperts(ModelReader r) {
    return r.bounded("expert_used_count", expertCount(r));
  }

  /// `ffn_gate_inp` and `ffn_*_exps`, without a shared expert.
  static MixtureOfExperts experts(
      ModelReader r, String b, int hidden, Activation f, MixtureOfExperts.Choice choice) {
    return new MixtureOfExperts(
        r.linear(b + "ffn_gate_inp", r.width(), expertCount(r)),
        denseExperts(r, b, hidden, f),
        choice,
        null,
        null);
  }

  /// `ffn_gate_exps`, `ffn_up_exps`, `ffn_down_exps`.
  static MixtureOfExperts.Expert[] denseExperts(ModelReader r, String b, int hidden, Activation f) {
    int count = expertCount(r);
    Linear[] gates = r.experts(b + "ffn_gate_exps", r.width(), hidden, count);
    Linear[] ups = r.experts(b + "ffn_up_exps", r.width(), hidden, count);
    Linear[] downs = r.experts(b + "ffn_down_exps", hidden, r.width(), count);
    MixtureOfExperts.Expert[] experts = new MixtureOfExperts.Expert[count];
    for (int e = 0; e < count; e++) {
      experts[e] = new MixtureOfExperts.Dense(new DenseFeedForward(gates[e], ups[e], downs[e], f));
    }
    return experts;
  }

  /// `ffn_gate_shexp`, `ffn_up_shexp`, `ffn_down_shexp`.
  static DenseFeedForward sharedExpert(ModelReader r, String b, int hidden, Activation f) {
    return new DenseFeedForward(
        r.linear(b + "ffn_gate_shexp", r.width(), hidden),
        r.linear(b + "ffn_up_shexp", r.width(), hidden),
        r.linear(b + "ffn_down_shexp", hidden, r.width()),
        f);
  }
}

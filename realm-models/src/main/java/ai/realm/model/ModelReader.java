package ai.realm.model;

import ai.realm.compute.Backend;
import ai.realm.compute.Buffer;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightLoader;
import ai.realm.compute.WeightMatrix;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufFormatException;
import ai.realm.gguf.GgufMetadata;
import ai.realm.gguf.GgufValue;
import ai.realm.gguf.TensorInfo;
import ai.realm.tensor.BlockCodec;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Reads an architecture's settings and weights from a file: checks every shape, remembers what was
/// read, and refuses a file with tensors that the architecture has no use for, because a model that
/// leaves weights out computes something else.
final class ModelReader {
  private static final int MAX_LAYERS = 4096;
  private static final int MAX_WIDTH = 1 << 20;
  private static final int MAX_HEADS = 1 << 14;

  private final GgufFile file;
  private final GgufMetadata metadata;
  private final Backend backend;
  private final WeightLoader weights;
  private final String architecture;
  private final int contextLength;
  private final Set<String> read = new HashSet<>();
  private final List<Rope> ropes = new ArrayList<>();
  private final List<Linear.Place> places = new ArrayList<>();
  private final List<Runnable> owned = new ArrayList<>();

  /// @param weights the backend's loader for this file
  /// @param maxContext limit on the context length that the file states
  ModelReader(GgufFile file, Backend backend, WeightLoader weights, int maxContext) {
    this.file = file;
    this.backend = backend;
    this.weights = weights;
    metadata = file.metadata();
    architecture = metadata.string("general.architecture");
    contextLength = Math.min(maxContext, bounded("context_length", Integer.MAX_VALUE));
  }

  // ---- settings ---------------------------------------------------------------------------------

  String architecture() {
    return architecture;
  }

  Backend backend() {
    return backend;
  }

  private String key(String name) {
    return architecture + "." + name;
  }

  boolean has(String name) {
    return metadata.contains(key(name));
  }

  int int32(String name, int absent) {
    return metadata.int32(key(name), absent);
  }

  /// The integer at `name`, which must be there and lie between 1 and `max`.
  int bounded(String name, int max) {
    return check(name, metadata.int32(key(name)), max);
  }

  /// The same, or `absent` when the file has none.
  int bounded(String name, int max, int absent) {
    return has(name) ? bounded(name, max) : absent;
  }

  private int check(String name, int value, int max) {
    if (value < 1 || value > max) {
      throw new GgufFormatException(
          "key %s: expected 1 to %d, found %d".formatted(key(name), max, value));
    }
    return value;
  }

  boolean bool(String name, boolean absent) {
    return metadata.bool(key(name), absent);
  }

  String string(String name, String absent) {
    return metadata.string(key(name), absent);
  }

  int[] ints(String name) {
    return metadata.ints(key(name));
  }

  /// The number at `name`, which must be there and be finite.
  float float32(String name) {
    float value = metadata.float32(key(name));
    if (!Float.isFinite(value)) {
      throw new GgufFormatException(
          "key %s: expected a finite number, found %s".formatted(key(name), value));
    }
    return value;
  }

  /// The same, or `absent` when the file has none.
  float float32(String name, float absent) {
    return has(name) ? float32(name) : absent;
  }

  /// The number at `name` or `absent`, which must be positive.
  float positive(String name, float absent) {
    float value = float32(name, absent);
    if (value <= 0) {
      throw new GgufFormatException(
          "key %s: expected a positive number, found %s".formatted(key(name), value));
    }
    return value;
  }

  int layers() {
    return bounded("block_count", MAX_LAYERS);
  }

  int width() {
    return bounded("embedding_length", MAX_WIDTH);
  }

  int contextLength() {
    return contextLength;
  }

  int feedForwardLength() {
    return uniform("feed_forward_length", MAX_WIDTH);
  }

  float rmsEpsilon() {
    return epsilon("attention.layer_norm_rms_epsilon");
  }

  float layerEpsilon() {
    return epsilon("attention.layer_norm_epsilon");
  }

  private float epsilon(String name) {
    float value = float32(name);
    if (value < 0) {
      throw new GgufFormatException(
          "key %s: expected a number ≥ 0, found %s".formatted(key(name), value));
    }
    return value;
  }

  /// An integer that may be given once or for each layer; all layers must agree.
  int uniform(String name, int max) {
    Optional<GgufValue> value = metadata.find(key(name));
    if (value.isEmpty() || !(value.get() instanceof GgufValue.Arr)) {
      return bounded(name, max);
    }
    int[] values = ints(name);
    int first = values.length == 0 ? 0 : values[0];
    for (int other : values) {
      if (other != first) {
        throw new UnsupportedModelException(
            "key %s: expected the same for all layers, found %d and %d"
                .formatted(key(name), first, other));
      }
    }
    return check(name, first, max);
  }

  /// The same where layers may differ: one for each layer.
  int[] perLayer(String name, int max) {
    Optional<GgufValue> value = metadata.find(key(name));
    int[] values = new int[layers()];
    if (value.isEmpty() || !(value.get() instanceof GgufValue.Arr)) {
      Arrays.fill(values, bounded(name, max));
      return values;
    }
    int[] stated = ints(name);
    if (stated.length != values.length) {
      throw new GgufFormatException(
          "key %s: expected one number for each of %d layers, found %d"
              .formatted(key(name), values.length, stated.length));
    }
    for (int i = 0; i < values.length; i++) {
      values[i] = check(name, stated[i], max);
    }
    return values;
  }

  /// Attention heads as the file states them.
  Heads heads() {
    int heads = uniform("attention.head_count", MAX_HEADS);
    int kvHeads =
        has("attention.head_count_kv") ? uniform("attention.head_count_kv", MAX_HEADS) : heads;
    if (heads % kvHeads != 0) {
      throw new GgufFormatException(
          "key %s: expected a divisor of %d heads, found %d"
              .formatted(key("attention.head_count_kv"), heads, kvHeads));
    }
    int width = width();
    if (!has("attention.key_length") && width % heads != 0) {
      throw new GgufFormatException(
          "key %s: expected a divisor of the width %d, found %d"
              .formatted(key("attention.head_count"), width, heads));
    }
    int usual = width / heads;
    int keyLength = bounded("attention.key_length", MAX_HEADS, usual);
    int valueLength = bounded("attention.value_length", MAX_HEADS, usual == 0 ? keyLength : usual);
    return new Heads(heads, kvHeads, keyLength, valueLength);
  }

  /// The settings that all models have.
  ModelConfig config(boolean generates, boolean recurrent) {
    int vocabulary = Math.toIntExact(file.tensor("token_embd.weight").shape().rows());
    return new ModelConfig(
        architecture,
        layers(),
        width(),
        vocabulary,
        contextLength,
        Pooling.of(int32("pooling_type", 0)),
        generates,
        recurrent);
  }

  // ---- rotary positions -------------------------------------------------------------------------

  /// Rotation as the file's `rope.*` keys say.
  Rope rope(RopeStyle style, Heads heads) {
    return rope(style, ropeDims(heads), ropeBase(), ropeScaling(), ropeFactors(ropeDims(heads)));
  }

  Rope rope(
      RopeStyle style, int dims, float base, RopeScaling scaling, float @Nullable [] factors) {
    float[] frequencies = scaling.frequencies(dims, base, factors);
    Rope rope = new Rope(ropes.size(), dims, style, frequencies, scaling.magnitude());
    ropes.add(rope);
    return rope;
  }

  float ropeBase() {
    return positive("rope.freq_base", 10000);
  }

  int ropeDims(Heads heads) {
    int dims = bounded("rope.dimension_count", MAX_HEADS, heads.keyLength());
    if (dims % 2 != 0 || dims > heads.keyLength()) {
      throw new GgufFormatException(
          "key %s: expected an even number up to %d, found %d"
              .formatted(key("rope.dimension_count"), heads.keyLength(), dims));
    }
    return dims;
  }

  RopeScaling ropeScaling() {
    String type = string("rope.scaling.type", "linear");
    float factor = float32("rope.scaling.factor", float32("rope.scale_linear", 0));
    if (factor == 0) {
      factor = 1;
    }
    if (factor < 0) {
      throw new GgufFormatException(
          "key %s: expected a positive number, found %s"
              .formatted(key("rope.scaling.factor"), factor));
    }
    float attention = positive("rope.scaling.attn_factor", 1);
    return switch (type) {
      case "none" -> new RopeScaling.Uniform(1, attention);
      case "linear", "longrope" -> new RopeScaling.Uniform(factor, attention);
      case "yarn" ->
          new RopeScaling.Yarn(
              factor,
              originalContext(),
              float32("rope.scaling.yarn_ext_factor", 1),
              attention * positive("rope.scaling.yarn_attn_factor", 1) / yarnAllDims(factor),
              positive("rope.scaling.yarn_beta_fast", 32),
              positive("rope.scaling.yarn_beta_slow", 1));
      default ->
          throw new UnsupportedModelException(
              "key %s: expected none, linear, yarn or longrope, found %s"
                  .formatted(key("rope.scaling.type"), type));
    };
  }

  /// What `mscale_all_dim` of a model's configuration takes off the magnitude again. DeepSeek 2 applies
  /// it to scores instead.
  private float yarnAllDims(float factor) {
    float multiplier = float32("rope.scaling.yarn_log_multiplier", 0);
    return multiplier == 0 || factor <= 1 || architecture.equals("deepseek2")
        ? 1
        : (float) (1 + 0.1 * multiplier * Math.log(factor));
  }

  int originalContext() {
    return bounded(
        "rope.scaling.original_context_length",
        Integer.MAX_VALUE,
        bounded("context_length", Integer.MAX_VALUE));
  }

  /// Divisors of the frequencies: Llama 3's, or LongRoPE's long or short ones, whichever the context
  /// length asks for; null where the file has none.
  float @Nullable [] ropeFactors(int dims) {
    if (hasTensor("rope_factors_long.weight")) {
      float[] wide = values("rope_factors_long.weight", dims / 2);
      float[] narrow = values("rope_factors_short.weight", dims / 2);
      return contextLength > originalContext() ? wide : narrow;
    }
    return hasTensor("rope_freqs.weight") ? values("rope_freqs.weight", dims / 2) : null;
  }

  Rope[] ropes() {
    return ropes.toArray(Rope[]::new);
  }

  // ---- weights ----------------------------------------------------------------------------------

  boolean hasTensor(String name) {
    return file.findTensor(name).isPresent();
  }

  /// The tensor `name` of the given extents, innermost first.
  Tensor tensor(String name, long... ne) {
    Tensor tensor = file.tensor(name);
    boolean same = tensor.shape().dimensions() <= Math.max(ne.length, 2);
    StringBuilder expected = new StringBuilder();
    for (int i = 0; i < 4; i++) {
      long extent = i < ne.length ? ne[i] : 1;
      same &= tensor.shape().ne(i) == extent;
      if (i < ne.length) {
        expected.append(i == 0 ? "" : ", ").append(extent);
      }
    }
    if (!same) {
      throw new GgufFormatException(
          "tensor %s: expected (%s), found %s".formatted(name, expected, tensor.shape()));
    }
    requireFloats(tensor);
    read.add(name);
    return tensor;
  }

  private static void requireFloats(Tensor tensor) {
    GgmlType type = tensor.type();
    try {
      BlockCodec.of(type);
    } catch (IllegalArgumentException e) {
      throw new UnsupportedModelException(
          "tensor %s: type %s is not supported".formatted(tensor.name(), type), e);
    }
  }

  /// The weights of `name.weight` (rows, cols), with the bias `name.bias` where the file has one.
  Linear linear(String name, int cols, int rows) {
    return new Linear(
        matrix(name + ".weight", cols, rows),
        optionalVector(name + ".bias", rows),
        place(name + ".weight", rows, 0, rows, cols));
  }

  private int place(String tensor, int rows, int from, int count, int cols) {
    places.add(new Linear.Place(tensor, rows, from, count, cols));
    return places.size() - 1;
  }

  /// The linear layers that adapters can change, by [Linear#index].
  List<Linear.Place> places() {
    return List.copyOf(places);
  }

  /// The matrix `name` (rows, cols).
  WeightMatrix matrix(String name, int cols, int rows) {
    return own(weights.weights(tensor(name, cols, rows)));
  }

  /// Consecutive rows of a fused tensor (q, k and v; gate and up), with their part of its bias.
  ///
  /// @param rows rows of the whole tensor
  Linear part(String name, int cols, int rows, int from, int count) {
    Tensor whole = tensor(name + ".weight", cols, rows);
    Buffer bias = null;
    if (hasTensor(name + ".bias")) {
      float[] values = values(name + ".bias", rows);
      bias = own(backend.allocate(count));
      backend.write(bias, 0, values, from, count);
    }
    return new Linear(
        own(weights.weights(whole.rows(from, from + (long) count))),
        bias,
        place(name + ".weight", rows, from, count, cols));
  }

  /// One layer per expert from `name.weight` (experts, rows, cols) and `name.bias` (experts, rows).
  Linear[] experts(String name, int cols, int rows, int experts) {
    Tensor all = tensor(name + ".weight", cols, rows, experts);
    Tensor biases = hasTensor(name + ".bias") ? tensor(name + ".bias", rows, experts) : null;
    Linear[] result = new Linear[experts];
    for (int e = 0; e < experts; e++) {
      Buffer bias = biases == null ? null : own(backend.floats(biases.rows(e, e + 1L)));
      result[e] = new Linear(own(weights.weights(all.matrix(e))), bias, -1);
    }
    return result;
  }

  /// The vector `name` (dim).
  Buffer vector(String name, int dim) {
    return own(backend.floats(tensor(name, dim)));
  }

  /// The same, or null when the file has none.
  @Nullable Buffer optionalVector(String name, int dim) {
    return hasTensor(name) ? vector(name, dim) : null;
  }

  /// The matrix `name` (rows, cols) as one vector of all its rows.
  Buffer matrixVector(String name, int cols, int rows) {
    return own(backend.floats(tensor(name, cols, rows)));
  }

  /// The first row of matrix `name` (any, width).
  Buffer firstRow(String name) {
    return own(backend.floats(tensor(name, width(), file.tensor(name).shape().rows()).rows(0, 1)));
  }

  /// Learned positions (context, width), as many as the context length.
  WeightMatrix positionEmbedding() {
    return matrix("position_embd.weight", width(), bounded("context_length", Integer.MAX_VALUE));
  }

  /// The floats of tensor `name` with the given extents, on the heap.
  float[] values(String name, long... ne) {
    Tensor tensor = tensor(name, ne);
    float[] values = new float[Math.toIntExact(tensor.shape().elements())];
    BlockCodec.of(tensor.type()).dequantize(tensor.data(), 0, values, 0, values.length);
    return values;
  }

  /// RMS norm `name.weight` (dim), with `name.bias` where the file has one.
  Norm rmsNorm(String name, int dim) {
    return new Norm(
        Norm.Kind.RMS,
        dim,
        vector(name + ".weight", dim),
        optionalVector(name + ".bias", dim),
        rmsEpsilon());
  }

  /// The same, or null when the file has none.
  @Nullable Norm optionalRmsNorm(String name, int dim) {
    return hasTensor(name + ".weight") ? rmsNorm(name, dim) : null;
  }

  /// Layer norm `name.weight` (dim) with `name.bias` where the file has one.
  Norm layerNorm(String name, int dim) {
    return new Norm(
        Norm.Kind.LAYER,
        dim,
        vector(name + ".weight", dim),
        optionalVector(name + ".bias", dim),
        layerEpsilon());
  }

  /// The same, or null when the file has none.
  @Nullable Norm optionalLayerNorm(String name, int dim) {
    return hasTensor(name + ".weight") ? layerNorm(name, dim) : null;
  }

  /// Token embeddings (vocabulary, width), as many as the file has.
  WeightMatrix tokenEmbedding() {
    String name = "token_embd.weight";
    long rows = file.tensor(name).shape().rows();
    if (rows > Integer.MAX_VALUE) {
      throw new GgufFormatException(
          "tensor %s: expected fewer than 2^31 rows, found %d".formatted(name, rows));
    }
    if (metadata.contains("tokenizer.ggml.tokens")) {
      int tokens = metadata.strings("tokenizer.ggml.tokens").size();
      if (tokens != rows) {
        throw new GgufFormatException(
            "tensor %s: expected one row for each of %d tokens, found %d"
                .formatted(name, tokens, rows));
      }
    }
    return matrix(name, width(), (int) rows);
  }

  /// The output projection, tied to the token embeddings where the file has none.
  Linear outputProjection(WeightMatrix tokenEmbedding) {
    if (hasTensor("output.weight")) {
      return linear("output", width(), tokenEmbedding.rows());
    }
    weights.multiplied(tokenEmbedding);
    return new Linear(tokenEmbedding, optionalVector("output.bias", tokenEmbedding.rows()), -1);
  }

  /// Lets a tensor be in the file without being read.
  void ignore(String name) {
    read.add(name);
  }

  /// Lets all tensors that begin with `prefix` be in the file without being read.
  void ignoreAll(String prefix) {
    for (TensorInfo info : file.tensors()) {
      if (info.name().startsWith(prefix)) {
        read.add(info.name());
      }
    }
  }

  private Buffer own(Buffer buffer) {
    owned.add(buffer::close);
    return buffer;
  }

  private WeightMatrix own(WeightMatrix matrix) {
    owned.add(matrix::close);
    return matrix;
  }

  /// Ends reading: what was loaded, to be closed with the model.
  ///
  /// @throws UnsupportedModelException when the file has tensors that were not read
  List<Runnable> finish() {
    for (TensorInfo info : file.tensors()) {
      if (!read.contains(info.name())) {
        throw new UnsupportedModelException(
            "tensor %s: architecture %s has no use for it; computing without it would be wrong"
                .formatted(info.name(), architecture));
      }
    }
    return List.copyOf(owned);
  }

  /// Frees what was loaded so far, after a failure.
  void abandon() {
    closeAll(owned);
  }

  /// Frees what [#finish] returned.
  static void closeAll(List<Runnable> resources) {
    resources.forEach(Runnable::run);
  }
}

package ai.realm.model;

import ai.realm.compute.Activation;
import ai.realm.compute.Buffer;
import ai.realm.compute.RopeStyle;
import ai.realm.compute.WeightMatrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Gemma 4 (Google 2026), text, without experts: sliding layers with heads of their own size, last layers
/// that reuse the keys and values of earlier ones, an embedding of each token for each layer.
///
/// ```
/// x = √width · tokens[id]
/// e = (rmsNorm(project(x) / √width) + √length · layerTokens[id]) / √2        per layer
/// for each layer
///   x += rmsNorm(attention(rmsNorm(x)))     q, k, v normed per head; scores not scaled
///   x += rmsNorm(geGlu(rmsNorm(x)))
///   x += rmsNorm(up(gelu(down(x)) · e))
///   x *= layerScale
/// logits = cap · tanh(tokens · rmsNorm(x) / cap)
/// ```
final class Gemma4Model {
  private static final int MAX_LENGTH = 1 << 14;

  private Gemma4Model() {}

  /// Sizes that differ from layer to layer, and what the KV store keeps: the largest of them.
  private record Shapes(
      int heads, int[] kvHeads, boolean[] sliding, int slidingLength, int length, Heads stored) {
    int length(int layer) {
      return sliding[layer] ? slidingLength : length;
    }

    static Shapes read(ModelReader r) {
      int layers = r.layers();
      int heads = r.uniform("attention.head_count", MAX_LENGTH);
      int[] kvHeads = r.perLayer("attention.head_count_kv", MAX_LENGTH);
      int[] pattern = r.ints("attention.sliding_window_pattern");
      boolean[] sliding = new boolean[layers];
      int length = r.bounded("attention.key_length", MAX_LENGTH);
      int slidingLength = r.bounded("attention.key_length_swa", MAX_LENGTH);
      if (pattern.length != layers
          || r.bounded("attention.value_length", MAX_LENGTH) != length
          || r.bounded("attention.value_length_swa", MAX_LENGTH) != slidingLength) {
        throw new UnsupportedModelException(
            "gemma4: expected attention.sliding_window_pattern for %d layers and values as long as"
                    .formatted(layers)
                + " keys, found "
                + Arrays.toString(pattern));
      }
      int most = Arrays.stream(kvHeads).max().orElseThrow();
      for (int l = 0; l < layers; l++) {
        sliding[l] = pattern[l] != 0;
        if (most % kvHeads[l] != 0 || heads % kvHeads[l] != 0) {
          throw new UnsupportedModelException(
              "gemma4.attention.head_count_kv: expected divisors of %d and %d, found %d"
                  .formatted(heads, most, kvHeads[l]));
        }
      }
      int longest = Math.max(length, slidingLength);
      return new Shapes(
          heads, kvHeads, sliding, slidingLength, length, new Heads(heads, most, longest, longest));
    }
  }

  static CausalLm load(ModelReader r) {
    Shapes shapes = Shapes.read(r);
    int globalDims = r.bounded("rope.dimension_count", shapes.length(), shapes.length());
    int localDims =
        r.bounded("rope.dimension_count_swa", shapes.slidingLength(), shapes.slidingLength());
    Rope global =
        r.rope(
            RopeStyle.HALVES, globalDims, r.ropeBase(), r.ropeScaling(), r.ropeFactors(globalDims));
    Rope local =
        r.rope(
            RopeStyle.HALVES,
            localDims,
            r.positive("rope.freq_base_swa", 10000),
            new RopeScaling.Uniform(1, 1),
            null);
    int window = r.bounded("attention.sliding_window", Integer.MAX_VALUE);
    int layers = r.layers();
    int keeping = layers - r.int32("attention.shared_kv_layers", 0);
    if (keeping < 1 || keeping > layers) {
      throw new UnsupportedModelException(
          "gemma4.attention.shared_kv_layers: expected fewer than %d, found %d"
              .formatted(layers, layers - keeping));
    }
    int perLayer = r.int32("embedding_length_per_layer_input", 0);
    int[] hidden = r.perLayer("feed_forward_length", 1 << 20);

    WeightMatrix tokens = r.tokenEmbedding();
    List<Block> blocks = new ArrayList<>();
    if (perLayer > 0) {
      blocks.add(layerInputs(r, tokens.rows(), perLayer, layers));
    }
    for (int l = 0; l < layers; l++) {
      String b = "blk." + l + ".";
      boolean sliding = shapes.sliding()[l];
      Gemma4Attention attention =
          Gemma4Attention.read(
              r,
              b,
              l < keeping ? l : lastKeeping(shapes.sliding(), keeping, sliding),
              l < keeping,
              new Heads(shapes.heads(), shapes.kvHeads()[l], shapes.length(l), shapes.length(l)),
              sliding ? local : global,
              shapes.stored().spec(1, 0, sliding ? window : 0, null));
      Block.Sequential core =
          (Block.Sequential)
              Pieces.sandwichNorm(r, b, attention, Pieces.gated(r, b, hidden[l], Activation.GELU));
      blocks.add(
          new Layer(
              core,
              perLayer == 0 ? null : LayerEmbedding.read(r, b, l, perLayer, layers),
              r.hasTensor(b + "layer_output_scale.weight")
                  ? r.values(b + "layer_output_scale.weight", 1)[0]
                  : 1));
    }
    Decoder.Output output =
        new Decoder.Output(
            r.rmsNorm("output_norm", r.width()),
            r.outputProjection(tokens),
            1,
            r.float32("final_logit_softcapping", 0));
    return new Decoder(
        r, shapes.stored(), keeping, 0, Pieces.scaledEmbedding(r, tokens), blocks, output);
  }

  /// The last layer of a kind that keeps keys and values.
  private static int lastKeeping(boolean[] sliding, int keeping, boolean kind) {
    for (int l = keeping - 1; l >= 0; l--) {
      if (sliding[l] == kind) {
        return l;
      }
    }
    throw new UnsupportedModelException(
        "gemma4.attention.shared_kv_layers: expected a layer of each kind before the sharing ones,"
            + " found none");
  }

  private static LayerInputs layerInputs(ModelReader r, int vocabulary, int length, int layers) {
    return new LayerInputs(
        r.matrix("per_layer_token_embd.weight", length * layers, vocabulary),
        r.linear("per_layer_model_proj", r.width(), length * layers),
        r.rmsNorm("per_layer_proj_norm", length),
        length,
        layers);
  }

  /// Makes every layer's embeddings of a step's tokens, once, before the first layer.
  private record LayerInputs(
      WeightMatrix tokens, Linear projection, Norm norm, int length, int layers)
      implements Block.Extra {
    @Override
    public void apply(Step s) {
      int n = s.rows();
      long count = (long) n * length * layers;
      Buffer inputs = s.buffer(Step.Slot.LAYER_INPUTS, length * layers);
      Buffer projected = s.buffer(Step.Slot.LATENT, length * layers);
      projection.apply(s, projected, s.x(), n);
      s.backend.scale(projected, (float) (1 / Math.sqrt(s.width())), count);
      norm.apply(s, projected, projected, n * layers);
      s.backend.embed(inputs, tokens, s.batch().tokens(), n);
      s.backend.scale(inputs, (float) Math.sqrt(length), count);
      s.backend.add(inputs, projected, count);
      s.backend.scale(inputs, (float) Math.sqrt(0.5), count);
    }
  }

  /// What a layer does with its embedding of the tokens: `x += rmsNorm(up(gelu(down(x)) · e))`.
  private record LayerEmbedding(
      Linear down, Linear up, Norm norm, int layer, int length, int layers) {
    static LayerEmbedding read(ModelReader r, String b, int layer, int length, int layers) {
      return new LayerEmbedding(
          r.linear(b + "inp_gate", r.width(), length),
          r.linear(b + "proj", length, r.width()),
          r.rmsNorm(b + "post_norm", r.width()),
          layer,
          length,
          layers);
    }

    void apply(Step s) {
      int n = s.rows();
      Buffer gate = s.buffer(Step.Slot.GATE, length);
      Buffer input = s.buffer(Step.Slot.UP, length);
      Buffer y = s.buffer(Step.Slot.Y, s.width());
      Buffer inputs = s.buffer(Step.Slot.LAYER_INPUTS, length * layers);
      down.apply(s, gate, s.x(), n);
      s.backend.copyColumns(input, length, 0, inputs, length * layers, layer * length, length, n);
      s.backend.gate(Activation.GELU, gate, input, (long) n * length);
      up.apply(s, y, gate, n);
      norm.apply(s, y, y, n);
      s.backend.add(s.x(), y, (long) n * s.width());
    }
  }

  /// Attention and feed-forward, the layer's embedding, the layer's scale.
  private record Layer(Block.Sequential core, @Nullable LayerEmbedding embedding, float scale)
      implements Block.Extra {
    @Override
    public void apply(Step s) {
      core.apply(s);
      if (embedding != null) {
        embedding.apply(s);
      }
      if (scale != 1) {
        s.backend.scale(s.x(), scale, (long) s.rows() * s.width());
      }
    }
  }
}

package ai.realm.model;

import ai.realm.compute.Adapter;
import ai.realm.compute.Backend;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvLayout;
import ai.realm.compute.KvType;
import ai.realm.compute.WeightMatrix;
import ai.realm.gguf.GgufFile;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A transformer: embed the tokens, let every layer add to the residual stream, norm, project. What
/// the layers are is said by each architecture's own file.
final class Decoder implements CausalLm {
  /// From tokens to the residual stream: `x = norm(scale · tokens[id] + type + positions[p])`.
  ///
  /// @param tokens (vocabulary, width)
  /// @param scale factor on token embeddings (Gemma, Granite)
  /// @param positions (context, width), or null where positions are rotations or biases
  /// @param type (width) added to every row (BERT's first segment), or null
  /// @param norm of the sum, or null
  record Embedding(
      WeightMatrix tokens,
      float scale,
      @Nullable WeightMatrix positions,
      @Nullable Buffer type,
      @Nullable Norm norm) {
    static Embedding of(WeightMatrix tokens) {
      return new Embedding(tokens, 1, null, null, null);
    }
  }

  /// From the residual stream to logits: `softcap(scale · projection(norm(x)))`.
  ///
  /// @param norm of the residual stream, or null (BERT)
  /// @param projection (vocabulary, width), or null for encoders
  /// @param scale factor on logits
  /// @param softcap where positive, logits become `softcap · tanh(logit / softcap)`
  record Output(@Nullable Norm norm, @Nullable Linear projection, float scale, float softcap) {}

  private final Backend backend;
  private final ModelConfig config;
  private final Embedding embedding;
  private final Block[] blocks;
  private final Output output;
  private final Heads heads;
  private final int kvLayers;
  private final int stateFloats;
  private final Rope[] ropes;
  private final List<Linear.Place> places;
  private final List<Runnable> weights;

  Decoder(ModelReader reader, Heads heads, Embedding embedding, List<Block> blocks, Output output) {
    this(reader, heads, blocks.size(), 0, embedding, blocks, output);
  }

  /// @param kvLayers layers that keep keys and values, where not all do
  /// @param stateFloats floats of running state of the recurrent ones
  Decoder(
      ModelReader reader,
      Heads heads,
      int kvLayers,
      int stateFloats,
      Embedding embedding,
      List<Block> blocks,
      Output output) {
    backend = reader.backend();
    config = reader.config(output.projection != null, stateFloats > 0);
    this.embedding = embedding;
    this.blocks = blocks.toArray(Block[]::new);
    this.output = output;
    this.heads = heads;
    this.kvLayers = kvLayers;
    this.stateFloats = stateFloats;
    ropes = reader.ropes();
    places = reader.places();
    weights = reader.finish();
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public KvLayout kvLayout(int blockSize, KvType type) {
    return new KvLayout(
        kvLayers,
        heads.kvHeads(),
        heads.keyLength(),
        heads.valueLength(),
        blockSize,
        type,
        stateFloats);
  }

  @Override
  public ForwardPass newForwardPass(int maxRows, int maxSequences) {
    return new Step(this, backend, maxRows, maxSequences);
  }

  @Override
  public Adapter loadAdapter(GgufFile file, float strength) {
    return LoraAdapter.load(file, backend, config.architecture(), places, strength);
  }

  Rope[] ropes() {
    return ropes;
  }

  int width() {
    return config.embeddingLength();
  }

  /// Computes the residual stream of a step.
  void layers(Step s) {
    embed(s);
    for (Block block : blocks) {
      block.apply(s);
    }
  }

  private void embed(Step s) {
    int n = s.rows();
    Buffer x = s.x();
    backend.embed(x, embedding.tokens, s.batch().tokens(), n);
    if (embedding.scale != 1) {
      backend.scale(x, embedding.scale, (long) n * width());
    }
    if (embedding.type != null) {
      backend.addRow(x, embedding.type, n, width());
    }
    if (embedding.positions != null) {
      Buffer positions = s.buffer(Step.Slot.H, width());
      backend.embed(positions, embedding.positions, s.batch().positions(), n);
      backend.add(x, positions, (long) n * width());
    }
    if (embedding.norm != null) {
      embedding.norm.apply(s, x, x, n);
    }
  }

  /// Logits of the rows that want them.
  Buffer logits(Step s) {
    int n = s.batch().outputs();
    Buffer logits = s.logits(Math.max(1, n));
    if (n == 0) {
      return logits;
    }
    Linear projection = output.projection;
    if (projection == null) {
      throw new UnsupportedModelException(
          "architecture %s: expected a model that generates, found an encoder"
              .formatted(config.architecture()));
    }
    Buffer h = s.buffer(Step.Slot.H, width());
    backend.gatherRows(h, s.x(), s.batch().outputRows(), n, width());
    if (output.norm != null) {
      output.norm.apply(s, h, h, n);
    }
    s.selectOutputs(true);
    projection.apply(s, logits, h, n);
    s.selectOutputs(false);
    long count = (long) n * config.vocabularySize();
    if (output.scale != 1) {
      backend.scale(logits, output.scale, count);
    }
    if (output.softcap > 0) {
      backend.softcap(logits, output.softcap, count);
    }
    return logits;
  }

  /// The final hidden state of some of the step's rows.
  Buffer hidden(Step s, int firstRow, int count) {
    int[] rows = s.scratchRows();
    for (int i = 0; i < count; i++) {
      rows[i] = firstRow + i;
    }
    Buffer h = s.buffer(Step.Slot.H, width());
    backend.gatherRows(h, s.x(), rows, count, width());
    if (output.norm != null) {
      output.norm.apply(s, h, h, count);
    }
    return h;
  }

  @Override
  public void close() {
    ModelReader.closeAll(weights);
  }
}

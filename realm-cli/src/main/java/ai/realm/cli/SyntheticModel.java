package ai.realm.cli;

import ai.realm.gguf.GgufArray;
import ai.realm.gguf.GgufValue;
import ai.realm.gguf.GgufWriter;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/// A model of a real shape with random weights, for measuring speed where no model can be downloaded.
/// It computes as long as the real one does, and says nothing sensible. The vocabulary is made up and
/// has as many tokens as the real one.
final class SyntheticModel {
  /// About what trained weights have.
  private static final float DEVIATION = 0.02f;

  private static final int PIECE_BYTES = 8 << 20;
  private static final int BYTE_TOKENS = 256;

  private final Dimensions d;
  private final Mix mix;
  private final SplittableRandom random = new SplittableRandom(1);

  SyntheticModel(Dimensions dimensions, Mix mix) {
    d = dimensions;
    this.mix = mix;
  }

  /// Shapes of well-known models, from their published configurations.
  enum Dimensions {
    TINYLLAMA_1_1B("llama", 2048, 22, 32, 4, 64, 5632, 32_000, 2048, 10_000, false),
    LLAMA_3_2_1B("llama", 2048, 16, 32, 8, 64, 8192, 128_256, 131_072, 500_000, true),
    LLAMA_3_2_3B("llama", 3072, 28, 24, 8, 128, 8192, 128_256, 131_072, 500_000, true),
    QWEN3_0_6B("qwen3", 1024, 28, 16, 8, 128, 3072, 151_936, 40_960, 1_000_000, true),
    QWEN3_4B("qwen3", 2560, 36, 32, 8, 128, 9728, 151_936, 40_960, 1_000_000, true);

    private final String architecture;
    private final int width;
    private final int layers;
    private final int heads;
    private final int kvHeads;
    private final int headLength;
    private final int feedForward;
    private final int vocabulary;
    private final int context;
    private final float ropeBase;
    private final boolean tied;

    Dimensions(
        String architecture,
        int width,
        int layers,
        int heads,
        int kvHeads,
        int headLength,
        int feedForward,
        int vocabulary,
        int context,
        float ropeBase,
        boolean tied) {
      this.architecture = architecture;
      this.width = width;
      this.layers = layers;
      this.heads = heads;
      this.kvHeads = kvHeads;
      this.headLength = headLength;
      this.feedForward = feedForward;
      this.vocabulary = vocabulary;
      this.context = context;
      this.ropeBase = ropeBase;
      this.tied = tied;
    }

    /// `tinyllama-1.1b`.
    String title() {
      return switch (this) {
        case TINYLLAMA_1_1B -> "tinyllama-1.1b";
        case LLAMA_3_2_1B -> "llama-3.2-1b";
        case LLAMA_3_2_3B -> "llama-3.2-3b";
        case QWEN3_0_6B -> "qwen3-0.6b";
        case QWEN3_4B -> "qwen3-4b";
      };
    }
  }

  /// Which tensors get which type, as llama.cpp's quantizer has it: the output matrix (or the embedding
  /// table that stands for it) in Q6_K, and with Q4_K_M half of the most sensitive matrices as well.
  enum Mix {
    F16(GgmlType.F16, GgmlType.F16, 1),
    BF16(GgmlType.BF16, GgmlType.BF16, 32),
    Q8_0(GgmlType.Q8_0, GgmlType.Q8_0, 7),
    Q6_K(GgmlType.Q6_K, GgmlType.Q6_K, 18),
    Q5_K_M(GgmlType.Q5_K, GgmlType.Q6_K, 17),
    Q4_K_M(GgmlType.Q4_K, GgmlType.Q6_K, 15),
    Q4_0(GgmlType.Q4_0, GgmlType.Q6_K, 2);

    private final GgmlType most;
    private final GgmlType output;
    private final int fileType;

    Mix(GgmlType most, GgmlType output, int fileType) {
      this.most = most;
      this.output = output;
      this.fileType = fileType;
    }

    private GgmlType sensitive(int layer, int layers) {
      boolean mixed = this == Q4_K_M || this == Q5_K_M;
      int eighth = layers / 8;
      boolean chosen =
          layer < eighth || layer >= 7 * layers / 8 || Math.floorMod(layer - eighth, 3) == 2;
      return mixed && chosen ? GgmlType.Q6_K : most;
    }
  }

  /// Writes the model.
  void write(Path file) {
    GgufWriter writer = new GgufWriter(file);
    metadata(writer);
    tensor(writer, "token_embd.weight", d.tied ? mix.output : mix.most, d.width, d.vocabulary);
    for (int l = 0; l < d.layers; l++) {
      layer(writer, "blk." + l + ".", l);
    }
    tensor(writer, "output_norm.weight", GgmlType.F32, d.width);
    if (!d.tied) {
      tensor(writer, "output.weight", mix.output, d.width, d.vocabulary);
    }
    writer.write();
  }

  private void layer(GgufWriter writer, String b, int l) {
    int q = d.heads * d.headLength;
    int kv = d.kvHeads * d.headLength;
    GgmlType sensitive = mix.sensitive(l, d.layers);
    tensor(writer, b + "attn_norm.weight", GgmlType.F32, d.width);
    tensor(writer, b + "attn_q.weight", mix.most, d.width, q);
    tensor(writer, b + "attn_k.weight", mix.most, d.width, kv);
    tensor(writer, b + "attn_v.weight", sensitive, d.width, kv);
    tensor(writer, b + "attn_output.weight", mix.most, q, d.width);
    if (d.architecture.equals("qwen3")) {
      tensor(writer, b + "attn_q_norm.weight", GgmlType.F32, d.headLength);
      tensor(writer, b + "attn_k_norm.weight", GgmlType.F32, d.headLength);
    }
    tensor(writer, b + "ffn_norm.weight", GgmlType.F32, d.width);
    tensor(writer, b + "ffn_gate.weight", mix.most, d.width, d.feedForward);
    tensor(writer, b + "ffn_up.weight", mix.most, d.width, d.feedForward);
    tensor(writer, b + "ffn_down.weight", sensitive, d.feedForward, d.width);
  }

  private void metadata(GgufWriter writer) {
    String a = d.architecture + ".";
    writer
        .metadata("general.architecture", new GgufValue.Str(d.architecture))
        .metadata(
            "general.name",
            new GgufValue.Str(
                "%s %s, random weights".formatted(d.title(), mix.name().toLowerCase(Locale.ROOT))))
        .metadata("general.file_type", new GgufValue.U32(mix.fileType))
        .metadata(a + "context_length", new GgufValue.U32(d.context))
        .metadata(a + "embedding_length", new GgufValue.U32(d.width))
        .metadata(a + "block_count", new GgufValue.U32(d.layers))
        .metadata(a + "feed_forward_length", new GgufValue.U32(d.feedForward))
        .metadata(a + "attention.head_count", new GgufValue.U32(d.heads))
        .metadata(a + "attention.head_count_kv", new GgufValue.U32(d.kvHeads))
        .metadata(a + "attention.key_length", new GgufValue.U32(d.headLength))
        .metadata(a + "attention.value_length", new GgufValue.U32(d.headLength))
        .metadata(a + "attention.layer_norm_rms_epsilon", new GgufValue.F32(1e-5f))
        .metadata(a + "rope.dimension_count", new GgufValue.U32(d.headLength))
        .metadata(a + "rope.freq_base", new GgufValue.F32(d.ropeBase))
        .metadata(a + "vocab_size", new GgufValue.U32(d.vocabulary))
        .metadata("tokenizer.ggml.model", new GgufValue.Str("llama"));
    vocabulary(writer);
  }

  /// A SentencePiece vocabulary: three specials, the 256 bytes, then made-up pieces.
  private void vocabulary(GgufWriter writer) {
    List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
    for (int i = 0; i < BYTE_TOKENS; i++) {
      tokens.add("<0x%02X>".formatted(i));
    }
    Set<String> pieces = new HashSet<>();
    for (int i = 0; tokens.size() < d.vocabulary; i++) {
      String piece = (i % 2 == 0 ? "\u2581" : "") + piece(i / 2);
      if (pieces.add(piece)) {
        tokens.add(piece);
      }
    }
    int[] types = new int[d.vocabulary];
    float[] scores = new float[d.vocabulary];
    for (int i = 0; i < d.vocabulary; i++) {
      types[i] = i == 0 ? 2 : i < 3 ? 3 : i < 3 + BYTE_TOKENS ? 6 : 1;
      scores[i] = -i;
    }
    writer
        .metadata("tokenizer.ggml.tokens", new GgufValue.Arr(GgufArray.ofStrings(tokens)))
        .metadata("tokenizer.ggml.scores", new GgufValue.Arr(GgufArray.ofFloats(scores)))
        .metadata("tokenizer.ggml.token_type", new GgufValue.Arr(GgufArray.ofInts(types)))
        .metadata("tokenizer.ggml.unknown_token_id", new GgufValue.U32(0))
        .metadata("tokenizer.ggml.bos_token_id", new GgufValue.U32(1))
        .metadata("tokenizer.ggml.eos_token_id", new GgufValue.U32(2));
  }

  /// Letters as digits: 0 is `a`, 26 is `ba`.
  private static String piece(int number) {
    StringBuilder letters = new StringBuilder();
    for (int n = number; letters.isEmpty() || n > 0; n /= 26) {
      letters.append((char) ('a' + n % 26));
    }
    return letters.reverse().toString();
  }

  private void tensor(GgufWriter writer, String name, GgmlType type, long... extents) {
    Shape shape = Shape.of(extents);
    writer.tensor(name, type, shape, out -> fill(type, shape.elements(), out));
  }

  private void fill(GgmlType type, long elements, Consumer<MemorySegment> out) {
    long left = elements / type.blockSize();
    long blocksPerPiece = PIECE_BYTES / type.blockBytes();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment piece =
          arena.allocate(Math.min(left, blocksPerPiece) * type.blockBytes() + Long.BYTES);
      while (left > 0) {
        long blocks = Math.min(left, blocksPerPiece);
        long bytes = blocks * type.blockBytes();
        for (long at = 0; at < bytes; at += Long.BYTES) {
          piece.set(ValueLayout.JAVA_LONG_UNALIGNED, at, random.nextLong());
        }
        for (long b = 0; b < blocks; b++) {
          scales(type, piece, b * type.blockBytes());
        }
        out.accept(piece.asSlice(0, bytes));
        left -= blocks;
      }
    }
  }

  /// Replaces what a block's random bytes must not be: scales, and weights that are floats.
  private void scales(GgmlType type, MemorySegment piece, long at) {
    ValueLayout.OfShort half = ValueLayout.JAVA_SHORT_UNALIGNED;
    switch (type) {
      case F32 -> piece.set(ValueLayout.JAVA_FLOAT_UNALIGNED, at, 1);
      case F16 -> piece.set(half, at, Float.floatToFloat16(uniform()));
      case BF16 -> piece.set(half, at, (short) (Float.floatToRawIntBits(uniform()) >>> 16));
      case Q8_0 -> piece.set(half, at, scale(74));
      case Q4_0 -> piece.set(half, at, scale(4.6f));
      case Q6_K -> piece.set(half, at + 208, scale(18 * 74));
      case Q4_K, Q5_K -> {
        float range = type == GgmlType.Q4_K ? 4.6f : 9.2f;
        piece.set(half, at, scale(32 * range));
        piece.set(half, at + 2, scale(32 * 0.6f));
      }
      default -> throw new IllegalArgumentException("no synthetic weights of type " + type);
    }
  }

  /// The scale of numbers whose deviation is `range`.
  private short scale(float range) {
    return Float.floatToFloat16((float) (DEVIATION / range * random.nextDouble(0.8, 1.2)));
  }

  private float uniform() {
    return (float) (random.nextDouble(-1, 1) * DEVIATION * Math.sqrt(3));
  }
}

package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.gguf.GgufArray;
import ai.realm.gguf.GgufValue;
import ai.realm.gguf.GgufWriter;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Example guests on models whose vocabulary and context are as large as those of today's models. The
/// weights are zeros: of what is allowed the token with the lowest id is sampled.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
final class LargeModelGuestsTest extends SampleFixture {
  /// As many as Qwen's; the guests' old bound was 65,536.
  private static final int VOCABULARY = 151_936;

  private static final int CONTEXT = 40_960;
  private static final int WIDTH = 32;
  private static final int CONTROL = 3;
  private static final int BYTES = 256;

  @TempDir static Path folder;
  private RuntimeConfig config;

  @BeforeAll
  void write() {
    Path one = folder.resolve("one.gguf");
    Path other = folder.resolve("other.gguf");
    write(one, false);
    write(other, true);
    config =
        RuntimeConfig.builder(backend)
            .model("sample", one)
            .model("other", other)
            .maxContext(CONTEXT)
            .memory64Bytes(0)
            .build();
  }

  private static void write(Path file, boolean reversed) {
    List<String> pieces = new ArrayList<>();
    for (int i = 0; CONTROL + BYTES + pieces.size() < VOCABULARY; i++) {
      pieces.add(piece(i));
    }
    if (reversed) {
      Collections.reverse(pieces);
    }
    List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
    for (int i = 0; i < BYTES; i++) {
      tokens.add("<0x%02X>".formatted(i));
    }
    tokens.addAll(pieces);
    int[] types = new int[VOCABULARY];
    float[] scores = new float[VOCABULARY];
    for (int i = 0; i < VOCABULARY; i++) {
      types[i] = i == 0 ? 2 : i < CONTROL ? 3 : i < CONTROL + BYTES ? 6 : 1;
      scores[i] = -i;
    }
    GgufWriter writer = new GgufWriter(file);
    writer
        .metadata("general.architecture", new GgufValue.Str("llama"))
        .metadata("llama.context_length", new GgufValue.U32(CONTEXT))
        .metadata("llama.embedding_length", new GgufValue.U32(WIDTH))
        .metadata("llama.block_count", new GgufValue.U32(1))
        .metadata("llama.feed_forward_length", new GgufValue.U32(WIDTH))
        .metadata("llama.attention.head_count", new GgufValue.U32(1))
        .metadata("llama.attention.head_count_kv", new GgufValue.U32(1))
        .metadata("llama.attention.layer_norm_rms_epsilon", new GgufValue.F32(1e-5f))
        .metadata("llama.rope.dimension_count", new GgufValue.U32(WIDTH))
        .metadata("llama.vocab_size", new GgufValue.U32(VOCABULARY))
        .metadata("tokenizer.ggml.model", new GgufValue.Str("llama"))
        .metadata("tokenizer.ggml.tokens", new GgufValue.Arr(GgufArray.ofStrings(tokens)))
        .metadata("tokenizer.ggml.scores", new GgufValue.Arr(GgufArray.ofFloats(scores)))
        .metadata("tokenizer.ggml.token_type", new GgufValue.Arr(GgufArray.ofInts(types)))
        .metadata("tokenizer.ggml.unknown_token_id", new GgufValue.U32(0))
        .metadata("tokenizer.ggml.bos_token_id", new GgufValue.U32(1))
        .metadata("tokenizer.ggml.eos_token_id", new GgufValue.U32(2))
        .metadata(
            "tokenizer.chat_template",
            new GgufValue.Str("{% for message in messages %}{{ message.content }}{% endfor %}"));
    zeros(writer, "token_embd.weight", WIDTH, VOCABULARY);
    for (String name : List.of("attn_q", "attn_k", "attn_v", "attn_output")) {
      zeros(writer, "blk.0." + name + ".weight", WIDTH, WIDTH);
    }
    for (String name : List.of("ffn_gate", "ffn_up", "ffn_down")) {
      zeros(writer, "blk.0." + name + ".weight", WIDTH, WIDTH);
    }
    zeros(writer, "blk.0.attn_norm.weight", WIDTH);
    zeros(writer, "blk.0.ffn_norm.weight", WIDTH);
    zeros(writer, "output_norm.weight", WIDTH);
    writer.write();
  }

  /// Letters as digits: 0 is `a`, 26 is `ba`.
  private static String piece(int number) {
    StringBuilder letters = new StringBuilder();
    for (int n = number; letters.isEmpty() || n > 0; n /= 26) {
      letters.append((char) ('a' + n % 26));
    }
    return letters.reverse().toString();
  }

  private static void zeros(GgufWriter writer, String name, long... extents) {
    Shape shape = Shape.of(extents);
    MemorySegment data = MemorySegment.ofArray(new byte[4 * (int) shape.elements()]);
    writer.tensor(name, GgmlType.F32, shape, data);
  }

  @Test
  void jsonGuestReadsLargeVocabulariesAndEachModelsOwn() throws IOException {
    String schema = "{\"json_schema\":{\"const\":\"bread\"}}";
    try (ExampleGuest guest = ExampleGuest.open("json", config)) {
      CallResult one = guest.generate("Hi", schema);
      assertThat(one.value()).isZero();
      assertThat(one.text()).isEqualTo("\"bread\"");
      int[] stats = guest.ints(1);
      assertThat(stats[0]).as("steps: what is forced needs none").isLessThanOrEqualTo(1);
      assertThat(stats[2]).as("forced tokens").isPositive();
      // As many tokens, but other ones: pieces of the model before would end the jump early.
      long other = guest.call("load_model", "other", "{}");
      CallResult again = guest.generate(other, "Hi", schema);
      assertThat(again.text()).isEqualTo("\"bread\"");
      assertThat(guest.ints(1)).isEqualTo(stats);
    }
  }

  @Test
  void attentionSinkKeepsItsWindowInsideItsOwnMemory() throws IOException {
    try (ExampleGuest guest = ExampleGuest.open("attention_sink", config)) {
      // Half of this context is more than the guest has room for: the default is what it has.
      assertThat(guest.generate("Hi you", "{\"sinks\":1,\"max_tokens\":2}").value()).isEqualTo(1);
      assertThat(guest.generate("Hi you", "{\"sinks\":1,\"window\":16385}").value())
          .isEqualTo(Errno.EINVAL);
    }
  }
}

package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.gguf.GgufArray;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufValue;
import ai.realm.gguf.GgufWriter;
import ai.realm.testing.sample.SampleModel;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Models that only embed, through guests: text in, tokenized with the model's vocabulary, and out comes what
/// llama.cpp computes for these ids. The tiny models have no vocabulary: each gets one of made-up words.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class EncoderGuestTest extends SampleFixture {
  private static final Path TINY =
      SampleModel.repositoryRoot().resolve("realm-models/src/test/resources/ai/realm/model/tiny");

  /// An id that is in no prompt.
  private static final int UNKNOWN = 1;

  /// Sums in another order.
  private static final double LEAST_COSINE = 0.99999;

  @TempDir static Path folder;

  private static String word(int id) {
    return "" + (char) ('a' + id / 26) + (char) ('a' + id % 26);
  }

  /// A tiny model with what llama.cpp computed, and a vocabulary with which a text has just these ids: the
  /// first is what every text begins with, the last what it ends with.
  ///
  /// @param text the words between
  private record Encoder(Path file, String text, float[] expected) {
    static Encoder of(String name) throws IOException {
      JsonNode reference =
          JsonMapper.shared().readTree(Files.readAllBytes(TINY.resolve(name + ".json")));
      int[] ids =
          IntStream.range(0, reference.required("ids").size())
              .map(i -> reference.required("ids").get(i).intValue())
              .toArray();
      JsonNode row = reference.required("embedding").get(0);
      float[] expected = new float[row.size()];
      for (int i = 0; i < expected.length; i++) {
        expected[i] = row.get(i).floatValue();
      }
      Path bare = folder.resolve(name + ".bare.gguf");
      try (InputStream in =
          new GZIPInputStream(Files.newInputStream(TINY.resolve(name + ".gguf.gz")))) {
        Files.write(bare, in.readAllBytes());
      }
      Path file = folder.resolve(name + ".gguf");
      withVocabulary(bare, file, ids[0], ids[ids.length - 1]);
      String text =
          Arrays.stream(ids, 1, ids.length - 1)
              .mapToObj(EncoderGuestTest::word)
              .collect(Collectors.joining(" "));
      return new Encoder(file, text, expected);
    }

    private static void withVocabulary(Path from, Path to, int first, int last) {
      try (GgufFile bare = GgufFile.open(from)) {
        GgufWriter writer = new GgufWriter(to);
        for (String key : bare.metadata().keys()) {
          writer.metadata(key, bare.metadata().find(key).orElseThrow());
        }
        int size = (int) bare.tensor("token_embd.weight").shape().rows();
        List<String> words =
            IntStream.range(0, size)
                .mapToObj(id -> id == first ? "[CLS]" : id == UNKNOWN ? "[UNK]" : "▁" + word(id))
                .toList();
        int[] types =
            IntStream.range(0, size).map(id -> id == first ? 3 : id == UNKNOWN ? 2 : 1).toArray();
        bare.tensors().forEach(info -> writer.tensor(bare.tensor(info.name())));
        writer
            .metadata("tokenizer.ggml.model", new GgufValue.Str("bert"))
            .metadata("tokenizer.ggml.tokens", new GgufValue.Arr(GgufArray.ofStrings(words)))
            .metadata("tokenizer.ggml.token_type", new GgufValue.Arr(GgufArray.ofInts(types)))
            .metadata("tokenizer.ggml.bos_token_id", new GgufValue.U32(first))
            .metadata("tokenizer.ggml.seperator_token_id", new GgufValue.U32(last))
            .metadata("tokenizer.ggml.unknown_token_id", new GgufValue.U32(UNKNOWN))
            .write();
      }
    }
  }

  private RuntimeConfig config(Encoder encoder) {
    return RuntimeConfig.of("sample", encoder.file(), backend);
  }

  private static double cosine(float[] a, float[] b) {
    assertThat(a).hasSameSizeAs(b);
    double product = 0;
    double squareA = 0;
    double squareB = 0;
    for (int i = 0; i < b.length; i++) {
      product += (double) a[i] * b[i];
      squareA += (double) a[i] * a[i];
      squareB += (double) b[i] * b[i];
    }
    return product / Math.sqrt(squareA * squareB);
  }

  @ParameterizedTest
  @ValueSource(strings = {"bert-mean", "bert-cls", "bert-last", "nomic-bert", "jina-bert-v2"})
  void guestsEmbedTextsAsTheReferenceDoes(String name) throws IOException {
    Encoder encoder = Encoder.of(name);
    String other = word(2) + " " + word(14) + " " + word(39);
    try (ExampleGuest guest = ExampleGuest.open("nearest", config(encoder))) {
      String config = "{\"texts\":[\"%s\",\"%s\"]}".formatted(other, encoder.text());
      CallResult result = guest.generate(encoder.text(), config);
      assertThat(result.value()).isZero();
      assertThat(cosine(guest.floats(2), encoder.expected())).isGreaterThan(LEAST_COSINE);
      assertThat(result.text()).isEqualTo(encoder.text());
      List<String> lines = guest.text(1).lines().toList();
      assertThat(lines.getFirst()).endsWith("\t" + encoder.text());
      assertThat(Double.parseDouble(lines.getFirst().split("\t", -1)[0])).isGreaterThan(0.9999);
      assertThat(Double.parseDouble(lines.getLast().split("\t", -1)[0])).isLessThan(0.999);
      assertThat(result.newTokens()).isZero();
      assertThat(result.promptTokens()).isEqualTo(24 + 24 + 5);
    }
  }

  @Test
  void defaultGuestEmbedsWhereItIsAskedTo() throws IOException {
    Encoder encoder = Encoder.of("bert-mean");
    AtomicReference<float[]> embedding = new AtomicReference<>(new float[0]);
    GuestOutput output =
        new GuestOutput() {
          @Override
          public void text(String text) {
            throw new AssertionError("expected no text, found " + text);
          }

          @Override
          public void event(int kind, byte[] data) {
            assertThat(kind).isEqualTo(2);
            FloatBuffer floats =
                ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
            float[] values = new float[floats.remaining()];
            floats.get(values);
            embedding.set(values);
          }
        };
    try (RealmRuntime runtime = new RealmRuntime(config(encoder))) {
      runtime.loadWasm(DefaultGuest.bytes());
      long model = runtime.callFunction("load_model", "sample", "{}").value();
      CallResult result =
          runtime.callFunction("generate", output, model, encoder.text(), "{\"embed\":true}");
      assertThat(result.value()).isZero();
      assertThat(cosine(embedding.get(), encoder.expected())).isGreaterThan(LEAST_COSINE);
      // It cannot generate: a step of a model that only embeds is refused, and the guest says so.
      CallResult refused =
          runtime.callFunction("generate", output, model, encoder.text(), "{\"raw\":true}");
      assertThat(refused.value()).isEqualTo(Errno.EINVAL);
      assertThat(refused.error())
          .isEqualTo(
              "step: requests[0].kv: expected a sequence of a model that generates, found one of a model that only embeds");
    }
  }

  @Test
  void sequenceOfAModelThatOnlyEmbedsTakesNoMoreTokens() throws IOException {
    try (RealmRuntime runtime = new RealmRuntime(config(Encoder.of("bert-mean")))) {
      HostCaller guest = HostCaller.of(runtime, HostCaller.guest(Map.of("kv_new", 1, "embed", 6)));
      int kv = guest.call("kv_new", guest.open("sample"));
      assertThat(guest.call("embed", kv, 0, 3, 0, HostCaller.OUT, 4)).isPositive();
      CallResult refused = guest.result("embed", kv, 0, 3, 0, HostCaller.OUT, 4);
      assertThat(refused.value()).isEqualTo(Errno.EINVAL);
      assertThat(refused.error())
          .isEqualTo(
              "embed: model_or_kv: expected a sequence without tokens, as the model only embeds, found 3");
    }
  }

  @Test
  void rerankersOwnPoolingGivesNoEmbedding() throws IOException {
    Path file = folder.resolve("bert-rank.gguf");
    try (GgufFile mean = GgufFile.open(Encoder.of("bert-mean").file())) {
      GgufWriter writer = new GgufWriter(file);
      for (String key : mean.metadata().keys()) {
        writer.metadata(key, mean.metadata().find(key).orElseThrow());
      }
      mean.tensors().forEach(info -> writer.tensor(mean.tensor(info.name())));
      writer.metadata("bert.pooling_type", new GgufValue.U32(4)).write();
    }
    try (RealmRuntime runtime = new RealmRuntime(RuntimeConfig.of("sample", file, backend))) {
      HostCaller guest = HostCaller.of(runtime, HostCaller.guest(Map.of("embed", 6)));
      int model = guest.open("sample");
      CallResult refused = guest.result("embed", model, 0, 3, 0, HostCaller.OUT, 4);
      assertThat(refused.value()).isEqualTo(Errno.EINVAL);
      assertThat(refused.error())
          .isEqualTo(
              "embed: flags: expected 1 to 3, as the model's own pooling is a reranker's, found 0");
      assertThat(guest.call("embed", model, 0, 3, 1, HostCaller.OUT, 4)).isPositive();
    }
  }

  @Test
  void nearestOfTextsIsFoundByHiddenStatesOfAnyModel() throws IOException {
    try (ExampleGuest guest = ExampleGuest.open("nearest", sample())) {
      String texts =
          "\"The capital of Spain is Madrid.\",\"Mia found a fox in the forest.\",\"1, 2, 3, 4, 5\"";
      String config = "{\"pooling\":1,\"texts\":[%s]}".formatted(texts);
      assertThat(guest.generate("What is the capital of France?", config).text())
          .contains("Madrid");
      assertThat(guest.generate("Mia found a bear in the forest.", config).text()).contains("fox");
      assertThat(guest.generate("Count to six.", "{}").value()).isEqualTo(Errno.EINVAL);
    }
  }
}

package ai.realm.testing.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufMetadata;
import ai.realm.gguf.GgufValue;
import ai.realm.testing.sample.ReferenceData;
import ai.realm.testing.sample.SampleModel;
import ai.realm.tokenizer.StreamingDecoder;
import ai.realm.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Token ids and texts of llama.cpp (February 2025) and ik_llama.cpp (August 2026) for published
/// vocabularies and for every pre-tokenizer; see the README beside the data.
@Tag("reference")
final class TokenizerReferenceTest {
  private static final String SAMPLE = "sample-1792";

  private static Path folder() {
    return ReferenceData.folder("tokenizers");
  }

  private static GgufFile open(String name) {
    return GgufFile.open(
        name.equals(SAMPLE)
            ? SampleModel.path()
            : folder().resolve("ggml-vocab-" + name + ".gguf"));
  }

  /// The lines of `NAME.jsonl`, and of `NAME.more.jsonl` where it is.
  private static List<JsonNode> lines(Path folder, String name) throws IOException {
    List<String> lines = new ArrayList<>(Files.readAllLines(folder.resolve(name + ".jsonl")));
    Path more = folder.resolve(name + ".more.jsonl");
    if (Files.exists(more)) {
      lines.addAll(Files.readAllLines(more));
    }
    return lines.stream().map(JsonMapper.shared()::readTree).toList();
  }

  private static int[] ints(JsonNode array) {
    int[] values = new int[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = array.get(i).intValue();
    }
    return values;
  }

  private static byte[] bytes(JsonNode text) {
    return text.isString()
        ? text.stringValue().getBytes(StandardCharsets.UTF_8)
        : HexFormat.of().parseHex(text.required("hex").stringValue());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "llama-spm",
        "phi-3",
        SAMPLE,
        "llama-bpe",
        "gpt-2",
        "qwen2",
        "deepseek-coder",
        "falcon",
        "starcoder",
        "bert-bge"
      })
  void givesTheIdsAndTextsOfTheReference(String name) throws IOException {
    SoftAssertions soft = new SoftAssertions();
    try (GgufFile file = open(name)) {
      Tokenizer t = Tokenizer.of(file.metadata());
      for (JsonNode line : lines(folder(), name)) {
        String text = line.required("text").stringValue();
        checkIds(soft, line, "s0p0", t.encode(text, false, false));
        checkIds(soft, line, "s0p1", t.encode(text, false, true));
        checkIds(soft, line, "s1p0", t.encode(text, true, false));
        checkIds(soft, line, "s1p1", t.encode(text, true, true));
        int[] plain = ints(line.required("s0p0"));
        int[] special = ints(line.required("s1p1"));
        checkText(soft, line, "detok", t.detokenize(plain, false, false));
        checkText(soft, line, "detok_s1p1", t.detokenize(special, false, true));
        checkText(soft, line, "detok_s1p1_removed", t.detokenize(special, true, false));
        checkStreaming(soft, t, plain);
      }
    }
    soft.assertAll();
  }

  private static void checkIds(SoftAssertions soft, JsonNode line, String key, int[] ids) {
    JsonNode other = line.path("alt").path(key);
    List<int[]> right = new ArrayList<>(List.of(ints(line.required(key))));
    if (other.isArray()) {
      right.add(ints(other));
    }
    soft.assertThat(right).as("%s of %s", key, line.required("text")).contains(ids);
  }

  private static void checkText(SoftAssertions soft, JsonNode line, String key, byte[] text) {
    soft.assertThat(text)
        .as("%s of %s", key, line.required("text"))
        .isEqualTo(bytes(line.required(key)));
  }

  private static void checkStreaming(SoftAssertions soft, Tokenizer t, int[] ids) {
    StreamingDecoder decoder = t.decoder();
    StringBuilder streamed = new StringBuilder();
    for (int id : ids) {
      streamed.append(decoder.accept(id));
    }
    soft.assertThat(streamed.append(decoder.finish())).hasToString(t.decode(ids));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "llama-spm",
        "phi-3",
        "llama-bpe",
        "gpt-2",
        "qwen2",
        "deepseek-coder",
        "falcon",
        "starcoder",
        "bert-bge"
      })
  void givesTheIdsOfTheVocabularysOwnTest(String name) throws IOException {
    Path file = folder().resolve("ggml-vocab-" + name + ".gguf");
    String[] texts = Files.readString(Path.of(file + ".inp")).split("\n__ggml_vocab_test__\n", -1);
    List<String> ids = Files.readAllLines(Path.of(file + ".out"));
    try (GgufFile vocabulary = GgufFile.open(file)) {
      Tokenizer t = Tokenizer.of(vocabulary.metadata());
      assertThat(texts[texts.length - 1]).as("what follows the last separator").isEmpty();
      assertThat(ids).hasSize(texts.length - 1);
      for (int i = 0; i < ids.size(); i++) {
        String expected = ids.get(i).strip();
        int[] right =
            expected.isEmpty()
                ? new int[0]
                : Stream.of(expected.split(" +")).mapToInt(Integer::parseInt).toArray();
        assertThat(t.encode(texts[i], false, false)).as(texts[i]).isEqualTo(right);
      }
    }
  }

  static Stream<Arguments> preTokenizers() throws IOException {
    JsonNode index =
        JsonMapper.shared().readTree(Files.readAllBytes(folder().resolve("pre/index.json")));
    return index.properties().stream()
        .flatMap(group ->
            group
                .getValue()
                .valueStream()
                .map(alias -> Arguments.of(alias.stringValue(), group.getKey())));
  }

  @ParameterizedTest
  @MethodSource("preTokenizers")
  void cutsWordsAsTheReference(String name, String group) throws IOException {
    SoftAssertions soft = new SoftAssertions();
    try (GgufFile file = open("llama-bpe")) {
      Map<String, GgufValue> metadata = new LinkedHashMap<>();
      for (String key : file.metadata().keys()) {
        metadata.put(key, file.metadata().find(key).orElseThrow());
      }
      metadata.put("tokenizer.ggml.pre", new GgufValue.Str(name));
      Tokenizer t = Tokenizer.of(GgufMetadata.of(metadata));
      for (JsonNode line : lines(folder().resolve("pre"), group)) {
        checkIds(soft, line, "ids", t.encode(line.required("text").stringValue(), false, false));
      }
    }
    soft.assertAll();
  }
}

package ai.realm.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.error.RealmException;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufFormatException;
import ai.realm.gguf.GgufValue;
import ai.realm.tensor.GgmlType;
import ai.realm.testing.sample.SampleModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Well-formed GGUF files whose settings or tensors make no model: a typed error that names the place,
/// never another exception (groups G16 to G18 of the attack list).
class MalformedModelTest {
  @TempDir Path folder;
  private Backend backend;

  @BeforeEach
  void openBackend() {
    backend = Backends.open("naive", BackendOptions.DEFAULT).backend();
  }

  @AfterEach
  void closeBackend() {
    backend.close();
  }

  private ChangedModel tiny(String name) {
    return new ChangedModel(TinyModel.read(name).unpack(folder));
  }

  private void load(ChangedModel model) {
    Path path = model.write(folder.resolve("changed.gguf"));
    try (GgufFile file = GgufFile.open(path);
        CausalLm lm = Architectures.load(file, backend)) {
      assertThat(lm.config().layers()).isPositive();
    }
  }

  private void refused(ChangedModel model, String named) {
    assertThatExceptionOfType(RealmException.class)
        .isThrownBy(() -> load(model))
        .withMessageContaining(named);
  }

  private static GgufValue u32(long value) {
    return new GgufValue.U32((int) value);
  }

  static Stream<Arguments> badSettings() {
    List<Arguments> all = new ArrayList<>();
    long[] sizes = {0, 1L << 31, 0xFFFF_FFFFL};
    for (String key :
        List.of(
            "block_count",
            "context_length",
            "embedding_length",
            "feed_forward_length",
            "attention.head_count",
            "attention.head_count_kv",
            "rope.dimension_count")) {
      for (long size : sizes) {
        all.add(Arguments.of("llama", key, u32(size)));
      }
      all.add(Arguments.of("llama", key, new GgufValue.Str("many")));
      all.add(Arguments.of("llama", key, new GgufValue.I32(-1)));
      all.add(Arguments.of("llama", key, new GgufValue.F32(2)));
    }
    for (float bad : new float[] {0, -1, Float.NaN, Float.POSITIVE_INFINITY}) {
      all.add(Arguments.of("llama", "rope.freq_base", new GgufValue.F32(bad)));
    }
    for (float bad : new float[] {-1, Float.NaN, Float.NEGATIVE_INFINITY}) {
      all.add(Arguments.of("llama", "attention.layer_norm_rms_epsilon", new GgufValue.F32(bad)));
      all.add(Arguments.of("llama", "rope.scaling.factor", new GgufValue.F32(bad)));
      all.add(Arguments.of("llama", "rope.scaling.attn_factor", new GgufValue.F32(bad)));
    }
    all.add(Arguments.of("llama", "attention.head_count", u32(3)));
    all.add(Arguments.of("llama", "attention.head_count_kv", u32(3)));
    all.add(Arguments.of("llama", "attention.head_count_kv", u32(8)));
    all.add(Arguments.of("llama", "rope.dimension_count", u32(7)));
    all.add(Arguments.of("llama", "rope.dimension_count", u32(10)));
    all.add(Arguments.of("llama", "rope.scaling.type", new GgufValue.Str("spiral")));
    all.add(Arguments.of("mixtral", "expert_used_count", u32(0)));
    all.add(Arguments.of("mixtral", "expert_used_count", u32(5)));
    all.add(Arguments.of("mixtral", "expert_count", u32(0)));
    all.add(Arguments.of("mixtral", "expert_count", u32(1L << 31)));
    all.add(Arguments.of("gemma2", "attention.sliding_window", u32(0)));
    all.add(Arguments.of("deepseek2", "expert_gating_func", u32(9)));
    all.add(Arguments.of("deepseek2", "attention.kv_lora_rank", u32(0)));
    all.add(Arguments.of("mamba", "ssm.conv_kernel", u32(1)));
    all.add(Arguments.of("mamba", "ssm.state_size", u32(0)));
    all.add(Arguments.of("bert-mean", "pooling_type", u32(17)));
    return all.stream();
  }

  @ParameterizedTest(name = "{0}: {1} = {2}")
  @MethodSource("badSettings")
  void badSettingsAreRefusedByName(String name, String key, GgufValue value) {
    Path unpacked = TinyModel.read(name).unpack(folder);
    String architecture;
    try (GgufFile file = GgufFile.open(unpacked)) {
      architecture = file.metadata().string("general.architecture");
    }
    refused(new ChangedModel(unpacked).with(architecture + "." + key, value), key);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "general.architecture",
        "llama.block_count",
        "llama.context_length",
        "llama.embedding_length",
        "llama.feed_forward_length",
        "llama.attention.head_count",
        "llama.attention.layer_norm_rms_epsilon"
      })
  void missingSettingsNameThemselves(String key) {
    refused(tiny("llama").without(key), key);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "token_embd.weight",
        "output_norm.weight",
        "blk.0.attn_q.weight",
        "blk.1.ffn_down.weight"
      })
  void missingTensorsNameThemselves(String name) {
    refused(tiny("llama").withoutTensor(name), name);
  }

  @ParameterizedTest
  @CsvSource({
    "blk.0.attn_q.weight, 32, 31",
    "blk.0.attn_q.weight, 31, 32",
    "blk.0.ffn_down.weight, 32, 24",
    "blk.1.attn_k.weight, 32, 32",
    "blk.1.ffn_norm.weight, 33, 1",
    "blk.1.attn_q.bias, 31, 1",
    "token_embd.weight, 16, 48"
  })
  void tensorsOfTheWrongShapeAreRefused(String name, long cols, long rows) {
    refused(
        rows == 1
            ? tiny("llama").withTensor(name, GgmlType.F32, cols)
            : tiny("llama").withTensor(name, GgmlType.F32, cols, rows),
        name);
  }

  @Test
  void tensorsWithoutUseAreRefused() {
    refused(
        tiny("llama").withTensor("blk.0.attn_mystery.weight", GgmlType.F32, 32),
        "blk.0.attn_mystery.weight");
    refused(
        tiny("llama").withTensor("blk.2.attn_q.weight", GgmlType.F32, 32, 32),
        "blk.2.attn_q.weight");
  }

  @Test
  void tensorsOfIntegersAreRefused() {
    refused(
        tiny("llama").withTensor("blk.0.attn_q.weight", GgmlType.I32, 32, 32),
        "blk.0.attn_q.weight");
  }

  @Test
  void vocabularyThatDoesNotMatchTheEmbeddingsIsRefused() {
    // The sample model has 1,792 tokens.
    ChangedModel model =
        new ChangedModel(SampleModel.path())
            .withTensor("token_embd.weight", GgmlType.F32, 256, 1791);
    refused(model, "token_embd.weight");
  }

  @Test
  void unknownArchitectureIsNamedAndTheSupportedOnesListed() {
    ChangedModel model =
        tiny("llama").with("general.architecture", new GgufValue.Str("perceptron"));
    // Its own keys are missing too; the architecture is what the user must hear of.
    assertThatExceptionOfType(UnsupportedModelException.class)
        .isThrownBy(() -> load(model))
        .withMessageContaining("perceptron")
        .withMessageContaining("llama, mamba")
        .withMessageContaining("qwen3");
  }

  @ParameterizedTest
  @MethodSource("ai.realm.model.TinyModel#names")
  void randomSettingsLoadOrGiveATypedError(String name) throws Exception {
    Random random = new Random(name.hashCode());
    Path unpacked = TinyModel.read(name).unpack(folder);
    List<String> keys;
    try (GgufFile file = GgufFile.open(unpacked)) {
      keys = List.copyOf(file.metadata().keys());
    }
    long[] values = {0, 1, 2, 3, 5, 7, 64, 65, 4096, 1 << 20, Integer.MAX_VALUE, 1L << 31, -1};
    for (int i = 0; i < 60; i++) {
      String key = keys.get(random.nextInt(keys.size()));
      long value = values[random.nextInt(values.length)];
      GgufValue changed =
          random.nextInt(4) == 0 ? new GgufValue.F32(value) : new GgufValue.U32((int) value);
      Path path = new ChangedModel(unpacked).with(key, changed).write(folder.resolve("r.gguf"));
      try (GgufFile file = GgufFile.open(path);
          CausalLm lm = Architectures.load(file, backend, 64)) {
        assertThat(lm.config().contextLength()).isBetween(1, 64);
      } catch (GgufFormatException | UnsupportedModelException e) {
        assertThat(e).as("%s = %s", key, changed).hasMessageContaining(":");
      }
      Files.delete(path);
    }
  }
}

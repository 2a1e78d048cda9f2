package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufValue;
import ai.realm.gguf.GgufWriter;
import ai.realm.gguf.TensorInfo;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import ai.realm.testing.sample.SampleModel;
import ai.realm.wasm.DefaultGuest;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// One model under several names, with a LoRA adapter and without.
@Timeout(120)
final class AdaptedModelTest {
  private static final String QUESTION = "What is the capital of France?";
  private static final String ANSWER = "The capital of France is Paris.";
  private static final int RANK = 2;

  @TempDir Path folder;

  /// Random pairs for the attention outputs of the sample model, large enough to change what it says.
  private Path writeAdapter() {
    Random random = new Random(11);
    Path target = folder.resolve("adapter.gguf");
    try (GgufFile model = GgufFile.open(SampleModel.path())) {
      GgufWriter writer =
          new GgufWriter(target)
              .metadata("general.type", new GgufValue.Str("adapter"))
              .metadata("adapter.type", new GgufValue.Str("lora"))
              .metadata("adapter.lora.alpha", new GgufValue.F32(RANK))
              .metadata(
                  "general.architecture",
                  new GgufValue.Str(model.metadata().string("general.architecture")));
      for (TensorInfo info : model.tensors()) {
        if (info.name().endsWith("attn_output.weight")) {
          Shape shape = info.shape();
          writer.tensor(
              info.name() + ".lora_a",
              GgmlType.F32,
              Shape.of(shape.cols(), RANK),
              random(shape.cols() * RANK, random));
          writer.tensor(
              info.name() + ".lora_b",
              GgmlType.F32,
              Shape.of(RANK, shape.rows()),
              random(shape.rows() * RANK, random));
        }
      }
      writer.write();
    }
    return target;
  }

  private static MemorySegment random(long count, Random random) {
    ByteBuffer bytes = ByteBuffer.allocate((int) count * 4).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      bytes.putFloat((float) random.nextGaussian());
    }
    return MemorySegment.ofArray(bytes.array());
  }

  private static String answer(RealmRuntime runtime, String name) {
    long model = runtime.callFunction("load_model", name, "{}").value();
    assertThat(model).isPositive();
    return runtime.callFunction("generate", model, QUESTION, "{\"max_tokens\":12}").text();
  }

  @Test
  void adapterChangesItsOwnNameAndNothingElse() {
    Path adapter = writeAdapter();
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend()) {
      RuntimeConfig config =
          RuntimeConfig.builder(backend)
              .model("plain", SampleModel.path())
              .adapted("adapted", new AdaptedModel("plain", adapter, 1))
              .adapted("idle", new AdaptedModel("plain", adapter, 0))
              .build();
      try (RealmRuntime runtime = new RealmRuntime(config)) {
        runtime.loadWasm(DefaultGuest.bytes());
        String adapted = answer(runtime, "adapted");
        assertThat(adapted).isNotEmpty().isNotEqualTo(ANSWER);
        assertThat(answer(runtime, "plain")).isEqualTo(ANSWER);
        assertThat(answer(runtime, "idle")).isEqualTo(ANSWER);
        assertThat(answer(runtime, "adapted")).isEqualTo(adapted);
      }
    }
  }

  @Test
  void savedSequencesGoOnWithTheirAdapterOnly() {
    Path adapter = writeAdapter();
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend()) {
      RuntimeConfig config =
          RuntimeConfig.builder(backend)
              .model("plain", SampleModel.path())
              .adapted("adapted", new AdaptedModel("plain", adapter, 1))
              .adapted("same", new AdaptedModel("plain", adapter, 1))
              .adapted("weaker", new AdaptedModel("plain", adapter, 0.5f))
              .build();
      try (RealmRuntime runtime = new RealmRuntime(config)) {
        HostCaller guest =
            HostCaller.of(
                runtime,
                HostCaller.guest(Map.of("kv_new", 1, "kv_save", 3, "kv_open", 3, "step", 2)));
        int model = guest.open("adapted");
        int kv = guest.call("kv_new", model);
        guest.greedy(kv, 32_768, guest.tokenize(model, QUESTION, 32_768), 2);
        assertThat(guest.call("kv_save", kv, HostCaller.TEXT, guest.text("name"))).isZero();
        for (String name : new String[] {"plain", "weaker"}) {
          int other = guest.open(name);
          assertThatThrownBy(
                  () -> guest.call("kv_open", other, HostCaller.TEXT, guest.text("name")))
              .as(name)
              .isInstanceOfSatisfying(
                  SavedSequenceException.class,
                  e -> assertThat(e.code()).isEqualTo("SAVED_KV_MISMATCH"));
        }
        int same = guest.open("same");
        assertThat(guest.call("kv_open", same, HostCaller.TEXT, guest.text("name"))).isPositive();
      }
    }
  }

  @Test
  void adapterNeedsAModelAndANameOfItsOwn() {
    try (Backend backend = Backends.open("naive", BackendOptions.DEFAULT).backend()) {
      RuntimeConfig config = RuntimeConfig.of("plain", SampleModel.path(), backend);
      Path adapter = folder.resolve("adapter.gguf");
      assertThatThrownBy(() ->
              config.toBuilder().adapted("adapted", new AdaptedModel("other", adapter, 1)).build())
          .hasMessageContaining("adapted model adapted")
          .hasMessageContaining("found other");
      assertThatThrownBy(() ->
              config.toBuilder().adapted("plain", new AdaptedModel("plain", adapter, 1)).build())
          .hasMessageContaining("a name of its own");
      assertThatThrownBy(() -> new AdaptedModel("plain", adapter, Float.NaN))
          .hasMessageContaining("expected a finite strength, found NaN");
    }
  }
}

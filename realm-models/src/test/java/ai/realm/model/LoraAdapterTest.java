package ai.realm.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import ai.realm.compute.Adapter;
import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import ai.realm.error.RealmException;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufFormatException;
import ai.realm.gguf.GgufValue;
import ai.realm.gguf.GgufWriter;
import ai.realm.gguf.TensorInfo;
import ai.realm.tensor.BlockCodec;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import ai.realm.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// An adapted sequence computes what a model with the adapter merged into its weights does, and its
/// neighbours in the batch compute what they would without it.
class LoraAdapterTest {
  /// Two products summed apart against one.
  private static final double TOLERANCE = 1e-5;

  private static final int RANK = 3;
  private static final float ALPHA = 6;
  private static final float STRENGTH = 0.5f;

  @TempDir Path folder;

  private record Pair(float[] a, float[] b) {}

  static Stream<Arguments> models() {
    return Stream.of("llama-factors", "phi3", "gpt2", "deepseek2", "mamba")
        .flatMap(model -> TestBackends.names().map(backend -> Arguments.of(model, backend)));
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("models")
  void adaptedSequencesEqualTheMergedModel(String name, String backendName) {
    TinyModel tiny = TinyModel.read(name);
    Path base = tiny.unpack(folder);
    Map<String, Pair> pairs = randomPairs(base);
    Path adapterPath = writeAdapter(base, pairs, folder.resolve("adapter.gguf"));
    Path merged = writeMerged(base, pairs, folder.resolve("merged.gguf"));
    try (Backend backend = Backends.open(backendName, new BackendOptions(2, true)).backend();
        GgufFile file = GgufFile.open(base);
        GgufFile adapterFile = GgufFile.open(adapterPath);
        GgufFile mergedFile = GgufFile.open(merged);
        CausalLm lm = Architectures.load(file, backend);
        CausalLm mergedLm = Architectures.load(mergedFile, backend);
        Adapter adapter = lm.loadAdapter(adapterFile, STRENGTH);
        Generation plain = new Generation(backend, lm, tiny.ids().length);
        Generation expected = new Generation(backend, mergedLm, tiny.ids().length)) {
      float[][] without = plain.append(tiny.ids(), 1);
      float[][] with = expected.append(tiny.ids(), 1);
      float[][] batched = threeSequences(backend, lm, adapter, tiny.ids());
      assertThat(error(batched[0], with[0])).isLessThan(TOLERANCE);
      assertThat(error(batched[1], without[0])).isLessThan(TOLERANCE);
      assertThat(error(batched[2], with[0])).isLessThan(TOLERANCE);
      assertThat(error(with[0], without[0])).isGreaterThan(0.01);
    }
  }

  private static double error(float[] actual, float[] expected) {
    return Generation.relativeError(new float[][] {actual}, new float[][] {expected});
  }

  /// The same tokens adapted, not adapted, and adapted, in one batch.
  private static float[][] threeSequences(
      Backend backend, CausalLm lm, Adapter adapter, int[] ids) {
    int blockSize = ids.length;
    float[][] logits = new float[3][lm.config().vocabularySize()];
    try (ForwardPass pass = lm.newForwardPass(3 * ids.length, 3);
        KvStore kv = backend.kvStore(lm.kvLayout(blockSize, KvType.F32), 3)) {
      Batch batch = new Batch(3 * ids.length, 3);
      for (int s = 0; s < 3; s++) {
        batch.add(ids, 0, ids.length, 0, new int[] {2 - s}, 1);
        batch.adapt(s, s == 1 ? null : adapter);
      }
      Buffer result = pass.forward(batch, kv);
      for (int s = 0; s < 3; s++) {
        backend.read(result, (long) s * logits[s].length, logits[s], 0, logits[s].length);
      }
    }
    return logits;
  }

  /// Random pairs for every matrix of the layers and for the output projection.
  private static Map<String, Pair> randomPairs(Path model) {
    Random random = new Random(5);
    Map<String, Pair> pairs = new LinkedHashMap<>();
    try (GgufFile file = GgufFile.open(model)) {
      for (TensorInfo info : file.tensors()) {
        boolean linear =
            info.shape().dimensions() == 2
                && (info.name().startsWith("blk.") || info.name().equals("output.weight"))
                && !info.name().contains("conv1d")
                && !info.name().contains("ssm_a");
        if (linear) {
          pairs.put(
              info.name(),
              new Pair(
                  floats(RANK * (int) info.shape().cols(), 0.2, random),
                  floats(RANK * (int) info.shape().rows(), 0.05, random)));
        }
      }
    }
    return pairs;
  }

  private static float[] floats(int count, double size, Random random) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) (random.nextGaussian() * size);
    }
    return values;
  }

  private static Path writeAdapter(Path base, Map<String, Pair> pairs, Path target) {
    try (GgufFile file = GgufFile.open(base)) {
      GgufWriter writer =
          new GgufWriter(target)
              .metadata("general.type", new GgufValue.Str("adapter"))
              .metadata("adapter.type", new GgufValue.Str("lora"))
              .metadata(
                  "general.architecture",
                  new GgufValue.Str(file.metadata().string("general.architecture")))
              .metadata("adapter.lora.alpha", new GgufValue.F32(ALPHA));
      pairs.forEach((name, pair) -> {
        Shape shape = file.tensor(name).shape();
        writer.tensor(
            name + ".lora_a", GgmlType.F32, Shape.of(shape.cols(), RANK), segment(pair.a));
        writer.tensor(
            name + ".lora_b", GgmlType.F32, Shape.of(RANK, shape.rows()), segment(pair.b));
      });
      writer.write();
      return target;
    }
  }

  private static Path writeMerged(Path base, Map<String, Pair> pairs, Path target) {
    try (GgufFile file = GgufFile.open(base)) {
      GgufWriter writer = new GgufWriter(target);
      for (String key : file.metadata().keys()) {
        writer.metadata(key, file.metadata().find(key).orElseThrow());
      }
      for (TensorInfo info : file.tensors()) {
        Tensor tensor = file.tensor(info.name());
        float[] w = new float[(int) info.shape().elements()];
        BlockCodec.of(info.type()).dequantize(tensor.data(), 0, w, 0, w.length);
        Pair pair = pairs.get(info.name());
        if (pair != null) {
          merge(w, pair, (int) info.shape().cols());
        }
        writer.tensor(info.name(), GgmlType.F32, info.shape(), segment(w));
      }
      writer.write();
      return target;
    }
  }

  private static void merge(float[] w, Pair pair, int cols) {
    double scale = STRENGTH * ALPHA / RANK;
    for (int i = 0; i < w.length; i++) {
      double sum = 0;
      for (int k = 0; k < RANK; k++) {
        sum += (double) pair.b[i / cols * RANK + k] * pair.a[k * cols + i % cols];
      }
      w[i] += (float) (scale * sum);
    }
  }

  private static MemorySegment segment(float[] values) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[values.length * Float.BYTES]);
    MemorySegment.copy(
        values,
        0,
        bytes,
        ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN),
        0,
        values.length);
    return bytes;
  }

  @ParameterizedTest
  @CsvSource({
    "general.architecture, gemma",
    "general.type, model",
    "adapter.type, control-vector",
  })
  void adaptersOfAnotherKindAreRefused(String key, String value) {
    Path base = TinyModel.read("llama-factors").unpack(folder);
    Path adapter = writeAdapter(base, randomPairs(base), folder.resolve("adapter.gguf"));
    refused(base, new ChangedModel(adapter).with(key, new GgufValue.Str(value)), key);
  }

  @Test
  void adaptersThatDoNotFitAreRefused() {
    Path base = TinyModel.read("llama-factors").unpack(folder);
    Path adapter = writeAdapter(base, randomPairs(base), folder.resolve("adapter.gguf"));
    String q = "blk.0.attn_q.weight";
    refused(base, new ChangedModel(adapter).withTensor(q + ".lora_a", GgmlType.F32, 31, RANK), q);
    refused(base, new ChangedModel(adapter).withTensor(q + ".lora_b", GgmlType.F32, 4, 32), q);
    refused(base, new ChangedModel(adapter).withoutTensor(q + ".lora_b"), q);
    refused(
        base,
        new ChangedModel(adapter).withTensor("blk.9.attn_q.weight.lora_a", GgmlType.F32, 32, 3),
        "blk.9.attn_q.weight");
  }

  @Test
  void cutAdaptersAreRefused() throws IOException {
    Path base = TinyModel.read("llama-factors").unpack(folder);
    Path adapter = writeAdapter(base, randomPairs(base), folder.resolve("adapter.gguf"));
    byte[] whole = Files.readAllBytes(adapter);
    Path cut = folder.resolve("cut.gguf");
    Random random = new Random(7);
    for (int i = 0; i < 200; i++) {
      Files.write(cut, Arrays.copyOf(whole, random.nextInt(whole.length)));
      assertThatExceptionOfType(GgufFormatException.class)
          .isThrownBy(() -> GgufFile.open(cut).close())
          .withMessageContaining("cut.gguf");
    }
  }

  private void refused(Path base, ChangedModel adapter, String named) {
    Path changed = adapter.write(folder.resolve("changed.gguf"));
    try (Backend backend = Backends.open("naive", BackendOptions.DEFAULT).backend();
        GgufFile file = GgufFile.open(base);
        GgufFile adapterFile = GgufFile.open(changed);
        CausalLm lm = Architectures.load(file, backend)) {
      assertThatExceptionOfType(RealmException.class)
          .isThrownBy(() -> lm.loadAdapter(adapterFile, 1))
          .withMessageContaining(named);
    }
  }
}

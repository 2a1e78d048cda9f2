package ai.realm.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import ai.realm.gguf.GgufFile;
import ai.realm.tensor.BlockCodec;
import ai.realm.tensor.Tensor;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The hidden state is what becomes logits: multiplied here with the file's own output matrix it gives the
/// logits of the model. What encoders give is compared with llama.cpp's embeddings in [TinyModelTest].
class HiddenStateTest {
  /// The backend sums in another order, and its matrix may be tiled.
  private static final double TOLERANCE = 1e-4;

  @TempDir Path folder;

  /// Architectures whose logits are the product and at most a factor.
  static Stream<String> models() {
    return TinyModel.names().stream().filter(name -> !ENCODERS.contains(name));
  }

  private static final List<String> ENCODERS =
      TinyModel.names().stream().filter(name -> name.contains("bert")).toList();

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void timesTheOutputMatrixIsTheLogits(String name) {
    TinyModel tiny = TinyModel.read(name);
    try (Backend backend = Backends.open("naive", BackendOptions.DEFAULT).backend();
        GgufFile file = GgufFile.open(tiny.unpack(folder));
        CausalLm lm = Architectures.load(file, backend, tiny.contextLength());
        ForwardPass pass = lm.newForwardPass(64, 1);
        KvStore kv = backend.kvStore(lm.kvLayout(64, KvType.F32), 1)) {
      int[] ids = tiny.ids();
      Batch batch = new Batch(64, 1);
      batch.add(ids, 0, ids.length, 0, new int[1], 2);
      float[] logits = floats(backend, pass.forward(batch, kv), 2 * lm.config().vocabularySize());
      int width = lm.config().embeddingLength();
      float[] hidden = floats(backend, pass.hidden(ids.length - 2, 2), 2 * width);
      float cap = cap(file);
      double[] product = product(file, hidden, lm.config().vocabularySize(), width);
      double[] expected = new double[logits.length];
      for (int i = 0; i < logits.length; i++) {
        expected[i] = cap > 0 ? cap * atanh(logits[i] / cap) : logits[i];
      }
      double factor = dot(product, expected) / dot(product, product);
      double error = 0;
      for (int i = 0; i < expected.length; i++) {
        error += Math.pow(factor * product[i] - expected[i], 2);
      }
      assertThat(Math.sqrt(error / dot(expected, expected))).isLessThan(TOLERANCE);
    }
  }

  @Test
  void onlyRowsOfTheStepHaveOne() {
    TinyModel tiny = TinyModel.read(TinyModel.names().getFirst());
    try (Backend backend = Backends.open("naive", BackendOptions.DEFAULT).backend();
        GgufFile file = GgufFile.open(tiny.unpack(folder));
        CausalLm lm = Architectures.load(file, backend, tiny.contextLength());
        ForwardPass pass = lm.newForwardPass(8, 1);
        KvStore kv = backend.kvStore(lm.kvLayout(64, KvType.F32), 1)) {
      Batch batch = new Batch(8, 1);
      batch.add(tiny.ids(), 0, 3, 0, new int[1], 0);
      pass.forward(batch, kv);
      assertThatThrownBy(() -> pass.hidden(2, 2)).isInstanceOf(IndexOutOfBoundsException.class);
    }
  }

  private static float cap(GgufFile file) {
    String key = file.metadata().string("general.architecture") + ".final_logit_softcapping";
    return file.metadata().float32(key, 0);
  }

  private static double atanh(double x) {
    return 0.5 * Math.log((1 + x) / (1 - x));
  }

  private static float[] floats(Backend backend, Buffer from, int count) {
    float[] values = new float[count];
    backend.read(from, 0, values, 0, count);
    return values;
  }

  private static double[] product(GgufFile file, float[] hidden, int vocabulary, int width) {
    float[] matrix =
        floats(file.findTensor("output.weight").orElseGet(() -> file.tensor("token_embd.weight")));
    float[] bias = file.findTensor("output.bias").map(HiddenStateTest::floats).orElse(null);
    double[] product = new double[hidden.length / width * vocabulary];
    for (int i = 0; i < product.length; i++) {
      int token = i % vocabulary;
      double sum = bias == null ? 0 : bias[token];
      for (int k = 0; k < width; k++) {
        sum += (double) matrix[token * width + k] * hidden[i / vocabulary * width + k];
      }
      product[i] = sum;
    }
    return product;
  }

  private static float[] floats(Tensor tensor) {
    float[] values = new float[(int) tensor.shape().elements()];
    BlockCodec.of(tensor.type()).dequantize(tensor.data(), 0, values, 0, values.length);
    return values;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }
}

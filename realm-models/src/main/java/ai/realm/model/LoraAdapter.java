package ai.realm.model;

import ai.realm.compute.Adapter;
import ai.realm.compute.Backend;
import ai.realm.compute.WeightMatrix;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufFormatException;
import ai.realm.gguf.GgufMetadata;
import ai.realm.gguf.TensorInfo;
import ai.realm.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Low-rank adaptation (Hu et al., "LoRA", 2021) from a GGUF file: for each adapted tensor `NAME` the
/// pair `NAME.lora_a` (rank, in) and `NAME.lora_b` (out, rank), and
///
/// ```
/// y = W x + strength · alpha / rank · B (A x)
/// ```
///
/// The shared weights are not touched: each sequence says whether it uses the adapter.
final class LoraAdapter implements Adapter {
  /// What is added at one place: `scale · b (a x)`.
  record LowRank(WeightMatrix a, WeightMatrix b, float scale) {}

  private final String name;
  private final @Nullable LowRank[] changes;

  private LoraAdapter(String name, @Nullable LowRank[] changes) {
    this.name = name;
    this.changes = changes;
  }

  /// @param places the model's linear layers, by index
  static LoraAdapter load(
      GgufFile file,
      Backend backend,
      String architecture,
      List<Linear.Place> places,
      float strength) {
    GgufMetadata metadata = file.metadata();
    String name = file.path().toString();
    require(name, "general.type", "adapter", metadata.string("general.type"));
    require(name, "adapter.type", "lora", metadata.string("adapter.type"));
    require(name, "general.architecture", architecture, metadata.string("general.architecture"));
    float alpha = metadata.float32("adapter.lora.alpha", 0);
    if (!Float.isFinite(alpha) || !Float.isFinite(strength)) {
      throw new GgufFormatException(
          "adapter %s: expected a finite alpha and strength, found %s and %s"
              .formatted(name, alpha, strength));
    }
    Set<String> read = new HashSet<>();
    @Nullable LowRank[] changes = new @Nullable LowRank[places.size()];
    List<WeightMatrix> loaded = new ArrayList<>();
    try {
      for (int i = 0; i < changes.length; i++) {
        Linear.Place place = places.get(i);
        Optional<Tensor> a = file.findTensor(place.tensor() + ".lora_a");
        if (a.isPresent()) {
          Tensor b = file.tensor(place.tensor() + ".lora_b");
          checkShapes(name, place, a.get(), b);
          read.add(a.get().name());
          read.add(b.name());
          float scale = alpha == 0 ? strength : strength * alpha / b.shape().cols();
          WeightMatrix down = backend.weights(a.get());
          loaded.add(down);
          WeightMatrix up =
              backend.weights(b.rows(place.from(), place.from() + (long) place.count()));
          loaded.add(up);
          changes[i] = new LowRank(down, up, scale);
        }
      }
      for (TensorInfo info : file.tensors()) {
        if (!read.contains(info.name())) {
          throw new UnsupportedModelException(
              "adapter %s: tensor %s: expected a pair for a linear layer of %s, found none such"
                  .formatted(name, info.name(), architecture));
        }
      }
    } catch (RuntimeException e) {
      loaded.forEach(WeightMatrix::close);
      throw e;
    }
    return new LoraAdapter(name, changes);
  }

  private static void require(String name, String key, String expected, String found) {
    if (!expected.equals(found)) {
      throw new GgufFormatException(
          "adapter %s: key %s: expected %s, found %s".formatted(name, key, expected, found));
    }
  }

  private static void checkShapes(String name, Linear.Place place, Tensor a, Tensor b) {
    long rank = a.shape().rows();
    if (a.shape().cols() != place.cols()
        || b.shape().rows() != place.rows()
        || b.shape().cols() != rank) {
      throw new GgufFormatException(
          "adapter %s: tensor %s: expected (%d, rank) and (rank, %d), found %s and %s"
              .formatted(name, place.tensor(), place.cols(), place.rows(), a.shape(), b.shape()));
    }
  }

  @Override
  public String name() {
    return name;
  }

  /// What it adds to the linear layer of that index, or null.
  @Nullable LowRank at(int index) {
    return changes[index];
  }

  @Override
  public void close() {
    for (LowRank change : changes) {
      if (change != null) {
        change.a().close();
        change.b().close();
      }
    }
  }
}

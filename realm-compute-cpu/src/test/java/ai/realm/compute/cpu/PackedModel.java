package ai.realm.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Buffer;
import ai.realm.compute.WeightMatrix;
import ai.realm.compute.WeightsCache;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufValue;
import ai.realm.gguf.GgufWeights;
import ai.realm.gguf.GgufWriter;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import ai.realm.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;

/// A small model file of a few matrices, and what loading it with packed weights on disk gives.
final class PackedModel implements AutoCloseable {
  static final int COLS = 256;
  static final int ROWS = 37;

  private final NativeBackend backend = NativeVariants.best();
  private final WorkerPool pool = new WorkerPool(2);
  private final NativeKernels kernels = NativeVariants.loaded().kernels();
  private final NativePacking packing =
      new NativePacking(kernels, new NativeMemory(kernels.memory()), pool);
  private final PackedLayout layout = PackedLayout.of(kernels, packing);
  private final Path folder;

  private PackedModel(Path folder) {
    this.folder = folder;
  }

  /// Written anew.
  static PackedModel create(Path folder) {
    PackedModel model = new PackedModel(folder);
    model.write(1);
    return model;
  }

  /// One that was written before.
  static PackedModel existing(Path folder) {
    return new PackedModel(folder);
  }

  /// Writes the model with weights from a seed; the size is the same for every seed.
  void write(long seed) {
    Random random = new Random(seed);
    GgufWriter writer =
        new GgufWriter(path()).metadata("general.architecture", new GgufValue.Str("llama"));
    add(writer, "token_embd.weight", GgmlType.Q8_0, random, ROWS);
    add(writer, "blk.0.attn.weight", GgmlType.Q4_0, random, ROWS);
    add(writer, "blk.0.ffn.weight", GgmlType.F32, random, 3 * ROWS);
    add(writer, "output.weight", GgmlType.Q4_1, random, ROWS);
    writer.write();
  }

  private static void add(GgufWriter writer, String name, GgmlType type, Random random, int rows) {
    Shape shape = Shape.of(COLS, rows);
    byte[] bytes = new byte[(int) type.byteSize(shape.elements())];
    for (int i = 0; i < bytes.length; i++) {
      // Below 0x40: every float among them is finite.
      bytes[i] = (byte) random.nextInt(0x40);
    }
    writer.tensor(name, type, shape, out -> out.accept(MemorySegment.ofArray(bytes)));
  }

  Path path() {
    return folder.resolve("model.gguf");
  }

  /// Where its packed weights lie.
  Path packed() {
    return PackedLoader.place(path(), null, layout);
  }

  PackedLayout layout() {
    return layout;
  }

  ModelIdentity identity() {
    try (GgufFile file = GgufFile.open(path())) {
      return ModelIdentity.of(new GgufWeights(file));
    }
  }

  /// What a load gave.
  ///
  /// @param notices what the user was told
  /// @param mapped how many of the matrices lie in the mapped file, and so were not packed
  /// @param matrices how many there are
  /// @param products one row times every matrix
  record Result(List<String> notices, int mapped, int matrices, List<Float> products) {
    void isMapped() {
      assertThat(mapped).as("matrices that were not packed; %s", notices).isEqualTo(matrices);
      assertThat(notices).isEmpty();
    }

    void isPacked() {
      assertThat(mapped).as("matrices that were not packed; %s", notices).isZero();
    }
  }

  /// Loads without a file.
  Result loadPlain() {
    try (GgufFile file = GgufFile.open(path())) {
      List<WeightMatrix> matrices = new ArrayList<>();
      for (Tensor tensor : tensors(file)) {
        matrices.add(backend.weights(tensor));
      }
      return use(matrices, List.of());
    }
  }

  /// Loads with a file, without the waits for the disk.
  Result load() {
    return load(new HurriedStorage(), layout, null);
  }

  Result load(PackedStorage storage, PackedLayout as, @org.jspecify.annotations.Nullable Path at) {
    List<String> notices = new ArrayList<>();
    try (GgufFile file = GgufFile.open(path())) {
      List<WeightMatrix> matrices = new ArrayList<>();
      try (PackedLoader loader =
          PackedLoader.begin(
              new GgufWeights(file),
              new WeightsCache(at, notices::add),
              packing,
              as,
              pool,
              storage)) {
        for (Tensor tensor : tensors(file)) {
          matrices.add(loader.weights(tensor));
        }
        loader.multiplied(matrices.getFirst());
        loader.finish();
      }
      return use(matrices, notices);
    }
  }

  /// All the matrices, the second in two parts.
  private static List<Tensor> tensors(GgufFile file) {
    return List.of(
        file.tensor("token_embd.weight"),
        file.tensor("blk.0.attn.weight").rows(0, 16),
        file.tensor("blk.0.attn.weight").rows(16, ROWS),
        file.tensor("blk.0.ffn.weight"),
        file.tensor("output.weight"));
  }

  private Result use(List<WeightMatrix> matrices, List<String> notices) {
    int mapped = 0;
    List<Float> products = new ArrayList<>();
    try (Buffer x = backend.allocate(COLS)) {
      float[] ones = new float[COLS];
      for (int i = 0; i < COLS; i++) {
        ones[i] = (i % 7 - 3) / 3f;
      }
      backend.write(x, 0, ones, 0, COLS);
      for (WeightMatrix matrix : matrices) {
        PackedWeights.Panels panels = ((PackedWeights) matrix).packed();
        mapped += panels != null && panels.segment().isMapped() ? 1 : 0;
        try (Buffer out = backend.allocate(matrix.rows())) {
          backend.matmul(out, matrix, x, 1);
          float[] row = new float[matrix.rows()];
          backend.read(out, 0, row, 0, row.length);
          for (float value : row) {
            products.add(value);
          }
        }
      }
    }
    matrices.forEach(WeightMatrix::close);
    return new Result(List.copyOf(notices), mapped, matrices.size(), products);
  }

  /// Names of the files in the model's folder.
  TreeSet<String> files() {
    try (DirectoryStream<Path> found = Files.newDirectoryStream(folder)) {
      TreeSet<String> names = new TreeSet<>();
      found.forEach(path -> names.add(String.valueOf(path.getFileName())));
      return names;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Changes one byte of the packed weights.
  void flip(long at) throws IOException {
    try (var channel =
            java.nio.channels.FileChannel.open(
                packed(),
                java.nio.file.StandardOpenOption.READ,
                java.nio.file.StandardOpenOption.WRITE);
        Arena arena = Arena.ofConfined()) {
      MemorySegment all =
          channel.map(java.nio.channels.FileChannel.MapMode.READ_WRITE, 0, channel.size(), arena);
      all.set(ValueLayout.JAVA_BYTE, at, (byte) (all.get(ValueLayout.JAVA_BYTE, at) ^ 0x10));
    }
  }

  @Override
  public void close() {
    backend.close();
    pool.close();
  }

  /// Does not wait for the disk.
  static class HurriedStorage extends PackedStorage {
    @Override
    void force(Part part) throws IOException {}

    @Override
    void forceFolder(Path target) throws IOException {}
  }
}

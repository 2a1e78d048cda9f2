package ai.realm.compute.cpu;

import ai.realm.compute.WeightLoader;
import ai.realm.compute.WeightMatrix;
import ai.realm.compute.WeightsCache;
import ai.realm.compute.WeightsFile;
import ai.realm.digest.Sha256;
import ai.realm.tensor.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Loads a model's matrices out of a file of packed weights where there is a good one; otherwise packs
/// them and writes the file. Whatever is wrong with the file, the model loads.
final class PackedLoader implements WeightLoader {
  private final WeightsFile file;
  private final WeightsCache cache;
  private final NativePacking packing;
  private final PackedLayout layout;
  private final WorkerPool pool;
  private final PackedStorage storage;
  private final Path path;
  private final ModelIdentity model;
  private final Map<String, Tensor> tensors = new HashMap<>();
  private final Map<String, PackedWeights> loaded = new LinkedHashMap<>();
  private @Nullable PackedFile mapped;
  private boolean complete;

  private PackedLoader(
      WeightsFile file,
      WeightsCache cache,
      NativePacking packing,
      PackedLayout layout,
      WorkerPool pool,
      PackedStorage storage) {
    this.file = file;
    this.cache = cache;
    this.packing = packing;
    this.layout = layout;
    this.pool = pool;
    this.storage = storage;
    path = place(file.path(), cache.folder(), layout);
    for (Tensor tensor : file.tensors()) {
      tensors.put(tensor.name(), tensor);
      packing.beginReading(tensor.data());
    }
    model = ModelIdentity.of(file);
    tensors.values().forEach(tensor -> packing.endReading(tensor.data()));
  }

  /// Looks for the file and checks it.
  static PackedLoader begin(
      WeightsFile file,
      WeightsCache cache,
      NativePacking packing,
      PackedLayout layout,
      WorkerPool pool,
      PackedStorage storage) {
    PackedLoader loader = new PackedLoader(file, cache, packing, layout, pool, storage);
    loader.open();
    return loader;
  }

  /// Where a model's packed weights lie: beside it, or in a folder for all, where the model's own folder
  /// becomes part of the name.
  static Path place(Path model, @Nullable Path folder, PackedLayout layout) {
    String name = model.getFileName() + ".realm-packed-" + layout.variant();
    if (folder == null) {
      return model.resolveSibling(name);
    }
    byte[] whole = model.toAbsolutePath().normalize().toString().getBytes(StandardCharsets.UTF_8);
    byte[] digest = Sha256.of(whole);
    return folder.resolve(name + "-" + HexFormat.of().formatHex(digest, 0, 4));
  }

  private void open() {
    try {
      mapped = PackedFile.open(path, storage.user(), layout, model, packing, pool);
      complete = mapped != null;
    } catch (PackedFileException | IOException e) {
      say("not used and made anew: " + describe(e));
    }
  }

  private void say(String what) {
    cache.notices().accept("packed weights %s: %s".formatted(path, what));
  }

  private static String describe(Exception e) {
    return e instanceof PackedFileException
        ? String.valueOf(e.getMessage())
        : e.getClass().getSimpleName() + ": " + e.getMessage();
  }

  @Override
  public WeightMatrix weights(Tensor tensor) {
    PackedWeights weights = new PackedWeights(tensor, packing.packedType(tensor));
    if (!NativeBackend.isLookedUp(tensor)) {
      fill(weights);
    }
    return weights;
  }

  @Override
  public void multiplied(WeightMatrix matrix) {
    if (matrix instanceof PackedWeights weights && weights.packed() == null) {
      fill(weights);
    }
  }

  /// How many bytes after the start of the file's tensor of the same name a tensor begins, of which it is
  /// all or some rows; -1 for memory that is not this file's.
  private long offset(Tensor tensor) {
    int slice = tensor.name().lastIndexOf('[');
    Tensor whole = tensors.get(tensor.name());
    if (whole == null && slice > 0) {
      whole = tensors.get(tensor.name().substring(0, slice));
    }
    if (whole == null) {
      return -1;
    }
    long offset = tensor.data().address() - whole.data().address();
    return offset >= 0 && offset + tensor.data().byteSize() <= whole.data().byteSize()
        ? offset
        : -1;
  }

  private void fill(PackedWeights weights) {
    long source = offset(weights.tensor());
    PackedFile known = mapped;
    if (source < 0) {
      packing.pack(weights);
      return;
    }
    PackedHeader.Entry entry = known == null ? null : known.find(weights.name());
    if (known != null && entry != null && entry.equals(entry(weights, source, entry))) {
      weights.panels(known.panels(entry));
    } else {
      complete = false;
      packing.pack(weights);
    }
    loaded.putIfAbsent(weights.name(), weights);
  }

  /// What the file should have for a matrix, with the place and checksums of `like`.
  private PackedHeader.Entry entry(
      PackedWeights weights, long source, PackedHeader.@Nullable Entry like) {
    return new PackedHeader.Entry(
        weights.name(),
        weights.type(),
        weights.packedType(),
        weights.cols(),
        weights.rows(),
        source,
        like == null ? 0 : like.offset(),
        packing.bytes(weights),
        like == null ? List.of() : like.checksums());
  }

  @Override
  public void finish() {
    if (complete || loaded.isEmpty()) {
      return;
    }
    if (mapped != null) {
      say("made anew: expected all of the model's matrices, found some missing or different");
    }
    List<PackedWriter.Matrix> matrices =
        loaded.values().stream()
            .map(weights ->
                new PackedWriter.Matrix(
                    entry(weights, offset(weights.tensor()), null),
                    Objects.requireNonNull(weights.packed()).segment()))
            .toList();
    long begin = System.nanoTime();
    try {
      Path folder = path.toAbsolutePath().getParent();
      if (cache.folder() != null && folder != null) {
        Files.createDirectories(folder);
      }
      long bytes =
          new PackedWriter(storage, pool)
              .write(path, layout.toString(), model, matrices, file::isUnchanged);
      say(
          bytes == 0
              ? "not written: another process is writing it, or the model has just changed"
              : "written, %d MB in %.1f s"
                  .formatted(bytes >> 20, (System.nanoTime() - begin) / 1e9));
    } catch (IOException | UnsupportedOperationException e) {
      say("not written: " + describe(e));
    }
  }

  @Override
  public void close() {
    PackedFile known = mapped;
    if (known != null) {
      mapped = null;
      known.release();
    }
  }
}

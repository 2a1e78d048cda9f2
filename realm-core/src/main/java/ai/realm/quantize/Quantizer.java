package ai.realm.quantize;

import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufValue;
import ai.realm.gguf.GgufWriter;
import ai.realm.gguf.TensorInfo;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Writes a model with fewer bits, to the same bytes as `llama-quantize`. Rows are encoded in chunks by
/// a few threads and written in order, so that memory holds a few chunks and never a whole tensor.
public final class Quantizer {
  private static final int CHUNK_WEIGHTS = 1 << 18;
  private static final long CHUNK_DEADLINE_MINUTES = 10;

  private final QuantizationMix mix;
  private final int threads;
  private final boolean requantize;
  private final Optional<ImportanceMatrix> importance;
  private final QuantizationProgress progress;

  /// @param threads how many threads encode
  /// @param requantize whether tensors that are already quantized may be quantized again
  /// @param importance how much errors matter, if known
  public Quantizer(
      QuantizationMix mix,
      int threads,
      boolean requantize,
      Optional<ImportanceMatrix> importance,
      QuantizationProgress progress) {
    if (threads < 1) {
      throw new IllegalArgumentException("threads: expected at least 1, found " + threads);
    }
    this.mix = mix;
    this.threads = threads;
    this.requantize = requantize;
    this.importance = importance;
    this.progress = progress;
  }

  /// A tensor with the type it will have.
  private record Job(TensorInfo tensor, GgmlType type, int index, long weightsBefore) {}

  /// Quantizes `model` into `target`, which appears as a whole or not at all.
  ///
  /// @throws QuantizationException when it cannot be done
  public void quantize(GgufFile model, Path target) {
    List<TensorInfo> order = new ArrayList<>(model.tensors());
    order.sort(Quantizer::byLayerThenName);
    TensorTypes types = new TensorTypes(model, mix, importance.isPresent());
    List<Job> jobs = new ArrayList<>();
    long weights = 0;
    for (TensorInfo tensor : order) {
      Job job = new Job(tensor, types.next(tensor), jobs.size() + 1, weights);
      check(job);
      jobs.add(job);
      weights += tensor.shape().elements();
    }
    long total = weights;
    GgufWriter writer = new GgufWriter(target);
    metadata(model).forEach(writer::metadata);
    try (ThreadPoolExecutor workers = workers()) {
      for (Job job : jobs) {
        Tensor tensor = model.tensor(job.tensor.name());
        writer.tensor(
            job.tensor.name(),
            job.type,
            job.tensor.shape(),
            out -> write(tensor, job, jobs.size(), total, workers, out));
      }
      try {
        writer.write();
      } finally {
        workers.shutdownNow();
      }
    }
  }

  private ThreadPoolExecutor workers() {
    return new ThreadPoolExecutor(
        threads,
        threads,
        1,
        TimeUnit.MINUTES,
        new ArrayBlockingQueue<>(2 * threads),
        task -> {
          Thread thread = new Thread(task, "quantize");
          thread.setDaemon(true);
          return thread;
        });
  }

  /// Tensors outside of layers first, then layer by layer; names in order of their bytes.
  private static int byLayerThenName(TensorInfo a, TensorInfo b) {
    int byLayer = Integer.compare(layer(a.name()), layer(b.name()));
    return byLayer != 0 ? byLayer : a.name().compareTo(b.name());
  }

  private static int layer(String name) {
    int dot = name.startsWith("blk.") ? name.indexOf('.', 4) : -1;
    if (dot < 5 || dot > 10) {
      return -1;
    }
    int layer = 0;
    for (int i = 4; i < dot; i++) {
      int digit = name.charAt(i) - '0';
      if (digit < 0 || digit > 9) {
        return -1;
      }
      layer = 10 * layer + digit;
    }
    return layer;
  }

  private Map<String, GgufValue> metadata(GgufFile model) {
    Map<String, GgufValue> metadata = new LinkedHashMap<>();
    for (String key : model.metadata().keys()) {
      if (!key.startsWith("split.")) {
        metadata.put(key, model.metadata().find(key).orElseThrow());
      }
    }
    append(metadata, "general.quantization_version", new GgufValue.U32(2));
    append(metadata, "general.file_type", new GgufValue.U32(mix.fileType()));
    importance.ifPresent(matrix -> {
      String file = String.valueOf(matrix.path().getFileName());
      append(metadata, "quantize.imatrix.file", new GgufValue.Str(file));
      if (!matrix.text().isEmpty()) {
        append(metadata, "quantize.imatrix.dataset", new GgufValue.Str(matrix.text()));
      }
      GgufValue entries = new GgufValue.I32(matrix.size());
      append(metadata, "quantize.imatrix.entries_count", entries);
      if (matrix.chunks() > 0) {
        GgufValue chunks = new GgufValue.I32(matrix.chunks());
        append(metadata, "quantize.imatrix.chunks_count", chunks);
      }
    });
    return metadata;
  }

  private static void append(Map<String, GgufValue> metadata, String key, GgufValue value) {
    metadata.remove(key);
    metadata.put(key, value);
  }

  private void check(Job job) {
    TensorInfo t = job.tensor;
    if (job.type == t.type()) {
      return;
    }
    if (t.type().isQuantized() && !requantize) {
      throw new QuantizationException(
          "tensor %s: expected F32, F16 or BF16, found %s; quantizing twice must be allowed"
              .formatted(t.name(), t.type()));
    }
    float[] columns = columns(t);
    if (columns == null
        && mix == QuantizationMix.Q2_K_S
        && job.type == GgmlType.Q2_K
        && !t.name().equals("token_embd.weight")) {
      throw new QuantizationException(
          "tensor %s: expected an importance matrix for Q2_K_S, found none".formatted(t.name()));
    }
  }

  /// The importances of a tensor's columns, matrix after matrix.
  private float @Nullable [] columns(TensorInfo t) {
    if (importance.isEmpty()) {
      return null;
    }
    float[] columns = importance.get().columns(t.name());
    long expected = t.shape().cols() * t.shape().ne(2);
    if (columns == null || columns.length == expected) {
      return columns;
    }
    if (t.name().equals("token_embd.weight")) {
      return null;
    }
    throw new QuantizationException(
        "importance matrix, values of %s: expected %d, found %d"
            .formatted(t.name(), expected, columns.length));
  }

  // ---- one tensor

  private void write(
      Tensor tensor,
      Job job,
      int jobs,
      long totalWeights,
      ThreadPoolExecutor workers,
      Consumer<MemorySegment> out) {
    if (job.type == tensor.type()) {
      out.accept(tensor.data());
      report(job, jobs, tensor.shape().elements(), totalWeights);
      return;
    }
    float[] columns = columns(job.tensor);
    long cols = tensor.shape().cols();
    long rowsPerMatrix = tensor.shape().ne(1);
    long rowsPerChunk = Math.max(1, CHUNK_WEIGHTS / cols);
    Deque<Future<RowChunk>> pending = new ArrayDeque<>();
    long done = 0;
    for (long matrix = 0; matrix < tensor.shape().rows() / rowsPerMatrix; matrix++) {
      for (long row = 0; row < rowsPerMatrix; row += rowsPerChunk) {
        long from = matrix * rowsPerMatrix + row;
        long rows = Math.min(rowsPerChunk, rowsPerMatrix - row);
        int at = (int) (matrix * cols);
        pending.add(
            workers.submit(() -> RowChunk.encode(tensor, job.type, from, rows, columns, at)));
        if (pending.size() > threads) {
          done += take(pending, out);
          report(job, jobs, done, totalWeights);
        }
      }
    }
    while (!pending.isEmpty()) {
      done += take(pending, out);
      report(job, jobs, done, totalWeights);
    }
  }

  private static long take(Deque<Future<RowChunk>> pending, Consumer<MemorySegment> out) {
    try {
      RowChunk chunk = pending.remove().get(CHUNK_DEADLINE_MINUTES, TimeUnit.MINUTES);
      out.accept(MemorySegment.ofArray(chunk.bytes()));
      return chunk.weights();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new QuantizationException("quantization: expected to finish, found it stopped", e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof QuantizationException known) {
        throw known;
      }
      throw new QuantizationException(
          "quantization: expected to finish, found: " + e.getCause(), e);
    } catch (TimeoutException e) {
      throw new QuantizationException(
          "quantization: expected a chunk within %d minutes, found none"
              .formatted(CHUNK_DEADLINE_MINUTES),
          e);
    }
  }

  private void report(Job job, int jobs, long doneWeights, long totalWeights) {
    progress.onStep(
        new QuantizationProgress.Step(
            job.index,
            jobs,
            job.tensor.name(),
            job.tensor.type(),
            job.type,
            job.weightsBefore + doneWeights,
            totalWeights));
  }
}

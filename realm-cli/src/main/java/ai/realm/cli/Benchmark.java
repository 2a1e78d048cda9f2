package ai.realm.cli;

import ai.realm.compute.Backend;
import ai.realm.compute.Batch;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.TensorInfo;
import ai.realm.model.CausalLm;
import ai.realm.model.ForwardPass;
import java.util.Arrays;
import java.util.function.Consumer;

/// Times the forward steps of one model on one backend: prompts of n tokens from an empty context, and
/// n tokens one by one for some sequences together. Without tokenizer, sampling or guests, as
/// `llama-bench` does.
final class Benchmark {
  private static final long WARM_UP_NANOS = 1_500_000_000L;
  private static final int MAX_WARM_UPS = 30;
  private static final int BLOCK_SIZE = 16;

  /// Rows of a step: what prompts are cut into.
  static final int MAX_ROWS = 512;

  private final Backend backend;
  private final GgufFile file;
  private final CausalLm model;

  Benchmark(Backend backend, GgufFile file, CausalLm model) {
    this.backend = backend;
    this.file = file;
    this.model = model;
  }

  /// What is run.
  ///
  /// @param prompt tokens of the prompt, or 0
  /// @param generated tokens that each sequence generates, or 0
  /// @param sequences sequences in every step
  /// @param kvType how keys and values are stored
  record Run(int prompt, int generated, int sequences, KvType kvType) {
    Run {
      if ((prompt > 0) == (generated > 0) || sequences < 1) {
        throw new IllegalArgumentException(
            "expected either a prompt or generated tokens, and a sequence, found %d, %d, %d"
                .formatted(prompt, generated, sequences));
      }
    }

    /// `pp512`, `tg128`, `tg128 x16`.
    String title() {
      String name = prompt > 0 ? "pp" + prompt : "tg" + generated;
      return sequences == 1 ? name : name + " x" + sequences;
    }

    int tokens() {
      return (prompt + generated) * sequences;
    }
  }

  /// Seconds of each repetition.
  ///
  /// @param weightBytes bytes of weights that a step reads
  /// @param operations multiplications and additions with weights for one token
  record Result(Run run, double[] seconds, long weightBytes, double operations) {
    double tokensPerSecond() {
      return run.tokens() / median(seconds);
    }

    /// Half the distance between the quartiles, in tokens per second.
    double spread() {
      double[] sorted = seconds.clone();
      Arrays.sort(sorted);
      double fast = sorted[sorted.length / 4];
      double slow = sorted[sorted.length - 1 - sorted.length / 4];
      return (run.tokens() / fast - run.tokens() / slow) / 2;
    }

    /// Bytes of weights read per second, as far as steps read each weight once.
    double bytesPerSecond() {
      double steps =
          run.prompt() > 0
              ? Math.ceilDiv(run.prompt(), MAX_ROWS) * (double) run.sequences()
              : run.generated();
      return weightBytes * steps / median(seconds);
    }

    double operationsPerSecond() {
      return operations * run.tokens() / median(seconds);
    }

    private static double median(double[] values) {
      double[] sorted = values.clone();
      Arrays.sort(sorted);
      int n = sorted.length;
      return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    }
  }

  /// Runs for a while without the clock, then `repetitions` times with it.
  Result measure(Run run, int repetitions) {
    int positions = run.prompt() + run.generated();
    int blocks = Math.ceilDiv(positions, BLOCK_SIZE);
    int rows = run.prompt() > 0 ? Math.min(run.prompt(), MAX_ROWS) : run.sequences();
    double[] seconds = new double[repetitions];
    try (KvStore kv =
            backend.kvStore(model.kvLayout(BLOCK_SIZE, run.kvType()), blocks * run.sequences());
        ForwardPass pass = model.newForwardPass(rows, run.sequences())) {
      Batch batch = new Batch(rows, run.sequences());
      int[][] tables = new int[run.sequences()][blocks];
      for (int s = 0; s < run.sequences(); s++) {
        for (int b = 0; b < blocks; b++) {
          tables[s][b] = s * blocks + b;
        }
      }
      warmUp(run, part -> steps(pass, kv, batch, tables, part));
      for (int r = 0; r < repetitions; r++) {
        long start = System.nanoTime();
        steps(pass, kv, batch, tables, run);
        seconds[r] = (System.nanoTime() - start) / 1e9;
      }
    }
    return new Result(run, seconds, weightBytes(), operations(run));
  }

  /// Runs until the JVM has compiled what runs often: a server's state, not a first prompt's.
  private static void warmUp(Run run, Consumer<Run> steps) {
    Run part = new Run(run.prompt(), Math.min(run.generated(), 16), run.sequences(), run.kvType());
    long until = System.nanoTime() + WARM_UP_NANOS;
    for (int i = 0; i < MAX_WARM_UPS && (i == 0 || System.nanoTime() < until); i++) {
      steps.accept(part);
    }
  }

  private void steps(ForwardPass pass, KvStore kv, Batch batch, int[][] tables, Run run) {
    int[] ids = new int[MAX_ROWS];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = 3 + i * 31 % (model.config().vocabularySize() - 3);
    }
    if (run.prompt() > 0) {
      for (int[] table : tables) {
        for (int p = 0; p < run.prompt(); p += MAX_ROWS) {
          int count = Math.min(MAX_ROWS, run.prompt() - p);
          batch.clear();
          batch.add(ids, 0, count, p, table, p + count == run.prompt() ? 1 : 0);
          pass.forward(batch, kv);
        }
      }
      return;
    }
    for (int p = 0; p < run.generated(); p++) {
      batch.clear();
      for (int[] table : tables) {
        batch.add(ids, p % ids.length, 1, p, table, 1);
      }
      pass.forward(batch, kv);
    }
  }

  /// Bytes of all weights that a step reads whole: an embedding table beside an output matrix is only
  /// looked up.
  private long weightBytes() {
    long bytes = 0;
    for (TensorInfo tensor : file.tensors()) {
      if (isMultiplied(tensor)) {
        bytes += tensor.type().byteSize(tensor.shape().elements());
      }
    }
    return bytes;
  }

  /// Of a prompt, only the last token meets the output matrix.
  private double operations(Run run) {
    double operations = 0;
    for (TensorInfo tensor : file.tensors()) {
      if (isMultiplied(tensor) && tensor.shape().dimensions() > 1) {
        boolean output =
            tensor.name().equals("output.weight") || tensor.name().equals("token_embd.weight");
        double share = output && run.prompt() > 0 ? 1.0 / run.prompt() : 1;
        operations += 2.0 * tensor.shape().elements() * share;
      }
    }
    return operations;
  }

  private boolean isMultiplied(TensorInfo tensor) {
    return !tensor.name().equals("token_embd.weight") || file.findTensor("output.weight").isEmpty();
  }
}

package ai.realm.bench;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.runtime.CallResult;
import ai.realm.runtime.GuestLimits;
import ai.realm.runtime.GuestOutput;
import ai.realm.runtime.GuestTools;
import ai.realm.runtime.GuestTrapException;
import ai.realm.runtime.Isolation;
import ai.realm.runtime.RealmRuntime;
import ai.realm.runtime.ResourceLimits;
import ai.realm.runtime.RuntimeConfig;
import ai.realm.wasm.DefaultGuest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Locale;

/// What a worker costs beside a guest in the host's process: one crossing to the host and back, while the
/// host answers at once and while it takes as long as a token does; time per token; how long after its
/// deadline a hostile guest is stopped, how long hostile modules are read before they are refused, and what
/// the worst that are admitted take to compile.
///
/// usage: `IsolationCost MODEL [STOPS]`
public final class IsolationCost {
  /// `call(n)` calls `emit_token` n times; `loop`, `fill` (64 KiB of `memory.fill`) and `tree` (2^60 calls)
  /// never end.
  private static final byte[] GUEST =
      HexFormat.of()
          .parseHex(
              "0061736d01000000011c0660017f017f60017f017f6000017f6000017f60017f017f6000017f0219"
                  + "010a7265616c6d5f686f73740a656d69745f746f6b656e0000030605010203040505040101010107"
                  + "2f06066d656d6f727902000463616c6c0001046c6f6f7000020466696c6c0003066272616e636800"
                  + "04047472656500050a580515000340200010001a200041016b22000d000b41000b090003400c000b"
                  + "41000b140003404100410141808004fc0b000c000b41000b1a00200045047f410105200041016b10"
                  + "04200041016b10046a0b0b0600413c10040b");

  private static final int CROSSINGS = 20_000;
  private static final int TOKENS = 1_000;
  private static final int GENERATIONS = 40;
  private static final int REFUSALS = 20;
  private static final Duration DEADLINE = Duration.ofMillis(50);

  private final Path model;
  private final Backend backend;
  private final int stops;

  private IsolationCost(Path model, Backend backend, int stops) {
    this.model = model;
    this.backend = backend;
    this.stops = stops;
  }

  /// Prints a table for each level.
  public static void main(String[] args) {
    int stops = args.length > 1 ? Integer.parseInt(args[1]) : 100;
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend()) {
      IsolationCost cost = new IsolationCost(Path.of(args[0]), backend, stops);
      cost.measure("in-process", Isolation.inProcess());
      cost.measure("worker", Isolation.worker());
      cost.generations();
    }
  }

  private void measure(String name, Isolation isolation) {
    long started = System.nanoTime();
    try (RealmRuntime runtime = runtime(isolation, GuestLimits.DEFAULT)) {
      runtime.loadWasm(GUEST);
      runtime.callFunction("call", 1);
      print(name, "start to the end of the first call, ms", (System.nanoTime() - started) / 1e6);
      for (int i = 0; i < 3; i++) {
        crossings(runtime, CROSSINGS, 0);
      }
      print(name, "crossing, us", crossings(runtime, CROSSINGS, 0));
      print(
          name,
          "crossing beside 3 ms of the host's work, us",
          crossings(runtime, TOKENS, 3_000_000));
    }
    admission(name, isolation);
    for (String endless : new String[] {"loop", "fill", "tree"}) {
      print(name, "stopped past the deadline, ms: " + endless, stops(isolation, endless));
    }
  }

  private void admission(String name, Isolation isolation) {
    try (RealmRuntime runtime = runtime(isolation, GuestLimits.DEFAULT)) {
      AdmissionCost.refusals(runtime, REFUSALS)
          .forEach((module, millis) -> print(name, "refused, ms: " + module, millis));
      AdmissionCost.compilations(runtime)
          .forEach((module, millis) -> print(name, "compiled, ms: " + module, millis));
    }
  }

  private RealmRuntime runtime(Isolation isolation, GuestLimits limits) {
    return new RealmRuntime(
        RuntimeConfig.of("model", model, backend),
        ResourceLimits.unbounded(limits),
        GuestTools.NONE,
        isolation);
  }

  /// From one host call of the guest to its next, without what the host does in between.
  private static double[] crossings(RealmRuntime runtime, int count, long workNanos) {
    double[] micros = new double[count];
    GuestOutput output =
        new GuestOutput() {
          private long left = System.nanoTime();
          private int at;

          @Override
          public void text(String text) {}

          @Override
          public void token(int id) {
            long now = System.nanoTime();
            micros[at++] = (now - left) / 1e3;
            while (System.nanoTime() - now < workNanos) {
              Thread.onSpinWait();
            }
            left = System.nanoTime();
          }
        };
    runtime.callFunction("call", output, count);
    return Arrays.copyOfRange(micros, 1, count);
  }

  /// The default guest at both levels in turns.
  private void generations() {
    double[] here = new double[GENERATIONS];
    double[] elsewhere = new double[GENERATIONS];
    try (RealmRuntime inProcess = runtime(Isolation.inProcess(), GuestLimits.DEFAULT);
        RealmRuntime worker = runtime(Isolation.worker(), GuestLimits.DEFAULT)) {
      inProcess.loadWasm(DefaultGuest.bytes());
      worker.loadWasm(DefaultGuest.bytes());
      for (int i = -GENERATIONS; i < GENERATIONS; i++) {
        double one = generation(inProcess);
        double other = generation(worker);
        if (i >= 0) {
          here[i] = one;
          elsewhere[i] = other;
        }
      }
    }
    print("in-process", "default guest, us a token", here);
    print("worker", "default guest, us a token", elsewhere);
  }

  private static double generation(RealmRuntime runtime) {
    long handle = runtime.callFunction("load_model", "model", "{}").value();
    CallResult answer =
        runtime.callFunction(
            "generate",
            handle,
            "Once upon a time, Mia lived near a forest.",
            "{\"raw\": true, \"max_tokens\": 200, \"temperature\": 1, \"seed\": 7}");
    return answer.totalNanos() / 1e3 / answer.newTokens();
  }

  private double[] stops(Isolation isolation, String function) {
    double[] millis = new double[stops];
    try (RealmRuntime runtime = runtime(isolation, GuestLimits.DEFAULT.withDeadline(DEADLINE))) {
      runtime.loadWasm(GUEST);
      for (int i = -5; i < stops; i++) {
        long started = System.nanoTime();
        try {
          runtime.callFunction(function);
          throw new IllegalStateException(function + " ended by itself");
        } catch (GuestTrapException e) {
          if (i >= 0) {
            millis[i] = (System.nanoTime() - started - DEADLINE.toNanos()) / 1e6;
          }
        }
      }
    }
    return millis;
  }

  private static void print(String level, String what, double... values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    System.out.printf(
        Locale.ROOT,
        "%-10s | %-66s | median %10.2f | p99 %10.2f | most %10.2f%n",
        level,
        what,
        sorted[sorted.length / 2],
        sorted[(int) (0.99 * (sorted.length - 1))],
        sorted[sorted.length - 1]);
  }
}

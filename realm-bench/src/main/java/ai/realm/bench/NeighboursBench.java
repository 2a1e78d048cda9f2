package ai.realm.bench;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.compute.KvType;
import ai.realm.error.RealmException;
import ai.realm.runtime.GuestLimits;
import ai.realm.runtime.Isolation;
import ai.realm.runtime.MultiRealmManager;
import ai.realm.runtime.RealmPolicy;
import ai.realm.runtime.ResourceLimits;
import ai.realm.runtime.RuntimeConfig;
import ai.realm.runtime.TenantId;
import ai.realm.wasm.DefaultGuest;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/// What one tenant feels of another that misbehaves (cases F01 to F06): times to its first token and between
/// tokens, alone, beside a polite tenant that keeps its four sequences busy (the fair share), and beside each
/// hostile one. Each tenant may have four calls at once.
///
/// usage: `NeighboursBench [MODEL [SECONDS]]`
public final class NeighboursBench {
  private static final TenantId VICTIM = new TenantId("victim");
  private static final TenantId OTHER = new TenantId("other");
  private static final String PROMPT = "Tell me a story about a fox.";
  private static final String CONFIG = "{\"max_tokens\":64,\"min_tokens\":64}";
  private static final int SEQUENCES = 200;
  private static final long REFUSED_NANOS = 2_000_000;
  private static final int CONTEXT = 512;

  private final Path model;
  private final Backend backend;
  private final long nanos;

  private NeighboursBench(Path model, Backend backend, int seconds) {
    this.model = model;
    this.backend = backend;
    this.nanos = TimeUnit.SECONDS.toNanos(seconds);
  }

  /// A neighbour: calls at once, and what each does again and again.
  private record Neighbour(String name, int calls, Act act) {}

  /// One thing that a neighbour does; what it is refused or killed for is its own affair.
  private interface Act {
    void run(MultiRealmManager realms, int caller, long round);
  }

  /// Prints a Markdown table.
  public static void main(String[] args) throws InterruptedException {
    Path model = Path.of(args.length > 0 ? args[0] : "models/realm-sample-q8_0.gguf");
    int seconds = args.length > 1 ? Integer.parseInt(args[1]) : 10;
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend()) {
      NeighboursBench bench = new NeighboursBench(model, backend, seconds);
      bench.measure(new Neighbour("warm-up", 1, NeighboursBench::generate));
      System.out.printf(
          "%s, %s, Java %s, %d s each%n%n",
          model.getFileName(), backend.description(), Runtime.version(), seconds);
      System.out.println(
          "| neighbour | victim's tokens | first token p50, p99 ms | between tokens p50, p99 ms |"
              + " p99 beside the polite one's: first, between | victim's errors |");
      System.out.println("|---|---|---|---|---|---|");
      Result alone = bench.measure(new Neighbour("alone", 0, NeighboursBench::generate));
      Result polite = bench.measure(new Neighbour("polite", 4, NeighboursBench::generate));
      print("none", alone, polite);
      print("polite: four sequences at work", polite, polite);
      for (Neighbour neighbour : hostile()) {
        print(neighbour.name(), bench.measure(neighbour), polite);
      }
    }
  }

  private static List<Neighbour> hostile() {
    String longest = "fox ".repeat(400);
    return List.of(
        new Neighbour("F01 flood: 40 calls at once", 40, NeighboursBench::generate),
        new Neighbour(
            "F02 prompts of the greatest length",
            4,
            (realms, caller, round) ->
                call(realms, round + longest, "{\"raw\":true,\"max_tokens\":1}")),
        new Neighbour("F03 a hundred streams", 100, NeighboursBench::generate),
        new Neighbour(
            "F04 spinner, in a worker",
            1,
            (realms, caller, round) -> guest(realms, round, looping(""))),
        new Neighbour(
            "F05 allocator, in a worker",
            1,
            (realms, caller, round) -> guest(realms, round, looping("410140001a"))),
        new Neighbour(
            "F06 compile bombs, in a worker",
            1,
            (realms, caller, round) -> realms.deploy(OTHER, bomb(round))));
  }

  private static void generate(MultiRealmManager realms, int caller, long round) {
    call(realms, PROMPT, CONFIG);
  }

  private static void call(MultiRealmManager realms, String prompt, String config) {
    realms.generate(OTHER, "model", prompt, config, text -> {});
  }

  private static void guest(MultiRealmManager realms, long round, byte[] wasm) {
    if (round == 0) {
      realms.deploy(OTHER, wasm);
    }
    call(realms, PROMPT, CONFIG);
  }

  // ---- measuring --------------------------------------------------------------------------------

  private record Result(long[] first, long[] between, long errors) {}

  private Result measure(Neighbour neighbour) throws InterruptedException {
    RuntimeConfig config =
        new RuntimeConfig(
            Map.of("model", model),
            backend,
            CONTEXT,
            SEQUENCES,
            KvType.F16,
            0,
            GuestLimits.DEFAULT.withDeadline(Duration.ofSeconds(2)));
    TokenTimes times = new TokenTimes();
    AtomicLong errors = new AtomicLong();
    AtomicBoolean over = new AtomicBoolean();
    List<Thread> threads = new ArrayList<>();
    try (MultiRealmManager realms = new MultiRealmManager(config, DefaultGuest.bytes())) {
      GuestLimits limits = GuestLimits.DEFAULT.withDeadline(Duration.ofSeconds(2));
      RealmPolicy policy =
          RealmPolicy.of(
              ResourceLimits.builder()
                  .guest(limits)
                  .maxConcurrentCalls(4)
                  .maxSequences(4)
                  .maxQueuedSteps(64)
                  .build());
      realms.create(VICTIM, policy.withIsolation(Isolation.inProcess()));
      realms.create(
          OTHER,
          policy
              .withFallback(false)
              .withBreaker(Integer.MAX_VALUE, Duration.ofSeconds(1))
              .withIsolation(Isolation.worker()));
      realms.generate(VICTIM, "model", PROMPT, CONFIG, text -> {});
      for (int i = 0; i < neighbour.calls(); i++) {
        int caller = i;
        Thread thread = new Thread(() -> repeat(neighbour, realms, caller, over));
        thread.setDaemon(true);
        thread.start();
        threads.add(thread);
      }
      Thread.sleep(500);
      long end = System.nanoTime() + nanos;
      while (System.nanoTime() < end) {
        times.begin();
        try {
          realms.generate(VICTIM, "model", PROMPT, CONFIG, times);
        } catch (RealmException e) {
          errors.incrementAndGet();
        }
      }
      over.set(true);
      for (Thread thread : threads) {
        thread.join(5000);
      }
    }
    return new Result(times.first().toArray(), times.between().toArray(), errors.get());
  }

  private static void repeat(
      Neighbour neighbour, MultiRealmManager realms, int caller, AtomicBoolean over) {
    for (long round = 0; !over.get(); round++) {
      try {
        neighbour.act().run(realms, caller, round);
      } catch (RealmException e) {
        // What it is there for. A client that is refused takes at least a moment to come again.
        LockSupport.parkNanos(REFUSED_NANOS);
      }
    }
  }

  private static void print(String name, Result result, Result polite) {
    System.out.printf(
        Locale.ROOT,
        "| %s | %d | %.2f, %.2f | %.2f, %.2f | %.2f, %.2f | %d |%n",
        name,
        result.first().length + result.between().length,
        at(result.first(), 0.5),
        at(result.first(), 0.99),
        at(result.between(), 0.5),
        at(result.between(), 0.99),
        at(result.first(), 0.99) / at(polite.first(), 0.99),
        at(result.between(), 0.99) / at(polite.between(), 0.99),
        result.errors());
  }

  /// Milliseconds.
  private static double at(long[] values, double quantile) {
    long[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted.length == 0 ? Double.NaN : sorted[(int) ((sorted.length - 1) * quantile)] / 1e6;
  }

  // ---- hostile guests ---------------------------------------------------------------------------

  /// A guest whose `generate` does `body` for ever.
  private static byte[] looping(String body) {
    return module(List.of(bytes("0340" + body + "0c000b41000b")));
  }

  /// Much to compile, never the same.
  private static byte[] bomb(long seed) {
    List<byte[]> functions = new ArrayList<>();
    functions.add(bytes("41000b"));
    for (int f = 0; f < 2000; f++) {
      String step = "41%02x1a".formatted((seed + f) & 63);
      functions.add(bytes(step.repeat(150) + "41000b"));
    }
    return module(functions);
  }

  private static byte[] bytes(String hex) {
    return HexFormat.of().parseHex(hex);
  }

  /// `load_model` answers 1; `generate` is the first of the functions.
  private static byte[] module(List<byte[]> functions) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(bytes("0061736d01000000"));
    section(out, 1, bytes("0260000" + "17f60017f017f"));
    ByteArrayOutputStream types = new ByteArrayOutputStream();
    ByteArrayOutputStream code = new ByteArrayOutputStream();
    unsigned(types, functions.size() + 1);
    types.write(0);
    unsigned(code, functions.size() + 1);
    body(code, bytes("41010b"));
    for (byte[] function : functions) {
      types.write(1);
      body(code, function);
    }
    section(out, 3, types.toByteArray());
    section(out, 5, bytes("010101e807"));
    ByteArrayOutputStream exports = new ByteArrayOutputStream();
    exports.write(2);
    export(exports, "load_model", 0);
    export(exports, "generate", 1);
    section(out, 7, exports.toByteArray());
    section(out, 10, code.toByteArray());
    return out.toByteArray();
  }

  private static void body(ByteArrayOutputStream to, byte[] instructions) {
    unsigned(to, instructions.length + 1);
    to.write(0);
    to.writeBytes(instructions);
  }

  private static void export(ByteArrayOutputStream to, String name, int function) {
    to.write(name.length());
    to.writeBytes(name.getBytes(StandardCharsets.US_ASCII));
    to.write(0);
    to.write(function);
  }

  private static void section(ByteArrayOutputStream to, int id, byte[] content) {
    to.write(id);
    unsigned(to, content.length);
    to.writeBytes(content);
  }

  private static void unsigned(ByteArrayOutputStream to, int value) {
    int left = value;
    while (left >= 128) {
      to.write(left & 127 | 128);
      left >>>= 7;
    }
    to.write(left);
  }
}

package ai.realm.bench;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.runtime.GuestLimits;
import ai.realm.runtime.MultiRealmManager;
import ai.realm.runtime.RealmPolicy;
import ai.realm.runtime.ResourceLimits;
import ai.realm.runtime.RuntimeConfig;
import ai.realm.runtime.TenantId;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/// Many realms on one model: tokens per second of all together, times to the first token and between
/// tokens, time in guests, resident memory per realm.
///
/// usage: `RealmsBench [-m MODEL] [-g GUEST.wasm] [-n TOKENS] [-r ROUNDS] [-t THREADS] [-k REALMS,…] [-w SECONDS]
/// [--format table|json]`
///
/// Each realm is a tenant with a guest of its own (the default one, or the given) on a thread of its own, and
/// generates `TOKENS` tokens `ROUNDS` times. With batching off a forward step takes one sequence.
public final class RealmsBench {
  private static final String PROMPT = "Tell me a story about a fox.";
  private static final long DEADLINE_MINUTES = 30;
  private static final int CONTEXT = 512;

  /// Until the JVM has compiled what runs often.
  private static final double WARM_UP_SECONDS = 4;

  private static final int CREATED = 300;

  private final Settings settings;
  private final Backend backend;
  private final BenchOutput output;

  private RealmsBench(Settings settings, Backend backend, BenchOutput output) {
    this.settings = settings;
    this.backend = backend;
    this.output = output;
  }

  /// What was asked for.
  private static final class Settings {
    private Path model = Path.of("models/realm-sample-q8_0.gguf");
    private byte @Nullable [] guest;
    private int tokens = 128;
    private int rounds = 5;
    private int threads;
    private double warmUpSeconds = WARM_UP_SECONDS;
    private int[] counts = {1, 8, 16, 64};
    private BenchOutput.Format format = BenchOutput.Format.TABLE;

    static Settings of(String[] args) throws IOException {
      Settings asked = new Settings();
      for (int i = 0; i < args.length; i += 2) {
        if (i + 1 == args.length) {
          throw new IllegalArgumentException(args[i] + ": expected a value, found none");
        }
        String value = args[i + 1];
        switch (args[i]) {
          case "-m" -> asked.model = Path.of(value);
          case "-g" -> asked.guest = Files.readAllBytes(Path.of(value));
          case "-n" -> asked.tokens = Integer.parseInt(value);
          case "-r" -> asked.rounds = Integer.parseInt(value);
          case "-t" -> asked.threads = Integer.parseInt(value);
          case "-w" -> asked.warmUpSeconds = Double.parseDouble(value);
          case "-k" ->
              asked.counts =
                  Arrays.stream(value.split(",", -1)).mapToInt(Integer::parseInt).toArray();
          case "--format" -> asked.format = BenchOutput.Format.of(value);
          default ->
              throw new IllegalArgumentException(
                  "expected -m, -g, -n, -r, -t, -w, -k or --format, found " + args[i]);
        }
      }
      return asked;
    }
  }

  /// What JSON is made of.
  ///
  /// @param guestBytes the guest's size; null for the default one
  record Report(
      String model,
      String backend,
      String java,
      @Nullable Integer guestBytes,
      int tokens,
      int rounds,
      List<Throughput> results,
      @Nullable Memory memory,
      Creation creation) {}

  /// One line of the table.
  record Throughput(
      int realms,
      boolean batching,
      double tokensPerSecond,
      @Nullable Percentiles firstToken,
      @Nullable Percentiles betweenTokens,
      double guestMicrosPerToken) {}

  /// Resident memory with one realm and with all of them.
  ///
  /// @param isHeapResident whether all of the heap was resident from the begin
  /// @param bytesPerRealm what a realm more takes: of such a heap what is in use of it, and what lies outside; else what
  ///     resident memory grew, of which nobody can tell how much of the heap is in use
  /// @param heapBytesPerRealm what is in use of the heap
  record Memory(
      int realms,
      boolean isHeapResident,
      long residentBytesOfOne,
      long residentBytesOfAll,
      double bytesPerRealm,
      double heapBytesPerRealm) {}

  /// Time to make a realm of a compiled guest.
  record Creation(int realms, @Nullable Percentiles creation) {}

  /// Prints a Markdown table or JSON.
  public static void main(String[] args) throws IOException, InterruptedException {
    run(args, System.out);
  }

  static void run(String[] args, PrintStream out) throws IOException, InterruptedException {
    Settings settings = Settings.of(args);
    BackendOptions options = new BackendOptions(settings.threads, true);
    try (Backend backend = Backends.open("auto", options).backend()) {
      new RealmsBench(settings, backend, new BenchOutput(out, settings.format)).run();
    }
  }

  private void run() throws InterruptedException {
    byte[] guest = settings.guest;
    output.line(
        "%s, %s, guest: %s, %d tokens, %d rounds, Java %s"
            .formatted(
                settings.model.getFileName(),
                backend.description(),
                guest == null ? "the default one" : guest.length + " bytes",
                settings.tokens,
                settings.rounds,
                Runtime.version()));
    output.line("");
    output.line(
        "| realms | batching | tokens/s | first token p50, p99 ms | between tokens p50, p99 ms |"
            + " guest µs/token |");
    output.line("|---|---|---|---|---|---|");
    List<Throughput> results = new ArrayList<>();
    for (int count : settings.counts) {
      for (boolean batching : new boolean[] {false, true}) {
        if (count > 1 || !batching) {
          results.add(throughput(count, batching));
        }
      }
    }
    Memory memory = memory(Arrays.stream(settings.counts).max().orElse(1));
    Creation creation = creation();
    output.end(
        new Report(
            String.valueOf(settings.model.getFileName()),
            backend.description(),
            Runtime.version().toString(),
            guest == null ? null : guest.length,
            settings.tokens,
            settings.rounds,
            results,
            memory,
            creation));
  }

  private MultiRealmManager manager(int realms, boolean batching) {
    RuntimeConfig config =
        RuntimeConfig.builder(backend)
            .model("model", settings.model)
            .maxContext(CONTEXT)
            .sequences(Math.max(2, realms))
            .memory64Bytes(0)
            .limits(GuestLimits.DEFAULT.withDeadline(Duration.ofMinutes(DEADLINE_MINUTES)))
            .maxBatch(batching ? 64 : 1)
            .build();
    return new MultiRealmManager(config, DefaultGuest.bytes());
  }

  private void create(MultiRealmManager manager, int realm) {
    TenantId tenant = tenant(realm);
    GuestLimits limits = GuestLimits.DEFAULT.withDeadline(Duration.ofMinutes(DEADLINE_MINUTES));
    manager.create(tenant, RealmPolicy.of(ResourceLimits.builder().guest(limits).build()));
    if (settings.guest != null) {
      manager.deploy(tenant, settings.guest);
    }
  }

  private static TenantId tenant(int realm) {
    return new TenantId("tenant-" + realm);
  }

  private String config(int length) {
    return "{\"max_tokens\":%d,\"min_tokens\":%d,\"ignore_end\":1}".formatted(length, length);
  }

  // ---- throughput and latency -------------------------------------------------------------------

  private Throughput throughput(int realms, boolean batching) throws InterruptedException {
    try (MultiRealmManager manager = manager(realms, batching);
        ExecutorService threads = Executors.newFixedThreadPool(realms)) {
      for (int i = 0; i < realms; i++) {
        create(manager, i);
      }
      long warm = System.nanoTime() + (long) (settings.warmUpSeconds * 1e9);
      do {
        run(manager, threads, realms, 32, 2);
      } while (System.nanoTime() < warm);
      long guestBefore = guestNanos(manager);
      long start = System.nanoTime();
      List<TokenTimes> times = run(manager, threads, realms, settings.tokens, settings.rounds);
      double seconds = (System.nanoTime() - start) / 1e9;
      long made = times.stream().mapToLong(TokenTimes::tokens).sum();
      double guestMicros = (guestNanos(manager) - guestBefore) / 1e3 / made;
      Throughput measured =
          new Throughput(
              realms,
              batching,
              made / seconds,
              Percentiles.of(times.stream().flatMapToLong(TokenTimes::first).toArray()),
              Percentiles.of(times.stream().flatMapToLong(TokenTimes::between).toArray()),
              guestMicros);
      output.line(
          String.format(
              Locale.ROOT,
              "| %d | %s | %.1f | %s | %s | %.1f |",
              realms,
              batching ? "on" : "off",
              measured.tokensPerSecond(),
              Percentiles.cell(measured.firstToken()),
              Percentiles.cell(measured.betweenTokens()),
              guestMicros));
      return measured;
    }
  }

  private static long guestNanos(MultiRealmManager manager) {
    return manager.status().stream().mapToLong(s -> s.usage().guestNanos()).sum();
  }

  private List<TokenTimes> run(
      MultiRealmManager manager, ExecutorService threads, int realms, int length, int times)
      throws InterruptedException {
    List<Future<TokenTimes>> running = new ArrayList<>();
    for (int i = 0; i < realms; i++) {
      TenantId tenant = tenant(i);
      running.add(
          threads.submit(() -> {
            TokenTimes measured = new TokenTimes();
            for (int r = 0; r < times; r++) {
              measured.begin();
              manager.generate(tenant, "model", PROMPT, config(length), measured);
            }
            return measured;
          }));
    }
    List<TokenTimes> all = new ArrayList<>();
    for (Future<TokenTimes> one : running) {
      try {
        all.add(one.get(DEADLINE_MINUTES, TimeUnit.MINUTES));
      } catch (ExecutionException | TimeoutException e) {
        throw new IllegalStateException("a realm failed", e);
      }
    }
    return all;
  }

  // ---- memory and creation ----------------------------------------------------------------------

  /// Resident memory of the process with one realm that has run, and with as many as were asked for. All of it is
  /// done once before: what the JIT compiler takes for realms that come and answer is none's own.
  private @Nullable Memory memory(int realms) throws InterruptedException {
    if (realms < 2) {
      return null;
    }
    measureMemory(realms);
    Memory measured = measureMemory(realms);
    output.line("");
    output.line(
        String.format(
            Locale.ROOT,
            "resident memory: %.1f MiB with 1 realm, %.1f MiB with %d that have each generated:"
                + " %.0f KiB a realm (%.0f KiB of it heap in use)",
            measured.residentBytesOfOne() / 1048576.0,
            measured.residentBytesOfAll() / 1048576.0,
            realms,
            measured.bytesPerRealm() / 1024,
            measured.heapBytesPerRealm() / 1024));
    if (!measured.isHeapResident()) {
      output.line(
          "what the heap grew by counts, in use or not: -Xms512m -Xmx512m -XX:+AlwaysPreTouch tells that apart");
    }
    return measured;
  }

  private Memory measureMemory(int realms) throws InterruptedException {
    try (MultiRealmManager manager = manager(realms, true);
        ExecutorService threads = Executors.newFixedThreadPool(1)) {
      create(manager, 0);
      run(manager, threads, 1, settings.tokens, 3);
      // As much as the others will do.
      for (int i = 1; i < realms; i++) {
        manager.generate(tenant(0), "model", PROMPT, config(settings.tokens), text -> {});
      }
      long one = resident();
      long heapOne = heap();
      for (int i = 1; i < realms; i++) {
        create(manager, i);
        manager.generate(tenant(i), "model", PROMPT, config(settings.tokens), text -> {});
      }
      long many = resident();
      long heapMore = heap() - heapOne;
      Runtime java = Runtime.getRuntime();
      boolean isHeapResident = java.totalMemory() == java.maxMemory();
      return new Memory(
          realms,
          isHeapResident,
          one,
          many,
          (many - one + (isHeapResident ? heapMore : 0)) / (double) (realms - 1),
          heapMore / (double) (realms - 1));
    }
  }

  private static long heap() {
    return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
  }

  /// Bytes, after garbage collections that let the JVM give memory back and without what the allocator keeps.
  private static long resident() throws InterruptedException {
    for (int i = 0; i < 4; i++) {
      System.gc();
      Thread.sleep(200);
    }
    Allocator.trim();
    return ProcessState.residentBytes();
  }

  /// Time to make a realm of a compiled guest, and until it has made its first token.
  private Creation creation() {
    try (MultiRealmManager manager = manager(2, true)) {
      long[] made = new long[CREATED];
      for (int i = 0; i < CREATED; i++) {
        long start = System.nanoTime();
        create(manager, i);
        made[i] = System.nanoTime() - start;
        manager.generate(tenant(i), "model", PROMPT, config(1), text -> {});
        manager.remove(tenant(i));
      }
      Creation measured = new Creation(CREATED, Percentiles.of(made));
      output.line(
          "creating a realm of a compiled guest: p50, p99 %s ms (%d realms)"
              .formatted(Percentiles.cell(measured.creation()), CREATED));
      return measured;
    }
  }
}

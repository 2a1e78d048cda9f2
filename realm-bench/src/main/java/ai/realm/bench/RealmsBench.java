package ai.realm.bench;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.compute.KvType;
import ai.realm.runtime.GuestLimits;
import ai.realm.runtime.MultiRealmManager;
import ai.realm.runtime.RealmPolicy;
import ai.realm.runtime.ResourceLimits;
import ai.realm.runtime.RuntimeConfig;
import ai.realm.runtime.TenantId;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
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
/// usage: `RealmsBench [-m MODEL] [-g GUEST.wasm] [-n TOKENS] [-r ROUNDS] [-t THREADS] [-k REALMS,…]`
///
/// Each realm is a tenant with a guest of its own (the default one, or the given) on a thread of its own, and
/// generates `TOKENS` tokens `ROUNDS` times. With batching off a forward step takes one sequence.
public final class RealmsBench {
  private static final String PROMPT = "Tell me a story about a fox.";
  private static final long DEADLINE_MINUTES = 30;
  private static final int CONTEXT = 512;

  /// Until the JVM has compiled what runs often.
  private static final long WARM_UP_NANOS = 4_000_000_000L;

  private final Path model;
  private final Backend backend;
  private final byte @Nullable [] guest;
  private final int tokens;
  private final int rounds;

  private RealmsBench(
      Path model, Backend backend, byte @Nullable [] guest, int tokens, int rounds) {
    this.model = model;
    this.backend = backend;
    this.guest = guest;
    this.tokens = tokens;
    this.rounds = rounds;
  }

  /// Prints a Markdown table.
  public static void main(String[] args) throws IOException, InterruptedException {
    Path model = Path.of("models/realm-sample-q8_0.gguf");
    byte[] guest = null;
    int tokens = 128;
    int rounds = 5;
    int threads = 0;
    int[] counts = {1, 8, 16, 64};
    for (int i = 0; i + 1 < args.length; i += 2) {
      String value = args[i + 1];
      switch (args[i]) {
        case "-m" -> model = Path.of(value);
        case "-g" -> guest = Files.readAllBytes(Path.of(value));
        case "-n" -> tokens = Integer.parseInt(value);
        case "-r" -> rounds = Integer.parseInt(value);
        case "-t" -> threads = Integer.parseInt(value);
        case "-k" ->
            counts = Arrays.stream(value.split(",", -1)).mapToInt(Integer::parseInt).toArray();
        default ->
            throw new IllegalArgumentException(
                "expected -m, -g, -n, -r, -t or -k, found " + args[i]);
      }
    }
    try (Backend backend = Backends.open("auto", new BackendOptions(threads, true)).backend()) {
      RealmsBench bench = new RealmsBench(model, backend, guest, tokens, rounds);
      System.out.printf(
          "%s, %s, guest: %s, %d tokens, %d rounds, Java %s%n%n",
          model.getFileName(),
          backend.description(),
          guest == null ? "the default one" : guest.length + " bytes",
          tokens,
          rounds,
          Runtime.version());
      System.out.println(
          "| realms | batching | tokens/s | first token p50, p99 ms | between tokens p50, p99 ms |"
              + " guest µs/token |");
      System.out.println("|---|---|---|---|---|---|");
      for (int count : counts) {
        for (boolean batching : new boolean[] {false, true}) {
          if (count > 1 || !batching) {
            bench.throughput(count, batching);
          }
        }
      }
      bench.memory(Arrays.stream(counts).max().orElse(1));
      bench.creation();
    }
  }

  private MultiRealmManager manager(int realms, boolean batching) {
    RuntimeConfig config =
        new RuntimeConfig(
            Map.of("model", model),
            backend,
            CONTEXT,
            Math.max(2, realms),
            KvType.F16,
            0,
            GuestLimits.DEFAULT.withDeadline(Duration.ofMinutes(DEADLINE_MINUTES)),
            batching ? 64 : 1,
            Map.of());
    return new MultiRealmManager(config, DefaultGuest.bytes());
  }

  private void create(MultiRealmManager manager, int realm) {
    TenantId tenant = tenant(realm);
    GuestLimits limits = GuestLimits.DEFAULT.withDeadline(Duration.ofMinutes(DEADLINE_MINUTES));
    manager.create(tenant, RealmPolicy.of(ResourceLimits.builder().guest(limits).build()));
    if (guest != null) {
      manager.deploy(tenant, guest);
    }
  }

  private static TenantId tenant(int realm) {
    return new TenantId("tenant-" + realm);
  }

  private String config(int length) {
    return "{\"max_tokens\":%d,\"min_tokens\":%d,\"ignore_end\":1}".formatted(length, length);
  }

  // ---- throughput and latency -------------------------------------------------------------------

  private void throughput(int realms, boolean batching) throws InterruptedException {
    try (MultiRealmManager manager = manager(realms, batching);
        ExecutorService threads = Executors.newFixedThreadPool(realms)) {
      for (int i = 0; i < realms; i++) {
        create(manager, i);
      }
      long warm = System.nanoTime() + WARM_UP_NANOS;
      do {
        run(manager, threads, realms, 32, 2);
      } while (System.nanoTime() < warm);
      long guestBefore = guestNanos(manager);
      long start = System.nanoTime();
      List<TokenTimes> times = run(manager, threads, realms, tokens, rounds);
      double seconds = (System.nanoTime() - start) / 1e9;
      long made = times.stream().mapToLong(TokenTimes::tokens).sum();
      double guestMicros = (guestNanos(manager) - guestBefore) / 1e3 / made;
      System.out.printf(
          Locale.ROOT,
          "| %d | %s | %.1f | %s | %s | %.1f |%n",
          realms,
          batching ? "on" : "off",
          made / seconds,
          percentiles(times.stream().flatMapToLong(TokenTimes::first).toArray()),
          percentiles(times.stream().flatMapToLong(TokenTimes::between).toArray()),
          guestMicros);
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

  private static String percentiles(long[] nanos) {
    Arrays.sort(nanos);
    return nanos.length == 0
        ? "-"
        : "%.2f, %.2f"
            .formatted(nanos[nanos.length / 2] / 1e6, nanos[(int) (nanos.length * 0.99)] / 1e6);
  }

  // ---- memory and creation ----------------------------------------------------------------------

  /// Resident memory of the process with one realm that has run, and with as many as were asked for.
  private void memory(int realms) throws InterruptedException {
    if (realms < 2) {
      return;
    }
    try (MultiRealmManager manager = manager(realms, true);
        ExecutorService threads = Executors.newFixedThreadPool(1)) {
      create(manager, 0);
      run(manager, threads, 1, tokens, 3);
      long one = resident();
      long heapOne = heap();
      for (int i = 1; i < realms; i++) {
        create(manager, i);
        manager.generate(tenant(i), "model", PROMPT, config(tokens), text -> {});
      }
      long many = resident();
      System.out.printf(
          Locale.ROOT,
          "%nresident memory: %.1f MiB with 1 realm, %.1f MiB with %d that have each generated:"
              + " %.0f KiB a realm (%.0f KiB of it heap in use)%n",
          one / 1024.0,
          many / 1024.0,
          realms,
          (many - one) / (double) (realms - 1),
          (heap() - heapOne) / 1024.0 / (realms - 1));
    }
  }

  private static long heap() {
    return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
  }

  /// KiB, after garbage collections that let the JVM give memory back.
  private static long resident() throws InterruptedException {
    for (int i = 0; i < 4; i++) {
      System.gc();
      Thread.sleep(200);
    }
    try {
      for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
        if (line.startsWith("VmRSS:")) {
          return Long.parseLong(line.replaceAll("\\D", ""));
        }
      }
    } catch (IOException e) {
      throw new IllegalStateException("/proc/self/status: expected VmRSS", e);
    }
    throw new IllegalStateException("/proc/self/status: expected VmRSS, found none");
  }

  /// Time to make a realm of a compiled guest, and until it has made its first token.
  private void creation() {
    try (MultiRealmManager manager = manager(2, true)) {
      int times = 300;
      long[] made = new long[times];
      for (int i = 0; i < times; i++) {
        long start = System.nanoTime();
        create(manager, i);
        made[i] = System.nanoTime() - start;
        manager.generate(tenant(i), "model", PROMPT, config(1), text -> {});
        manager.remove(tenant(i));
      }
      System.out.printf(
          Locale.ROOT,
          "creating a realm of a compiled guest: p50, p99 %s ms (%d realms)%n",
          percentiles(made),
          times);
    }
  }
}

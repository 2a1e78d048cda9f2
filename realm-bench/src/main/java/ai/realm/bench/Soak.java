package ai.realm.bench;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Whether anything grows while realms are used for long (case F14): a mixed load of tenants that ask,
/// constrain, fork, give up, fail, deploy, come and go, work in a worker, save and publish. Every few seconds
/// the load pauses and a sample is taken. It fails where live heap or resident memory drifts, where an act
/// ends as it should not, or where a descriptor, thread or file is left once all is closed.
///
/// usage: `Soak [--minutes N] [--threads N] [--sample SECONDS] [--pause MILLIS] [--deploy-pause MILLIS]
/// [-m MODEL] [--guests DIR]`
public final class Soak {
  /// What the JVM needs a moment for: threads that end, memory that cleaners unmap.
  private static final Duration SETTLE = Duration.ofSeconds(15);

  private static final int MOMENT_MILLIS = 500;
  private static final int SAMPLES = 240;

  /// What was asked for.
  ///
  /// @param load how long the load lasts
  /// @param threads of the backend; 0 for the machine's share
  /// @param sample time between samples
  /// @param pauseMillis between two acts of an actor
  /// @param deployPauseMillis between two versions of a guest that were never there before
  record Settings(
      Duration load,
      int threads,
      Duration sample,
      long pauseMillis,
      long deployPauseMillis,
      Path model,
      Path guests) {
    static Settings of(String[] args) {
      double minutes = 120;
      int threads = 0;
      double sample = 0;
      long pause = 50;
      long deployPause = 2000;
      Path model = Path.of("models/realm-sample-q8_0.gguf");
      Path guests = Path.of("guests/built");
      for (int i = 0; i < args.length; i += 2) {
        if (i + 1 == args.length) {
          throw new IllegalArgumentException(args[i] + ": expected a value, found none");
        }
        String value = args[i + 1];
        switch (args[i]) {
          case "--minutes" -> minutes = Double.parseDouble(value);
          case "--threads" -> threads = Integer.parseInt(value);
          case "--sample" -> sample = Double.parseDouble(value);
          case "--pause" -> pause = Long.parseLong(value);
          case "--deploy-pause" -> deployPause = Long.parseLong(value);
          case "-m" -> model = Path.of(value);
          case "--guests" -> guests = Path.of(value);
          default ->
              throw new IllegalArgumentException(
                  "expected --minutes, --threads, --sample, --pause, --deploy-pause, -m or --guests,"
                      + " found "
                      + args[i]);
        }
      }
      double every = sample > 0 ? sample : Math.max(2, minutes * 60 / SAMPLES);
      return new Settings(
          Duration.ofMillis((long) (minutes * 60_000)),
          threads,
          Duration.ofMillis((long) (every * 1000)),
          pause,
          deployPause,
          model,
          guests);
    }
  }

  private final Settings settings;
  private final PrintStream out;

  private Soak(Settings settings, PrintStream out) {
    this.settings = settings;
    this.out = out;
  }

  /// Prints samples and a table; exit code 1 where something grew.
  public static void main(String[] args) throws IOException, InterruptedException {
    SoakReport report = run(Settings.of(args), System.out);
    report.verdict().forEach(reason -> System.out.println("FAILED: " + reason));
    System.exit(report.verdict().isEmpty() ? 0 : 1);
  }

  static SoakReport run(Settings settings, PrintStream out)
      throws IOException, InterruptedException {
    return new Soak(settings, out).run();
  }

  private SoakReport run() throws IOException, InterruptedException {
    Path saved = Files.createTempDirectory("realm-soak-");
    BackendOptions options = new BackendOptions(settings.threads(), true);
    try (Backend backend = Backends.open("auto", options).backend()) {
      out.printf(
          "%s, %s, Java %s, %d s%n%n",
          settings.model().getFileName(),
          backend.description(),
          Runtime.version(),
          settings.load().toSeconds());
      long begin = System.nanoTime();
      // What the JVM makes once and keeps is not of the load.
      try (SoakLoad once = load(saved, backend)) {
        Thread.sleep(Math.min(10_000, settings.load().toMillis() / 4));
        once.quiet(() -> SoakSample.take(begin, saved));
      }
      SoakSample before = settled(begin, saved, null);
      out.println(SoakReport.head());
      List<SoakSample> samples = new ArrayList<>();
      SoakLoad load = load(saved, backend);
      try (load) {
        long end = System.nanoTime() + settings.load().toNanos();
        while (System.nanoTime() < end) {
          TimeUnit.NANOSECONDS.sleep(
              Math.min(settings.sample().toNanos(), Math.max(0, end - System.nanoTime())));
          SoakSample sample = load.quiet(() -> SoakSample.take(begin, saved));
          samples.add(sample);
          out.println(SoakReport.line(sample));
          out.flush();
        }
      }
      SoakSample after = settled(begin, saved, before);
      SoakReport report = new SoakReport(before, samples, after, load.ends(), load.failures());
      out.println();
      out.println(report.table());
      return report;
    } finally {
      delete(saved);
    }
  }

  private SoakLoad load(Path saved, Backend backend) throws IOException {
    return SoakLoad.start(
        settings.model(),
        saved,
        backend,
        new SoakActors(settings.guests(), settings.pauseMillis(), settings.deployPauseMillis())
            .all());
  }

  /// What is held a moment after something was closed.
  ///
  /// @param before what it is to come down to, if anything
  private static SoakSample settled(long begin, Path saved, @Nullable SoakSample before)
      throws InterruptedException {
    Thread.sleep(MOMENT_MILLIS);
    SoakSample now = SoakSample.take(begin, saved);
    long giveUp = System.nanoTime() + SETTLE.toNanos();
    while (before != null && now.holdsMoreThan(before) && System.nanoTime() < giveUp) {
      Thread.sleep(MOMENT_MILLIS);
      now = SoakSample.take(begin, saved);
    }
    return now;
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    }
  }
}

package ai.realm.bench;

import ai.realm.bench.Peers.Cells;
import ai.realm.bench.Peers.Settings;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// The Markdown table of [Peers], written row by row: what is measured stays when the rest fails.
final class PeerTable {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'", Locale.ROOT);
  private static final Path CPUS = Path.of("/proc/cpuinfo");
  private static final Path LOAD = Path.of("/proc/loadavg");

  private final PrintStream out;
  private final @Nullable Path file;
  private final List<PeerEngine> engines;

  PeerTable(PrintStream out, @Nullable Path file, List<PeerEngine> engines) {
    this.out = out;
    this.file = file;
    this.engines = List.copyOf(engines);
  }

  /// Machine, time and command, and the head of the table.
  void begin(String command) throws IOException {
    if (file != null) {
      Files.deleteIfExists(file);
    }
    line(
        "%s, %d CPUs, %s %s, Java %s, begun %s, load average %s."
            .formatted(
                cpu(),
                Runtime.getRuntime().availableProcessors(),
                System.getProperty("os.name"),
                System.getProperty("os.version"),
                Runtime.version(),
                now(),
                load()));
    line("");
    line("`" + command + "`");
    line("");
    List<String> head = new ArrayList<>(List.of("model", "run", "realm", "of limit"));
    engines.stream().skip(1).map(PeerEngine::name).forEach(head::add);
    head.add("realm / best other");
    row(head);
    line("|---|---|" + "---:|".repeat(head.size() - 2));
  }

  /// Tokens per second of all engines: medians.
  void row(Path model, String title, Settings settings, List<Cells> results) throws IOException {
    Cells realm = results.getFirst();
    double own = realm.median(title);
    Double share = realm.share(title);
    List<String> cells = new ArrayList<>();
    cells.add(model.getFileName().toString().replace(".gguf", ""));
    cells.add(title);
    cells.add(cell(realm, title));
    cells.add(share == null ? "–" : String.format(Locale.ROOT, "%.0f %%", 100 * share));
    double best = 0;
    for (Cells peer : results.subList(1, results.size())) {
      cells.add(cell(peer, title));
      best = Math.max(best, peer.median(title));
    }
    if (title.equals(settings.together())) {
      double one = realm.median("tg" + settings.generated());
      cells.add(String.format(Locale.ROOT, "%.2f × one sequence", own / one));
    } else {
      cells.add(best == 0 ? "–" : String.format(Locale.ROOT, "%.2f", own / best));
    }
    row(cells);
  }

  private static String cell(Cells cells, String title) {
    String failure = cells.failure();
    double median = cells.median(title);
    if (median == 0) {
      return failure == null ? "–" : failure;
    }
    String figure = String.format(Locale.ROOT, median < 10 ? "%.2f" : "%.1f", median);
    return failure == null ? figure : figure + " (" + cells.failures() + "× " + failure + ")";
  }

  /// What a reader needs to read the table.
  void end() throws IOException {
    line("");
    line(
        "Tokens/s, medians of all repetitions; the engines took turns. \"of limit\": decode beside the"
            + " reading speed, prefill beside the int8 products that `realm bench` measured. Ended %s,"
                .formatted(now())
            + " load average %s.".formatted(load()));
  }

  private void row(List<String> cells) throws IOException {
    line("| " + String.join(" | ", cells) + " |");
  }

  private void line(String text) throws IOException {
    out.println(text);
    out.flush();
    if (file != null) {
      Files.writeString(
          file,
          text + System.lineSeparator(),
          StandardCharsets.UTF_8,
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND);
    }
  }

  private static String cpu() throws IOException {
    String name = System.getProperty("os.arch");
    if (Files.isReadable(CPUS)) {
      for (String line : Files.readAllLines(CPUS)) {
        if (line.startsWith("model name")) {
          name = line.substring(line.indexOf(':') + 1).trim();
          break;
        }
      }
    }
    return name;
  }

  private static String load() throws IOException {
    if (!Files.isReadable(LOAD)) {
      return "unknown";
    }
    String text = Files.readString(LOAD).trim();
    return text.substring(0, text.indexOf(' '));
  }

  private static String now() {
    return LocalDateTime.now(ZoneOffset.UTC).format(TIME);
  }
}

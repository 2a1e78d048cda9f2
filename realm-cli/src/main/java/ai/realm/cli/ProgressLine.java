package ai.realm.cli;

import java.util.Locale;

/// A progress bar on the terminal's last line, for what takes longer than a moment; silent where no
/// person watches. Used by one thread.
final class ProgressLine implements AutoCloseable {
  private static final int CELLS = 30;
  private static final long APPEARS_AFTER_NANOS = 300_000_000;
  private static final long REDRAWS_AFTER_NANOS = 50_000_000;

  private final Console console;
  private final long started = System.nanoTime();
  private long drawn;

  ProgressLine(Console console) {
    this.console = console;
  }

  /// Says that `done` of `total` bytes are there.
  void update(String what, long done, long total) {
    long now = System.nanoTime();
    if (console.interactive()
        && now - started >= APPEARS_AFTER_NANOS
        && (drawn == 0 || now - drawn >= REDRAWS_AFTER_NANOS)) {
      draw(render(what, done, total));
      drawn = now;
    }
  }

  static String render(String what, long done, long total) {
    double part = total <= 0 ? 1 : Math.clamp((double) done / total, 0, 1);
    int full = (int) (part * CELLS);
    return String.format(
        Locale.ROOT,
        "%s [%s%s] %3.0f%% of %s",
        what,
        "█".repeat(full),
        "░".repeat(CELLS - full),
        part * 100,
        Sizes.of(total));
  }

  private void draw(String line) {
    console.errWriter().print("\r\u001b[K" + line);
    console.errWriter().flush();
  }

  /// Clears the line, where one was drawn.
  @Override
  public void close() {
    if (drawn != 0) {
      draw("");
      drawn = 0;
    }
  }
}

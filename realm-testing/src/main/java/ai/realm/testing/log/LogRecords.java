package ai.realm.testing.log;

import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import org.jspecify.annotations.Nullable;

/// All that is logged at any level while it is open, with the traces of what was thrown. The console's handler
/// keeps the stream that it began with, so that who replaces [System#err] need not see it.
public final class LogRecords implements AutoCloseable {
  private final StringBuffer text = new StringBuffer();
  private final Logger root = Logger.getLogger("");
  private final @Nullable Level before = root.getLevel();
  private final Handler handler = new Keeper();

  private LogRecords() {}

  public static LogRecords open() {
    LogRecords records = new LogRecords();
    records.handler.setFormatter(new SimpleFormatter());
    records.handler.setLevel(Level.ALL);
    records.root.addHandler(records.handler);
    records.root.setLevel(Level.ALL);
    return records;
  }

  private final class Keeper extends Handler {
    @Override
    public void publish(LogRecord entry) {
      text.append(getFormatter().format(entry));
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
  }

  public String text() {
    return text.toString();
  }

  @Override
  public void close() {
    root.setLevel(before);
    root.removeHandler(handler);
  }
}

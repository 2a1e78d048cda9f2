package ai.realm.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// One process of an engine: what it wrote, or why there is nothing.
final class PeerProcess {
  private PeerProcess() {}

  /// An engine that crashed, timed out, or did not say how fast it was.
  static final class PeerFailure extends Exception {
    private static final long serialVersionUID = 1L;
    private final String reason;
    private final boolean isTimeout;

    PeerFailure(String shortly, String message, boolean isTimeout) {
      super(message);
      this.reason = shortly;
      this.isTimeout = isTimeout;
    }

    /// A few words for a cell of the table.
    String shortly() {
      return reason;
    }

    boolean timedOut() {
      return isTimeout;
    }
  }

  /// What a process wrote to both of its outputs, and how it failed if it did.
  record Ended(String output, @Nullable PeerFailure failure) {}

  /// Runs a command to its end, or to the deadline.
  static Ended run(List<String> command, Duration deadline)
      throws IOException, InterruptedException {
    Path file = Files.createTempFile("realm-peer", ".txt");
    try {
      Process process;
      try {
        process =
            new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(file.toFile())
                .start();
      } catch (IOException e) {
        return new Ended("", new PeerFailure("does not start", e.toString(), false));
      }
      process.getOutputStream().close();
      boolean ended = process.waitFor(deadline.toMillis(), TimeUnit.MILLISECONDS);
      if (!ended) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly().waitFor(10, TimeUnit.SECONDS);
        String late = "timed out after %d s".formatted(deadline.toSeconds());
        return new Ended(read(file), new PeerFailure(late, late, true));
      }
      String output = read(file);
      if (process.exitValue() != 0) {
        int status = process.exitValue();
        String how = status > 128 ? "crashed, signal %d".formatted(status - 128) : "exit " + status;
        return new Ended(output, new PeerFailure(how, how + ": " + tail(output), false));
      }
      return new Ended(output, null);
    } finally {
      Files.deleteIfExists(file);
    }
  }

  private static String read(Path file) throws IOException {
    return Files.readString(file, StandardCharsets.ISO_8859_1);
  }

  /// The end of a long output.
  static String tail(String output) {
    return output.length() <= 500 ? output : "…" + output.substring(output.length() - 500);
  }
}

package ai.realm.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

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

  /// Runs a command to its end and returns what it wrote to both of its outputs.
  static String run(List<String> command, Duration deadline)
      throws IOException, InterruptedException, PeerFailure {
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
        throw new PeerFailure("does not start", e.toString(), false);
      }
      process.getOutputStream().close();
      boolean ended = process.waitFor(deadline.toMillis(), TimeUnit.MILLISECONDS);
      if (!ended) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly().waitFor(10, TimeUnit.SECONDS);
        throw new PeerFailure(
            "timed out after %d s".formatted(deadline.toSeconds()), "timed out", true);
      }
      String output = Files.readString(file, StandardCharsets.ISO_8859_1);
      if (process.exitValue() != 0) {
        int status = process.exitValue();
        String how = status > 128 ? "crashed, signal %d".formatted(status - 128) : "exit " + status;
        throw new PeerFailure(how, how + ": " + tail(output), false);
      }
      return output;
    } finally {
      Files.deleteIfExists(file);
    }
  }

  /// The end of a long output.
  static String tail(String output) {
    return output.length() <= 500 ? output : "…" + output.substring(output.length() - 500);
  }
}

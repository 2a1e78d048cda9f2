package ai.realm.runtime;

import java.io.IOException;
import java.io.OutputStream;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.TimeUnit;

/// What the host writes on a worker's standard input, on a thread of its own: a worker that reads no more
/// keeps this thread and nobody else. A few commands wait; whoever finds no room for another, or the first
/// of them there for too long, knows that the worker does not do as it should.
final class WorkerCommands implements AutoCloseable {
  /// A worker that runs has read a command within a moment.
  private static final int MOST_WAITING = 64;

  private static final long LATE_NANOS = TimeUnit.SECONDS.toNanos(10);
  private static final long LOOK_SECONDS = 60;
  private static final long STACK_BYTES = 128 << 10;
  private static final long NOTHING = Long.MIN_VALUE;

  private final OutputStream out;
  private final Thread writer;
  private final ArrayBlockingQueue<byte[]> waiting = new ArrayBlockingQueue<>(MOST_WAITING);
  private volatile boolean closed;

  /// When what is being written was begun.
  private volatile long writingSince = NOTHING;

  WorkerCommands(OutputStream out, long pid) {
    this.out = out;
    writer = new Thread(null, this::write, "realm-commands-" + pid, STACK_BYTES);
    writer.setDaemon(true);
    writer.start();
  }

  /// Has a command written. Returns false when the worker does not read.
  boolean post(byte[] command) {
    long since = writingSince;
    boolean late = since != NOTHING && System.nanoTime() - since > LATE_NANOS;
    return !late && waiting.offer(command);
  }

  private void write() {
    try (out) {
      while (!closed) {
        byte[] next = waiting.poll(LOOK_SECONDS, TimeUnit.SECONDS);
        if (next != null) {
          writingSince = System.nanoTime();
          out.write(next);
          out.flush();
          writingSince = NOTHING;
        }
      }
    } catch (IOException e) {
      // A worker that is gone needs no commands; whoever waits for its guests finds out.
      writingSince = NOTHING;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// Ends the thread; in the middle of a command it ends with the process.
  @Override
  public void close() {
    closed = true;
    writer.interrupt();
  }
}

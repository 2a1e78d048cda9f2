package ai.realm.guest.sdk;

import static ai.realm.guest.sdk.HostException.check;

import ai.realm.guest.Host;

/// Requests of different sequences that one forward step computes together, 1 to 64. It lives as long as
/// its call.
public final class Batch {
  private static final int MAX_ROWS = 64;

  private final int at;
  private final Row[] rows;

  Batch(Scratch scratch, int count) {
    if (count < 1 || count > MAX_ROWS) {
      throw new HostException(Host.EINVAL);
    }
    at = scratch.take(Row.BYTES * count);
    rows = new Row[count];
    for (int i = 0; i < count; i++) {
      rows[i] = new Row(scratch, at + Row.BYTES * i);
    }
  }

  /// A row, to say what it appends and how it samples.
  public Row row(int index) {
    return rows[index];
  }

  /// Runs the first rows in one step.
  public void step(int count) {
    prepare(count);
    check(Host.step(at, count));
  }

  /// Lets the engine begin a step of the first rows, which must stay as they are until the ticket's step is
  /// done.
  public Ticket submit(int count) {
    prepare(count);
    return new Ticket(check(Host.submitStep(at, count)));
  }

  private void prepare(int count) {
    for (int i = 0; i < count; i++) {
      rows[i].prepare();
    }
  }

  /// A step that the engine has.
  public static final class Ticket {
    private final int handle;

    Ticket(int handle) {
      this.handle = handle;
    }

    /// Waits for the step, at most so long; whether it is done and its rows have their results.
    public boolean await(int millis) {
      int result = Host.awaitStep(handle, millis);
      return result != Host.EAGAIN && check(result) == 0;
    }
  }
}

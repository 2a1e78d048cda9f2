package ai.realm.runtime;

import ai.realm.error.RealmException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;

/// Host functions on the call itself: its arguments and output, its clock and budget, and what a realm may
/// use besides models.
final class CallFunctions {
  private static final String TOOL_FAILED = "TOOL_FAILED";
  private static final int MAX_RANDOM_BYTES = 1 << 16;
  private static final int MAX_EVENT_BYTES = 1 << 20;
  private static final int MAX_TOOL_BYTES = 1 << 20;

  // What budget_left tells of.
  private static final int DEADLINE_MILLIS = 0;
  private static final int NEW_TOKENS = 1;
  private static final int MEMORY_BYTES = 2;

  /// What a tool answered, until the guest has read it.
  record Blob(byte[] bytes) implements HeldObject {
    @Override
    public long heldBytes() {
      return bytes.length;
    }

    @Override
    public void close() {}
  }

  private final GuestState state;

  CallFunctions(GuestState state) {
    this.state = state;
  }

  int readArgument(GuestMemory memory, int[] a) {
    return memory.put(state.call().argument(a[0]), a[1], a[2]);
  }

  int emitToken(GuestMemory memory, int[] a) {
    if (state.call().isCancelled()) {
      return Errno.ECANCELED;
    }
    state.call().emitToken(a[0]);
    return 0;
  }

  int emitText(GuestMemory memory, int[] a) {
    memory.check(a[0], a[1]);
    if (a[1] > Call.MAX_OUTPUT) {
      return tooLong("len", Call.MAX_OUTPUT, a[1]);
    }
    String text = new String(memory.bytes(a[0], a[1]), StandardCharsets.UTF_8);
    if (state.call().isCancelled()) {
      return Errno.ECANCELED;
    }
    state.call().emit(text);
    return 0;
  }

  private int tooLong(String what, int most, int found) {
    return state.wrong(Errno.EMSGSIZE, "%s: expected at most %d, found %d", what, most, found);
  }

  /// `(kind, ptr, len)`.
  int emitEvent(GuestMemory memory, int[] a) {
    memory.check(a[1], a[2]);
    if (state.call().isCancelled()) {
      return Errno.ECANCELED;
    }
    if (a[2] > MAX_EVENT_BYTES) {
      return tooLong("len", MAX_EVENT_BYTES, a[2]);
    }
    state.call().emitEvent(a[0], memory.bytes(a[1], a[2]));
    return 0;
  }

  /// `(level, ptr, len)`.
  int log(GuestMemory memory, int[] a) {
    memory.check(a[1], a[2]);
    byte[] line = memory.bytes(a[1], Math.min(a[2], Call.LOG_LINE));
    return state.call().log(a[0], line, a[2]) ? 0 : Errno.EDQUOT;
  }

  /// Milliseconds since the call began, so that a guest learns no wall clock.
  int now(GuestMemory memory, int[] a) {
    long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - state.call().startedNanos());
    return (int) Math.min(Integer.MAX_VALUE, millis);
  }

  /// `(ptr, len)`.
  int random(GuestMemory memory, int[] a) {
    memory.check(a[0], a[1]);
    if (a[1] > MAX_RANDOM_BYTES) {
      return state.wrong(
          Errno.EINVAL, "len: expected at most %d, found %d", MAX_RANDOM_BYTES, a[1]);
    }
    byte[] bytes = new byte[a[1]];
    new SecureRandom().nextBytes(bytes);
    memory.put(bytes, a[0], bytes.length);
    return 0;
  }

  /// `(what)`.
  int budgetLeft(GuestMemory memory, int[] a) {
    long left =
        switch (a[0]) {
          case DEADLINE_MILLIS ->
              TimeUnit.NANOSECONDS.toMillis(
                  Math.max(0, state.call().deadlineNanos() - System.nanoTime()));
          case NEW_TOKENS -> state.call().newTokensLeft();
          case MEMORY_BYTES -> Math.max(0, state.memoryLeft(memory.size()));
          default ->
              state.wrong(Errno.EINVAL, "what: expected 0 to %d, found %d", MEMORY_BYTES, a[0]);
        };
    return (int) Math.min(Integer.MAX_VALUE, left);
  }

  // ---- what a realm keeps between calls
  // ------------------------------------------------------------

  /// `(key_ptr, key_len, out_ptr, cap)`.
  int getValue(GuestMemory memory, int[] a) {
    memory.check(a[0], a[1]);
    memory.check(a[2], a[3]);
    if (a[1] > HostFunctions.MAX_NAME_BYTES) {
      // No value has such a key.
      return Errno.ENOENT;
    }
    byte[] key = memory.bytes(a[0], a[1]);
    byte[] value = state.realm().store().get(storeKey(key));
    return value == null ? Errno.ENOENT : memory.put(value, a[2], a[3]);
  }

  /// A key byte by byte, whatever text it is.
  private static String storeKey(byte[] key) {
    return new String(key, StandardCharsets.ISO_8859_1);
  }

  /// `(key_ptr, key_len, ptr, len)`; an empty value removes the key.
  int putValue(GuestMemory memory, int[] a) {
    memory.check(a[0], a[1]);
    memory.check(a[2], a[3]);
    if (a[1] > HostFunctions.MAX_NAME_BYTES) {
      return state.wrong(
          Errno.EINVAL,
          "key_len: expected at most %d, found %d",
          HostFunctions.MAX_NAME_BYTES,
          a[1]);
    }
    if (a[3] > state.realm().limits().storeBytes()) {
      return storeExceeded();
    }
    byte[] key = memory.bytes(a[0], a[1]);
    byte[] value = memory.bytes(a[2], a[3]);
    return state.realm().store().put(storeKey(key), value) ? 0 : storeExceeded();
  }

  private int storeExceeded() {
    return state
        .call()
        .exceeded(
            "STORE_LIMIT",
            "at most " + state.realm().limits().storeBytes() + " bytes kept between calls");
  }

  // ---- tools
  // ---------------------------------------------------------------------------------------

  /// `(name_ptr, name_len, text_ptr, text_len)` → a blob. A tool's time is the host's.
  int callTool(GuestMemory memory, int[] a) {
    memory.check(a[0], a[1]);
    memory.check(a[2], a[3]);
    if (a[1] > HostFunctions.MAX_NAME_BYTES || a[3] > MAX_TOOL_BYTES) {
      return a[1] > HostFunctions.MAX_NAME_BYTES
          ? tooLong("name_len", HostFunctions.MAX_NAME_BYTES, a[1])
          : tooLong("text_len", MAX_TOOL_BYTES, a[3]);
    }
    String name = new String(memory.bytes(a[0], a[1]), StandardCharsets.UTF_8);
    UnaryOperator<String> tool = state.realm().tools().find(name);
    if (tool == null) {
      return Errno.ENOENT;
    }
    String text = new String(memory.bytes(a[2], a[3]), StandardCharsets.UTF_8);
    long cpuBefore = Call.threadCpuNanos();
    String answer = answer(name, tool, text);
    Call call = state.call();
    call.excuseSince(cpuBefore);
    if (call.isPastDeadline() || call.isCancelled()) {
      // A tool that swallowed the interrupt must not keep the guest going until the next one.
      Thread.currentThread().interrupt();
    }
    byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
    if (bytes.length > MAX_TOOL_BYTES) {
      return tooLong("the tool's answer", MAX_TOOL_BYTES, bytes.length);
    }
    return state.handle(new Blob(bytes));
  }

  /// What a tool answers. Its failure is not the guest's, whatever guests it called itself.
  private static String answer(String name, UnaryOperator<String> tool, String text) {
    try {
      return tool.apply(text);
    } catch (LimitException | UncheckedIOException e) {
      throw e;
    } catch (RuntimeException | StackOverflowError e) {
      if (e instanceof RealmException failed && failed.code().equals(TOOL_FAILED)) {
        // It says itself what was wrong.
        throw failed;
      }
      throw new GuestTrapException(TOOL_FAILED, "guest: the tool " + name + " failed", e);
    }
  }

  /// `(blob, offset, ptr, cap)`: bytes from the offset on.
  int readBlob(GuestMemory memory, int[] a) {
    Blob blob = state.handles().find(a[0], Blob.class);
    memory.check(a[2], a[3]);
    if (blob == null) {
      return state.unknown("blob", "blob", a[0]);
    }
    if (a[1] < 0 || a[1] > blob.bytes().length) {
      return state.wrong(
          Errno.EINVAL, "offset: expected 0 to %d, found %d", blob.bytes().length, a[1]);
    }
    int left = blob.bytes().length - a[1];
    int read = Math.min(left, a[3]);
    memory.put(Arrays.copyOfRange(blob.bytes(), a[1], a[1] + read), a[2], read);
    return left;
  }

  int freeBlob(GuestMemory memory, int[] a) {
    return state.free(a[0], Blob.class, "blob");
  }
}

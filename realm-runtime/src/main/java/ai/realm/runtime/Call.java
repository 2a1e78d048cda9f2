package ai.realm.runtime;

import ai.realm.error.RealmException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// One call into a guest: its arguments, its output, what it used and what refused it.
final class Call {
  static final int LOG_LINE = 1024;

  /// UTF-8 bytes of one argument, and of all together.
  static final int MAX_ARGUMENT_BYTES = 2 << 20;

  static final int MAX_ARGUMENTS_BYTES = 4 << 20;

  /// Text, tokens and events of one call: the host keeps the text until the call ends.
  static final int MAX_OUTPUT = 16 << 20;

  /// What each token, event and line of log counts besides its bytes, as there may be none.
  static final int RECORD_BYTES = 16;

  private final List<byte[]> arguments;
  private final GuestOutput output;
  private final Quota quota;
  private final Quota.Rates rates;
  private final UsageMeter meter;
  private final HostMemory hostMemory;
  private final CallText text;
  private final long startedNanos = System.nanoTime();
  private final long deadlineNanos;
  private final long cpuLimitNanos;
  private volatile boolean cancelled;
  private volatile @Nullable Thread thread;
  private volatile long excusedNanos;
  private volatile long elsewhereNanos;
  private volatile @Nullable LongSupplier elsewhere;
  private @Nullable RealmException refusal;
  private int refusalErrno;
  private String failedFunction = "";
  private int failedErrno;
  private @Nullable WrongArgument failedArgument;
  private @Nullable WrongArgument wrong;
  private int promptTokens;
  private int newTokens;
  private long firstTokenNanos;
  private long waitNanos;
  private long hostCalls;
  private final int logBytes;
  private int logLeft;
  private long outputLeft = MAX_OUTPUT;

  /// @param arguments as [#texts] gives them
  Call(List<byte[]> arguments, GuestOutput output, Realm realm) {
    this.arguments = arguments;
    this.output = output;
    this.hostMemory = realm.hostMemory().begun();
    this.text = new CallText(hostMemory);
    this.quota = realm.quota();
    this.rates = quota.rates();
    this.meter = realm.meter();
    GuestLimits limits = realm.limits().guest();
    this.deadlineNanos = startedNanos + limits.deadline().toNanos();
    this.cpuLimitNanos = limits.cpuTime().toNanos();
    this.logBytes = limits.logBytes();
    this.logLeft = logBytes;
  }

  /// Arguments as guests read them.
  ///
  /// @throws LimitException `ARGUMENT_LIMIT` when they are longer than any guest may get
  static List<byte[]> texts(Object... arguments) {
    List<byte[]> all = new ArrayList<>();
    long bytes = 0;
    for (Object argument : arguments) {
      String text = argument.toString();
      // No text is shorter in UTF-8: what is far too long is not copied.
      byte[] utf8 =
          text.length() > MAX_ARGUMENT_BYTES ? null : text.getBytes(StandardCharsets.UTF_8);
      bytes += utf8 == null ? text.length() : utf8.length;
      if (utf8 == null || utf8.length > MAX_ARGUMENT_BYTES || bytes > MAX_ARGUMENTS_BYTES) {
        throw new LimitException(
            "ARGUMENT_LIMIT",
            "call: at most %d bytes an argument and %d in all, found %d or more"
                .formatted(MAX_ARGUMENT_BYTES, MAX_ARGUMENTS_BYTES, bytes),
            0);
      }
      all.add(utf8);
    }
    return all;
  }

  /// UTF-8 bytes of an argument; empty where the call has none of that index.
  byte[] argument(int index) {
    return index >= 0 && index < arguments.size() ? arguments.get(index) : new byte[0];
  }

  long startedNanos() {
    return startedNanos;
  }

  long deadlineNanos() {
    return deadlineNanos;
  }

  long cpuLimitNanos() {
    return cpuLimitNanos;
  }

  boolean isPastDeadline() {
    return System.nanoTime() - deadlineNanos >= 0;
  }

  void cancel() {
    cancelled = true;
  }

  void runsOn(Thread next) {
    thread = next;
  }

  /// Interrupts the guest where it is.
  void interrupt() {
    Thread present = thread;
    if (present != null) {
      present.interrupt();
    }
  }

  boolean isCancelled() {
    return cancelled;
  }

  /// Counts a host function's call.
  ///
  /// @throws GuestTrapException `HOST_CALL_RATE`
  void countHostCall() {
    hostCalls++;
    rates.hostCall();
  }

  void emit(String piece) {
    if (!piece.isEmpty()) {
      byte[] utf8 = piece.getBytes(StandardCharsets.UTF_8);
      takeOutput(utf8.length);
      if (!text.append(utf8)) {
        LimitException refusal = hostMemory.refusal();
        throw new GuestTrapException(refusal.code(), String.valueOf(refusal.getMessage()));
      }
      output.text(piece);
    }
  }

  void emitToken(int token) {
    takeOutput(RECORD_BYTES);
    output.token(token);
  }

  void emitEvent(int kind, byte[] data) {
    takeOutput(RECORD_BYTES + data.length);
    output.event(kind, data);
  }

  private void takeOutput(int bytes) {
    outputLeft -= bytes;
    if (outputLeft < 0) {
      throw new GuestTrapException(
          "OUTPUT_LIMIT", "guest: at most %d bytes of output a call".formatted(MAX_OUTPUT));
    }
  }

  /// Logs a line, cut and without control characters. Returns false when the call has logged enough.
  ///
  /// @param utf8 the line's first bytes, at most [#LOG_LINE]
  /// @param length of the whole line
  boolean log(int level, byte[] utf8, int length) {
    meter.logBytes.add(length);
    int most = Math.min(LOG_LINE, logLeft - RECORD_BYTES);
    if (most < 0 || most == 0 && length > 0) {
      if (refusal == null) {
        // A guest that logs what refused it must not hide that.
        exceeded("LOG_LIMIT", "at most " + logBytes + " bytes of log a call");
      }
      return false;
    }
    int kept = Math.min(utf8.length, most);
    logLeft -= RECORD_BYTES + kept;
    StringBuilder line = new StringBuilder(kept);
    new String(utf8, 0, kept, StandardCharsets.UTF_8)
        .codePoints()
        .forEach(c -> line.appendCodePoint(Character.isISOControl(c) ? '\ufffd' : c));
    output.log(level, line.toString());
    return true;
  }

  /// Takes what a step feeds and samples from the tenant's quota; false where a limit is reached, which
  /// then is the call's [#refusal].
  ///
  /// @param prompt tokens that it feeds and that were not sampled
  boolean admitStep(int prompt, int sampled) {
    LimitException refused = rates.takeTokens(prompt, sampled);
    if (refused != null) {
      refuse(Errno.EDQUOT, refused);
    }
    return refused == null;
  }

  /// Gives back what [#admitStep] took for a step that the engine did not take.
  void returnStep(int prompt, int sampled) {
    rates.giveTokensBack(prompt, sampled);
  }

  /// Tokens that it may sample now.
  long newTokensLeft() {
    return rates.newTokensLeft();
  }

  /// Counts a step that the engine took; what it feeds counts whatever becomes of it.
  void countStep(int prompt, int sampled) {
    meter.steps.increment();
    promptTokens += prompt;
    meter.promptTokens.add(prompt);
    meter.newTokens.add(sampled);
  }

  /// Gives back tokens that a step was to sample and did not, because it failed.
  void returnSampled(int tokens) {
    rates.giveTokensBack(0, tokens);
    meter.newTokens.add(-tokens);
  }

  /// Counts time that a step waited for the engine.
  void countWait(long nanos) {
    waitNanos += nanos;
  }

  /// CPU time of the thread that asks, which is a guest's.
  static long threadCpuNanos() {
    return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
  }

  /// What the guest's thread has used since then was for the host. Time that it slept is none: who waits
  /// earns nothing.
  ///
  /// @param cpuBefore what [#threadCpuNanos] said
  void excuseSince(long cpuBefore) {
    excuse(threadCpuNanos() - cpuBefore);
  }

  /// CPU time that the guest's thread spent for the host.
  @SuppressWarnings(
      "NonAtomicVolatileUpdate") // Written by the guest's thread, read by the watchdog.
  void excuse(long nanos) {
    excusedNanos += nanos;
  }

  /// Says where to ask for CPU time that the guest uses on another thread than the call's; null for
  /// nowhere any more. What was used there stays counted.
  @SuppressWarnings(
      "NonAtomicVolatileUpdate") // Written by the guest's thread, read by the watchdog.
  void watchElsewhere(@Nullable LongSupplier cpuNanos) {
    LongSupplier before = elsewhere;
    // In this order: for a moment the watchdog may see too little, never too much.
    elsewhere = null;
    elsewhereNanos += before == null ? 0 : Math.max(0, before.getAsLong());
    elsewhere = cpuNanos;
  }

  /// CPU time of the guest itself.
  ///
  /// @param threadNanos of the call's thread
  long guestCpuNanos(long threadNanos) {
    LongSupplier other = elsewhere;
    long now = other == null ? 0 : Math.max(0, other.getAsLong());
    return Math.max(0, threadNanos + elsewhereNanos + now - excusedNanos);
  }

  /// See [Quota#chargeCpuAtEnd].
  void chargeCpuAtEnd(long nanos) {
    quota.chargeCpuAtEnd(nanos);
  }

  /// Counts a token of the answer: what ends it is none.
  void countAnswered() {
    if (firstTokenNanos == 0) {
      firstTokenNanos = System.nanoTime() - startedNanos;
    }
    newTokens++;
  }

  /// Remembers why the host said no, for the caller: a guest only sees a number.
  void refuse(int errno, RealmException reason) {
    refusalErrno = errno;
    refusal = reason;
  }

  /// Remembers which argument the host function in progress refuses, for whoever calls a guest that hands the
  /// error on. Unlike [#refuse] it changes nothing about how the call ends.
  ///
  /// @param format argument, what is expected and what was found
  /// @param values see [WrongArgument]
  /// @return the error
  int wrong(int errno, String format, Object... values) {
    wrong = new WrongArgument(format, values);
    return errno;
  }

  /// A host function said no.
  void failed(String function, int errno) {
    failedFunction = function;
    failedErrno = errno;
    failedArgument = wrong;
    wrong = null;
  }

  private String error(long value) {
    if (value >= 0) {
      return "";
    }
    if ((int) value != failedErrno) {
      return Errno.describe(value);
    }
    WrongArgument argument = failedArgument;
    return failedFunction + ": " + (argument == null ? Errno.describe(value) : argument.describe());
  }

  /// A limit that no time mends is reached: remembers it and returns `EDQUOT`.
  int exceeded(String code, String what) {
    refuse(Errno.EDQUOT, quota.exceeded(code, what, 0));
    return Errno.EDQUOT;
  }

  /// The last reason why the host said no, where the guest's result hands its number on; else null.
  @Nullable RealmException refusal(long result) {
    return (int) result == refusalErrno ? refusal : null;
  }

  /// Writes what is counted once per call.
  void finish() {
    meter.hostCalls.add(hostCalls);
    meter.guestNanos.add(System.nanoTime() - startedNanos - waitNanos);
    meter.textBytes.add(text.length());
    text.close();
  }

  CallResult result(long value) {
    return new CallResult(
        value,
        error(value),
        text.toString(),
        promptTokens,
        newTokens,
        firstTokenNanos,
        System.nanoTime() - startedNanos,
        waitNanos);
  }
}

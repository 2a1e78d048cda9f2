package ai.realm.engine.grammar;

import java.lang.management.ManagementFactory;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// What one compilation has left of its [GrammarLimits]. Used by one thread; an interrupt of it ends the
/// compilation and stays set.
final class Budget {
  /// Units of work between two looks at the clock.
  private static final int LOOK = 4096;

  /// Bytes of machines under construction for each byte of the automaton.
  private static final int WORKING = 4;

  private final GrammarLimits limits;
  private final LongSupplier nanoClock;
  private final LongSupplier cpuClock;
  private final long beganNanos;
  private final long cpuBefore;
  private int states;
  private long bytes;
  private long work;
  private long nextLook = LOOK;
  private @Nullable String place;

  Budget(GrammarLimits limits) {
    this(limits, System::nanoTime, ManagementFactory.getThreadMXBean()::getCurrentThreadCpuTime);
  }

  /// @param nanoClock nanoseconds that pass
  /// @param cpuClock nanoseconds that this thread has computed; negative where that is not known, as of
  ///     virtual threads
  Budget(GrammarLimits limits, LongSupplier nanoClock, LongSupplier cpuClock) {
    this.limits = limits;
    this.nanoClock = nanoClock;
    this.cpuClock = cpuClock;
    this.beganNanos = nanoClock.getAsLong();
    this.cpuBefore = cpuClock.getAsLong();
  }

  /// Moves to a place of a schema, for errors; gives the one before, to go back to.
  @Nullable String at(@Nullable String next) {
    String before = place;
    place = next;
    return before;
  }

  @Nullable String place() {
    return place;
  }

  /// Where the compilation stands, as errors begin.
  String where() {
    String here = place;
    return here == null ? "grammar" : where(here);
  }

  /// A place of a schema as errors begin; the root is called `/`.
  static String where(String place) {
    return "schema " + (place.isEmpty() ? "/" : place);
  }

  GrammarLimits limits() {
    return limits;
  }

  void source(String text) {
    if (text.length() > limits.maxSourceChars()) {
      throw GrammarException.limit(
          "%s: expected at most %d characters, found %d"
              .formatted(where(), limits.maxSourceChars(), text.length()));
    }
  }

  void depth(int depth) {
    if (depth > limits.maxDepth()) {
      throw GrammarException.limit(
          "%s: expected at most %d nested levels".formatted(where(), limits.maxDepth()));
    }
  }

  void rules(int count) {
    if (count > limits.maxRules()) {
      throw GrammarException.limit(
          "%s: expected at most %d rules".formatted(where(), limits.maxRules()));
    }
    time();
  }

  void states(int added) {
    states += added;
    if (states > limits.maxStates()) {
      throw GrammarException.limit(
          "%s: expected at most %d states".formatted(where(), limits.maxStates()));
    }
    if ((states & 63) == 0) {
      time();
    }
  }

  /// Takes bytes of machines under construction; negative ones are given back.
  void bytes(long added) {
    bytes += added;
    if (bytes > WORKING * limits.maxBytes()) {
      throw GrammarException.limit(
          "%s: expected to compile within %d bytes"
              .formatted(where(), WORKING * limits.maxBytes()));
    }
  }

  /// Checks the size of the finished automaton.
  void automaton(long size) {
    if (size > limits.maxBytes()) {
      throw GrammarException.limit(
          "grammar: expected an automaton of at most %d bytes, found %d"
              .formatted(limits.maxBytes(), size));
    }
  }

  /// Counts steps of a computation that no other count bounds.
  void work(long steps) {
    work += steps;
    if (work >= nextLook) {
      nextLook = work + LOOK;
      time();
    }
  }

  /// Steps that were counted.
  long work() {
    return work;
  }

  void time() {
    if (usedNanos() > limits.maxMillis() * 1_000_000) {
      throw GrammarException.limit(
          "%s: expected to compile within %d ms".formatted(where(), limits.maxMillis()));
    }
    if (Thread.currentThread().isInterrupted()) {
      throw GrammarException.limit("grammar: interrupted before it was compiled");
    }
  }

  /// CPU time, or at least no less. A thread computes no longer than time passes, so the dearer clock is
  /// read only where the other one would not do.
  private long usedNanos() {
    long passed = nanoClock.getAsLong() - beganNanos;
    if (cpuBefore < 0 || passed <= limits.maxMillis() * 1_000_000) {
      return passed;
    }
    return cpuClock.getAsLong() - cpuBefore;
  }
}

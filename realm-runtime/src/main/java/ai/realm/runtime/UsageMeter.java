package ai.realm.runtime;

import java.util.concurrent.atomic.LongAdder;

/// Counts what a tenant uses. Every count is exact; a snapshot taken while calls run may lie between two
/// counts of one call.
final class UsageMeter {
  final LongAdder calls = new LongAdder();
  final LongAdder refused = new LongAdder();
  final LongAdder failed = new LongAdder();
  final LongAdder promptTokens = new LongAdder();
  final LongAdder newTokens = new LongAdder();
  final LongAdder steps = new LongAdder();
  final LongAdder hostCalls = new LongAdder();
  final LongAdder guestNanos = new LongAdder();
  final LongAdder cpuNanos = new LongAdder();
  final LongAdder textBytes = new LongAdder();
  final LongAdder logBytes = new LongAdder();

  /// A call that began is refused after all.
  void refusedAfterItBegan() {
    calls.decrement();
    refused.increment();
  }

  Usage usage() {
    return new Usage(
        calls.sum(),
        refused.sum(),
        failed.sum(),
        promptTokens.sum(),
        newTokens.sum(),
        steps.sum(),
        hostCalls.sum(),
        guestNanos.sum(),
        cpuNanos.sum(),
        textBytes.sum(),
        logBytes.sum());
  }
}

package ai.realm.runtime;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// What is left of a tenant's limits. Safe for many threads.
final class Quota {
  private final TenantId tenant;
  private final ResourceLimits limits;
  private final UsageMeter meter;
  private final TokenBucket requests;
  private final TokenBucket promptTokens;
  private final TokenBucket newTokens;
  private final TokenBucket cpuNanos;
  private final TokenBucket hostCalls;
  private final AtomicInteger running = new AtomicInteger();

  Quota(TenantId tenant, ResourceLimits limits, UsageMeter meter, LongSupplier nanoClock) {
    this.tenant = tenant;
    this.limits = limits;
    this.meter = meter;
    requests = new TokenBucket(limits.requestsPerSecond(), TimeUnit.SECONDS, nanoClock);
    promptTokens = new TokenBucket(limits.promptTokensPerMinute(), TimeUnit.MINUTES, nanoClock);
    newTokens = new TokenBucket(limits.newTokensPerMinute(), TimeUnit.MINUTES, nanoClock);
    cpuNanos =
        new TokenBucket(
            TimeUnit.MILLISECONDS.toNanos(limits.cpuMillisPerSecond()),
            TimeUnit.SECONDS,
            nanoClock);
    hostCalls = new TokenBucket(limits.hostCallsPerSecond(), TimeUnit.SECONDS, nanoClock);
  }

  /// Admits a call, which [#end] must end.
  ///
  /// @throws LimitException `TOO_MANY_CALLS`, `CPU_RATE` or `REQUEST_RATE`
  void begin() {
    if (running.incrementAndGet() > limits.maxConcurrentCalls()) {
      running.decrementAndGet();
      throw refused(
          "TOO_MANY_CALLS", "at most " + limits.maxConcurrentCalls() + " calls at once", 0);
    }
    long wait = cpuNanos.debtNanos();
    if (wait > 0) {
      running.decrementAndGet();
      throw refused(
          "CPU_RATE",
          "at most " + limits.cpuMillisPerSecond() + " ms of guests' CPU time a second",
          wait);
    }
    wait = requests.take(1);
    if (wait > 0) {
      running.decrementAndGet();
      throw refused(
          "REQUEST_RATE", "at most " + limits.requestsPerSecond() + " requests a second", wait);
    }
    meter.calls.increment();
  }

  private LimitException refused(String code, String what, long retryAfterNanos) {
    meter.refused.increment();
    return exceeded(code, what, retryAfterNanos);
  }

  /// A limit of the tenant is reached.
  ///
  /// @param retryAfterNanos as a bucket says: `Long.MAX_VALUE` where no wait helps
  LimitException exceeded(String code, String what, long retryAfterNanos) {
    return new LimitException(
        code, tenant + ": " + what, retryAfterNanos == Long.MAX_VALUE ? 0 : retryAfterNanos);
  }

  void end() {
    running.decrementAndGet();
  }

  int running() {
    return running.get();
  }

  /// Takes tokens to be fed and sampled, or returns why not.
  @Nullable LimitException takeTokens(long prompt, long sampled) {
    long wait = prompt == 0 ? 0 : promptTokens.take(prompt);
    if (wait > 0) {
      return exceeded(
          "PROMPT_TOKEN_RATE",
          "at most " + limits.promptTokensPerMinute() + " prompt tokens a minute",
          wait);
    }
    wait = sampled == 0 ? 0 : newTokens.take(sampled);
    if (wait > 0) {
      promptTokens.giveBack(prompt);
      return exceeded(
          "NEW_TOKEN_RATE",
          "at most " + limits.newTokensPerMinute() + " new tokens a minute",
          wait);
    }
    return null;
  }

  /// Gives back what [#takeTokens] took for a step that the engine did not take.
  void giveTokensBack(long prompt, long sampled) {
    promptTokens.giveBack(prompt);
    newTokens.giveBack(sampled);
  }

  /// Counts a call of a host function.
  ///
  /// @throws GuestTrapException `HOST_CALL_RATE`
  void hostCall() {
    if (hostCalls.take(1) > 0) {
      throw new GuestTrapException(
          "HOST_CALL_RATE",
          tenant + ": at most " + limits.hostCallsPerSecond() + " host calls a second");
    }
  }

  /// Accounts for CPU time that a guest has used. What exceeds the limit is a debt: until it is paid off no
  /// call begins. Returns whether there is none.
  boolean chargeCpu(long nanos) {
    meter.cpuNanos.add(nanos);
    cpuNanos.charge(nanos);
    return cpuNanos.debtNanos() == 0;
  }

  boolean limitsCpuRate() {
    return limits.cpuMillisPerSecond() != Long.MAX_VALUE;
  }

  long newTokensLeft() {
    return newTokens.left();
  }
}

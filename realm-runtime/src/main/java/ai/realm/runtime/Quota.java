package ai.realm.runtime;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/// What is left of a tenant's limits, which may change. Safe for many threads.
final class Quota {
  /// A call's part in the mean of how long calls took.
  private static final int MEAN_OF = 8;

  private final TenantId tenant;
  private final UsageMeter meter;
  private final AtomicInteger running = new AtomicInteger();
  private final AtomicLong atEndNanos = new AtomicLong();
  private final LongSupplier nanoClock;
  private final AtomicLong meanNanos = new AtomicLong();
  private volatile Rates rates;

  Quota(TenantId tenant, ResourceLimits limits, UsageMeter meter, LongSupplier nanoClock) {
    this.tenant = tenant;
    this.meter = meter;
    this.nanoClock = nanoClock;
    this.rates = new Rates(limits, nanoClock);
  }

  /// Goes on with other limits, of which what was used is used. One at a time.
  void update(ResourceLimits limits) {
    rates = new Rates(limits, rates);
  }

  /// The rates that a call which begins now has until its end.
  Rates rates() {
    return rates;
  }

  /// Admits a call, which [#end] must end.
  ///
  /// @return when it began
  /// @throws LimitException `TOO_MANY_CALLS`, `CPU_RATE` or `REQUEST_RATE`
  long begin() {
    Rates now = rates;
    int most = now.limits.maxConcurrentCalls();
    if (running.incrementAndGet() > most) {
      running.decrementAndGet();
      throw refused("TOO_MANY_CALLS", "at most " + most + " calls at once", meanNanos.get() / most);
    }
    long wait = now.cpuNanos.debtNanos();
    if (wait > 0) {
      running.decrementAndGet();
      throw refused(
          "CPU_RATE",
          "at most " + now.limits.cpuMillisPerSecond() + " ms of guests' CPU time a second",
          wait);
    }
    wait = now.requests.take(1);
    if (wait > 0) {
      running.decrementAndGet();
      throw refused(
          "REQUEST_RATE", "at most " + now.limits.requestsPerSecond() + " requests a second", wait);
    }
    meter.calls.increment();
    return nanoClock.getAsLong();
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

  /// A call that was given up goes on, beside those that were admitted, until it has to [#leave].
  void enter() {
    running.incrementAndGet();
  }

  void leave() {
    running.decrementAndGet();
  }

  /// @param begunNanos what [#begin] returned
  void end(long begunNanos) {
    running.decrementAndGet();
    long took = Math.max(1, nanoClock.getAsLong() - begunNanos);
    meanNanos.updateAndGet(mean -> mean == 0 ? took : mean + (took - mean) / MEAN_OF);
    long nanos = atEndNanos.getAndSet(0);
    if (nanos > 0) {
      rates.chargeCpu(nanos);
    }
  }

  /// Accounts for CPU time that was spent so that a guest can run at all, once a call is over: it ends none
  /// itself, but is a debt that no call begins in.
  ///
  /// @param nanos none where negative
  void chargeCpuAtEnd(long nanos) {
    atEndNanos.addAndGet(Math.max(0, nanos));
  }

  int running() {
    return running.get();
  }

  /// The buckets of one set of limits. A call keeps those that it began with: where a rate was lowered it goes on
  /// with the one before, where it was raised it has that ([TokenBucket]).
  final class Rates {
    private final ResourceLimits limits;
    private final TokenBucket requests;
    private final TokenBucket promptTokens;
    private final TokenBucket newTokens;
    private final TokenBucket cpuNanos;
    private final TokenBucket hostCalls;

    private Rates(ResourceLimits limits, LongSupplier nanoClock) {
      this.limits = limits;
      requests = new TokenBucket(limits.requestsPerSecond(), TimeUnit.SECONDS, nanoClock);
      promptTokens = new TokenBucket(limits.promptTokensPerMinute(), TimeUnit.MINUTES, nanoClock);
      newTokens = new TokenBucket(limits.newTokensPerMinute(), TimeUnit.MINUTES, nanoClock);
      cpuNanos = new TokenBucket(cpuNanosPerSecond(limits), TimeUnit.SECONDS, nanoClock);
      hostCalls = new TokenBucket(limits.hostCallsPerSecond(), TimeUnit.SECONDS, nanoClock);
    }

    private Rates(ResourceLimits limits, Rates before) {
      this.limits = limits;
      requests = before.requests.withCapacity(limits.requestsPerSecond());
      promptTokens = before.promptTokens.withCapacity(limits.promptTokensPerMinute());
      newTokens = before.newTokens.withCapacity(limits.newTokensPerMinute());
      cpuNanos = before.cpuNanos.withCapacity(cpuNanosPerSecond(limits));
      hostCalls = before.hostCalls.withCapacity(limits.hostCallsPerSecond());
    }

    private static long cpuNanosPerSecond(ResourceLimits limits) {
      return TimeUnit.MILLISECONDS.toNanos(limits.cpuMillisPerSecond());
    }

    /// Takes tokens to be fed and sampled, or returns why not.
    @Nullable LimitException takeTokens(long prompt, long sampled) {
      long wait = prompt == 0 ? 0 : promptTokens.take(prompt);
      if (wait > 0) {
        return exceeded(
            "PROMPT_TOKEN_RATE",
            "at most %d prompt tokens a minute"
                .formatted(most(ResourceLimits::promptTokensPerMinute)),
            wait);
      }
      wait = sampled == 0 ? 0 : newTokens.take(sampled);
      if (wait > 0) {
        promptTokens.giveBack(prompt);
        return exceeded(
            "NEW_TOKEN_RATE",
            "at most %d new tokens a minute".formatted(most(ResourceLimits::newTokensPerMinute)),
            wait);
      }
      return null;
    }

    /// What holds for a call that has these rates: the larger of them and the newest.
    private long most(ToLongFunction<ResourceLimits> rate) {
      return Math.max(rate.applyAsLong(limits), rate.applyAsLong(rates.limits));
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
            "%s: at most %d host calls a second"
                .formatted(tenant, most(ResourceLimits::hostCallsPerSecond)));
      }
    }

    /// Accounts for CPU time that a guest has used. What exceeds the limit is a debt: until it is paid off no
    /// call begins. Returns whether there is none.
    boolean chargeCpu(long nanos) {
      meter.cpuNanos.add(nanos);
      cpuNanos.charge(nanos);
      return cpuNanos.debtNanos() == 0;
    }

    boolean limitsCpu() {
      return most(ResourceLimits::cpuMillisPerSecond) != Long.MAX_VALUE;
    }

    long newTokensLeft() {
      return newTokens.left();
    }
  }
}

package ai.realm.runtime;

/// What a tenant has used since its realm was made, exactly. Tokens are what its quotas were charged: a step
/// counts when the engine takes it, and what it was to sample and did not, because it failed, is taken back.
///
/// @param calls calls that began
/// @param refused calls that a limit or the circuit breaker refused before they began: none of `calls`
/// @param failed calls that ended with an error, also where the default guest stood in; each counts once
/// @param promptTokens tokens fed, those of a prefix cache included, but for those that the sequence itself
///     had just sampled
/// @param newTokens tokens sampled, those that end a generation included
/// @param steps forward steps asked for, each sequence counted
/// @param hostCalls calls of host functions
/// @param guestNanos time of calls outside the engine
/// @param cpuNanos CPU time of guests, of host functions' work for them included, and of starting their worker
///     and compiling them again after it was lost
/// @param textBytes UTF-8 bytes emitted
/// @param logBytes UTF-8 bytes logged, what was cut included
public record Usage(
    long calls,
    long refused,
    long failed,
    long promptTokens,
    long newTokens,
    long steps,
    long hostCalls,
    long guestNanos,
    long cpuNanos,
    long textBytes,
    long logBytes) {}

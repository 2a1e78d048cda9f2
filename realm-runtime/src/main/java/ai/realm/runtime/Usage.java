package ai.realm.runtime;

/// What a tenant has used since its realm was made, exactly.
///
/// @param calls calls that began
/// @param refused calls that a limit or the circuit breaker refused before they began
/// @param failed calls that trapped, or that a limit ended
/// @param promptTokens tokens fed in prompts, those of a prefix cache included
/// @param newTokens tokens sampled
/// @param steps forward steps asked for, each sequence counted
/// @param hostCalls calls of host functions
/// @param guestNanos time of calls outside the engine
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
    long textBytes,
    long logBytes) {}

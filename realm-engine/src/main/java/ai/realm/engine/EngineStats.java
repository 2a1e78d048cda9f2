package ai.realm.engine;

/// What an engine has done and holds, at one moment.
///
/// @param steps forward steps
/// @param rows rows computed in them, recomputed ones included
/// @param outputs rows whose logits were sampled
/// @param preemptions sequences whose blocks were taken
/// @param prefixBlocks blocks found in a prefix cache instead of being computed
/// @param queued requests that wait or are in a step
/// @param tenants that are registered
/// @param openSequences sequences that are open
/// @param freeBlocks KV blocks that nobody holds
/// @param cachedBlocks KV blocks that only prefix caches hold, or that they share with sequences
/// @param publishedBlocks KV blocks of published prefixes
/// @param blocks all KV blocks
public record EngineStats(
    long steps,
    long rows,
    long outputs,
    long preemptions,
    long prefixBlocks,
    int queued,
    int tenants,
    int openSequences,
    int freeBlocks,
    int cachedBlocks,
    int publishedBlocks,
    int blocks) {}

package ai.realm.runtime;

/// What a [Memory64Manager] holds and has done.
///
/// @param residentBytes bytes of layers that are in memory
/// @param layers number of layers, resident or not
/// @param hits reads that found their layer in memory
/// @param misses reads that fetched it from the backing file
/// @param evictions layers that left memory for others
/// @param capacityBytes the most bytes that may be resident
public record Memory64Stats(
    long residentBytes, long layers, long hits, long misses, long evictions, long capacityBytes) {}

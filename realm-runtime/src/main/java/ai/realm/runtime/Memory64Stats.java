package ai.realm.runtime;

/// What one owner's layers in a [Memory64Manager] are and have done, whatever others do.
///
/// @param residentBytes bytes of the layers that count as in memory: those used last within the owner's share
/// @param layers number of layers, resident or not
/// @param hits reads of a resident layer
/// @param misses reads of another one
/// @param evictions layers that left memory for others
/// @param capacityBytes the owner's share: the most of its bytes that may be resident
public record Memory64Stats(
    long residentBytes, long layers, long hits, long misses, long evictions, long capacityBytes) {}

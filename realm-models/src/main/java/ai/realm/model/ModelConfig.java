package ai.realm.model;

/// What a model file's metadata says of its architecture.
///
/// @param architecture `general.architecture`
/// @param vocabularySize number of tokens: rows of the output matrix
/// @param contextLength the most positions of a sequence
public record ModelConfig(String architecture, int vocabularySize, int contextLength) {}

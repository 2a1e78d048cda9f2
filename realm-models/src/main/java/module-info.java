/// Architectures: a batch of tokens in, logits out.
module ai.realm.models {
  requires transitive ai.realm.core;

  exports ai.realm.model;
}

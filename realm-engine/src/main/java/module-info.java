/// Sequences of all realms in one forward step: scheduler, KV blocks, sampling.
module ai.realm.engine {
  requires transitive ai.realm.core;
  requires transitive ai.realm.models;
  requires java.management;

  exports ai.realm.engine;
  exports ai.realm.engine.grammar;
  exports ai.realm.engine.sampling;
}

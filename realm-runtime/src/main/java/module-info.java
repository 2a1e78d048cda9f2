/// Realms: guests with their host functions and limits, and 64-bit host memory for them.
module ai.realm.runtime {
  requires transitive ai.realm.core;
  requires transitive ai.realm.models;
  requires transitive ai.realm.engine;
  requires run.endive.runtime;
  requires run.endive.wasm;
  requires run.endive.compiler;
  requires java.management;

  exports ai.realm.runtime;

  uses run.endive.runtime.CompiledModule;
}

/// CPU backends: naive, vector, native.
module ai.realm.compute.cpu {
  requires transitive ai.realm.core;
  requires jdk.incubator.vector;

  provides ai.realm.compute.BackendProvider with
      ai.realm.compute.cpu.NativeBackendProvider,
      ai.realm.compute.cpu.VectorBackendProvider,
      ai.realm.compute.cpu.NaiveBackendProvider;
}

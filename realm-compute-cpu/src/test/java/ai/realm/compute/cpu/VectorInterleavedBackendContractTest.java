package ai.realm.compute.cpu;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.testing.compute.BackendContract;

/// The vector kernels on weights that are brought into memory of our own, whatever the size.
class VectorInterleavedBackendContractTest extends BackendContract {
  @Override
  protected Backend open() {
    return new VectorBackend(new BackendOptions(3, false), false, true);
  }
}

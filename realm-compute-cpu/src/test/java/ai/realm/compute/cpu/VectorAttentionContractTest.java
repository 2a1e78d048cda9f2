package ai.realm.compute.cpu;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.testing.compute.AttentionContract;

/// The vector kernels, whatever the size.
class VectorAttentionContractTest extends AttentionContract {
  @Override
  protected Backend open() {
    return new VectorBackend(new BackendOptions(3, false), false, false);
  }
}

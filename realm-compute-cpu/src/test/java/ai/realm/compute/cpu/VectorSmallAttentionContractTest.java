package ai.realm.compute.cpu;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.testing.compute.AttentionContract;

/// The vector backend as it is opened: small work in plain loops.
class VectorSmallAttentionContractTest extends AttentionContract {
  @Override
  protected Backend open() {
    return new VectorBackend(new BackendOptions(3, false));
  }
}

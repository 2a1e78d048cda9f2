package ai.realm.compute.cpu;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.testing.compute.BatchInvarianceContract;

class VectorBatchInvarianceTest extends BatchInvarianceContract {
  @Override
  protected Backend open() {
    return new VectorBackend(new BackendOptions(3, true).withBatchInvariance(true));
  }
}

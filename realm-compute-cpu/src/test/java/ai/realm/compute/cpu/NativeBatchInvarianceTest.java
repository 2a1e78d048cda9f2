package ai.realm.compute.cpu;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.testing.compute.BatchInvarianceContract;

class NativeBatchInvarianceTest extends BatchInvarianceContract {
  @Override
  protected Backend open() {
    return new NativeBackend(
        NativeVariants.loaded().kernels(), new BackendOptions(3, true).withBatchInvariance(true));
  }
}

package ai.realm.compute.cpu;

import ai.realm.compute.Backend;
import ai.realm.testing.compute.BackendContract;

class NaiveBackendContractTest extends BackendContract {
  @Override
  protected Backend open() {
    return new NaiveBackend();
  }
}

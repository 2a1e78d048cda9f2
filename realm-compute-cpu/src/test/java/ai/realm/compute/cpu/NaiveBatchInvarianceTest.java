package ai.realm.compute.cpu;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.testing.compute.BatchInvarianceContract;

class NaiveBatchInvarianceTest extends BatchInvarianceContract {
  @Override
  protected Backend open() {
    return new NaiveBackendProvider().open(BackendOptions.DEFAULT);
  }
}

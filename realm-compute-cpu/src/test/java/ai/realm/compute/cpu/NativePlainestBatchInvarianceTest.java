package ai.realm.compute.cpu;

import ai.realm.compute.Backend;
import ai.realm.testing.compute.BatchInvarianceContract;

class NativePlainestBatchInvarianceTest extends BatchInvarianceContract {
  @Override
  protected Backend open() {
    return NativeVariants.plainest();
  }
}

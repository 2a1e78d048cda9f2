package ai.realm.compute.cpu;

import ai.realm.compute.Backend;
import ai.realm.tensor.GgmlType;
import ai.realm.testing.compute.BackendContract;

class NativePlainestBackendContractTest extends BackendContract {
  @Override
  protected Backend open() {
    return NativeVariants.plainest();
  }

  @Override
  protected double matmulTolerance(GgmlType type) {
    return NativeVariants.tolerance(type);
  }
}

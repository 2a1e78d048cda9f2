package ai.realm.compute.cpu;

import ai.realm.compute.Backend;
import ai.realm.tensor.GgmlType;
import ai.realm.testing.compute.BackendContract;

class NativeBackendContractTest extends BackendContract {
  @Override
  protected Backend open() {
    return NativeVariants.best();
  }

  @Override
  protected double matmulTolerance(GgmlType type) {
    return NativeVariants.tolerance(type);
  }
}

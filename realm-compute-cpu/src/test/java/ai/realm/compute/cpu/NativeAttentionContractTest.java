package ai.realm.compute.cpu;

import ai.realm.compute.Backend;
import ai.realm.testing.compute.AttentionContract;

class NativeAttentionContractTest extends AttentionContract {
  @Override
  protected Backend open() {
    return NativeVariants.best();
  }
}

package ai.realm.compute.cpu;

import ai.realm.tensor.GgmlType;

/// Types that are unpacked into panels, for decode as for prefill: they have no kernel along rows.
abstract class VectorUnpacked extends VectorDequantized {
  VectorUnpacked(GgmlType type) {
    super(type);
  }

  @Override
  boolean isFast() {
    return true;
  }

  @Override
  boolean readsRows() {
    return false;
  }
}

package ai.realm.engine;

import ai.realm.compute.KvStore;
import java.util.Arrays;

/// Which KV blocks are free and how many hold each of the others: sequences, their forks, and the
/// prefix cache share blocks by counting. A block that changes tenants is zeroed first. Guarded by the
/// engine's lock.
final class BlockPool {
  private final KvStore store;
  private final int[] free;
  private final int[] references;
  private final long[] lastTenant;
  private int freeCount;
  private long releases;

  BlockPool(KvStore store) {
    this.store = store;
    int n = store.blocks();
    free = new int[n];
    for (int i = 0; i < n; i++) {
      free[i] = n - 1 - i;
    }
    freeCount = n;
    references = new int[n];
    lastTenant = new long[n];
    Arrays.fill(lastTenant, -1);
  }

  int blocks() {
    return free.length;
  }

  int freeBlocks() {
    return freeCount;
  }

  /// Takes a free block, held once, or returns −1 when there is none.
  int allocate(long tenant) {
    if (freeCount == 0) {
      return -1;
    }
    int block = free[--freeCount];
    if (lastTenant[block] != tenant) {
      if (lastTenant[block] >= 0) {
        store.clearBlock(block);
      }
      lastTenant[block] = tenant;
    }
    references[block] = 1;
    return block;
  }

  void retain(int block) {
    references[block]++;
  }

  void release(int block) {
    if (references[block] <= 0) {
      throw new IllegalStateException("KV block " + block + " released more often than held");
    }
    releases++;
    if (--references[block] == 0) {
      free[freeCount++] = block;
    }
  }

  /// How often a block was given back so far, by one of those that had it.
  long releases() {
    return releases;
  }

  boolean isShared(int block) {
    return references[block] > 1;
  }
}

package ai.realm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.KvLayout;
import ai.realm.compute.KvType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

final class PrefixCacheTest {
  private static final int BLOCK = 4;

  private final BlockPool pool =
      new BlockPool(new FakeModel.FakeKv(new KvLayout(1, 1, 1, 1, BLOCK, KvType.F32), 20_000));
  private final PrefixCache cache = new PrefixCache(pool, BLOCK);

  /// A prompt whose blocks the cache alone holds.
  private void insert(int... blockNames) {
    int[] tokens = tokens(blockNames);
    int[] blocks = new int[blockNames.length];
    Arrays.setAll(blocks, i -> pool.allocate(1));
    cache.insert(null, tokens, blocks, blocks.length);
    for (int block : blocks) {
      pool.release(block);
    }
  }

  private static int[] tokens(int... blockNames) {
    int[] tokens = new int[blockNames.length * BLOCK];
    Arrays.setAll(tokens, i -> blockNames[i / BLOCK]);
    return tokens;
  }

  /// How many blocks of a prompt are there; makes them the most recent.
  private int find(int... blockNames) {
    int[] found = new int[blockNames.length];
    int n = cache.find(null, tokens(blockNames), blockNames.length * BLOCK, found);
    for (int i = 0; i < n; i++) {
      pool.release(found[i]);
    }
    return n;
  }

  @Test
  void evictsTheLeastRecentlyUsedLeafFirst() {
    insert(1, 2, 3);
    insert(1, 4);
    insert(5, 6);
    assertThat(cache.size()).isEqualTo(6);
    assertThat(find(1, 2, 3)).isEqualTo(3);
    assertThat(cache.evictOne()).isTrue();
    assertThat(find(1, 4)).isEqualTo(1);
    assertThat(find(1, 2, 3)).isEqualTo(3);
    assertThat(find(5, 6)).isEqualTo(2);
    assertThat(cache.size()).isEqualTo(5);
    // 4 went, then 3, 2 and 1 go before 6 and 5.
    List<Integer> left = new ArrayList<>();
    while (cache.evictOne()) {
      left.add(cache.size());
      if (cache.size() == 2) {
        assertThat(pool.freeBlocks()).isEqualTo(20_000 - 2);
        assertThat(find(1)).isZero();
        assertThat(find(5, 6)).isEqualTo(2);
      }
    }
    assertThat(left).containsExactly(4, 3, 2, 1, 0);
    assertThat(pool.freeBlocks()).isEqualTo(20_000);
  }

  @Test
  void blocksThatOthersHoldAreNotEvictedButForgotten() {
    insert(1, 2);
    int[] held = new int[2];
    assertThat(cache.find(null, tokens(1, 2), 2 * BLOCK, held)).isEqualTo(2);
    insert(7, 8);
    int free = pool.freeBlocks();
    assertThat(cache.evictOne()).isTrue();
    assertThat(pool.freeBlocks()).isEqualTo(free + 1);
    assertThat(cache.evictOne()).isTrue();
    assertThat(pool.freeBlocks()).isEqualTo(free + 2);
    long looked = cache.looked();
    assertThat(cache.evictOne()).isFalse();
    assertThat(cache.evictOne()).isFalse();
    assertThat(cache.looked() - looked).isEqualTo(2);
    assertThat(pool.freeBlocks()).isEqualTo(free + 2);
    // A sequence that alone has a block may write to it.
    assertThat(cache.forgetOne()).isTrue();
    assertThat(pool.isShared(held[1])).isFalse();
    cache.clear();
    assertThat(pool.isShared(held[0])).isFalse();
    assertThat(cache.size()).isZero();
  }

  @Test
  void aBlockThatNobodyElseHoldsAnyMoreCanBeEvicted() {
    insert(1);
    int[] held = new int[1];
    cache.find(null, tokens(1), BLOCK, held);
    insert(2);
    insert(3);
    assertThat(cache.evictOne()).isTrue();
    assertThat(find(2)).isZero();
    pool.release(held[0]);
    int free = pool.freeBlocks();
    assertThat(cache.evictOne()).isTrue();
    assertThat(pool.freeBlocks()).isEqualTo(free + 1);
    assertThat(cache.evictOne()).isTrue();
    assertThat(pool.freeBlocks()).isEqualTo(20_000);
  }

  @Test
  void evictionLooksAtAHandfulOfNodesHoweverManyThereAre() {
    SplittableRandom random = new SplittableRandom(1);
    while (pool.freeBlocks() > 100) {
      int[] names = new int[40];
      for (int i = 0; i < names.length; i++) {
        names[i] = random.nextInt(i < 4 ? 2 : 1000);
      }
      insert(names);
    }
    int nodes = cache.size();
    assertThat(nodes).isGreaterThan(10_000);
    long before = cache.looked();
    for (int i = 0; i < nodes; i++) {
      assertThat(cache.evictOne()).isTrue();
    }
    assertThat(cache.evictOne()).isFalse();
    assertThat(cache.looked() - before).isLessThanOrEqualTo(2L * nodes + 2);
    assertThat(pool.freeBlocks()).isEqualTo(20_000);
  }

  /// A trunk with branches, all of it held by sequences: every node is looked at once, and not once for each branch
  /// or for each node below it.
  @Test
  void whatSequencesHoldIsLookedAtOnce() {
    int[][] branches = new int[20][];
    List<int[]> held = new ArrayList<>();
    for (int b = 0; b < branches.length; b++) {
      branches[b] = new int[300];
      for (int i = 0; i < 300; i++) {
        branches[b][i] = i < 250 ? i : 1000 * (b + 1) + i;
      }
      insert(branches[b]);
      int[] blocks = new int[300];
      assertThat(cache.find(null, tokens(branches[b]), 300 * BLOCK, blocks)).isEqualTo(300);
      held.add(blocks);
    }
    int nodes = 250 + 20 * 50;
    assertThat(cache.size()).isEqualTo(nodes);
    insert(999_999);
    assertThat(cache.evictOne()).isTrue();
    long before = cache.looked();
    assertThat(cache.evictOne()).isFalse();
    assertThat(cache.looked() - before).isEqualTo(nodes);
    // The branch of a sequence that let go can be evicted from its end on, the others cannot.
    for (int block : held.get(7)) {
      pool.release(block);
    }
    before = cache.looked();
    for (int i = 0; i < 50; i++) {
      assertThat(cache.evictOne()).isTrue();
    }
    assertThat(cache.evictOne()).isFalse();
    assertThat(cache.looked() - before).isLessThanOrEqualTo(3L * nodes);
    assertThat(find(branches[7])).isEqualTo(250);
    held.remove(7);
    held.forEach(blocks -> {
      for (int block : blocks) {
        pool.release(block);
      }
    });
  }
}

package ai.realm.engine;

import ai.realm.compute.Adapter;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// KV blocks of one tenant's earlier prompts, found again by their tokens. A tree of full blocks: a
/// node is reached only through the very tokens of all blocks before it, compared and not merely
/// hashed. What an adapter changed has a tree of its own. Private to a tenant, so that neither contents nor timing tell another tenant anything
/// (`reliability.md` S01, S02). Guarded by the engine's lock.
final class PrefixCache {
  private final BlockPool pool;
  private final int blockSize;
  private final Node root = newRoot();
  private final Map<Adapter, Node> adapted = new IdentityHashMap<>();
  private long clock;
  private int nodes;

  PrefixCache(BlockPool pool, int blockSize) {
    this.pool = pool;
    this.blockSize = blockSize;
  }

  /// The tokens of one block, compared by value.
  private record BlockTokens(int[] ids) {
    static BlockTokens of(int[] tokens, int from, int count) {
      return new BlockTokens(Arrays.copyOfRange(tokens, from, from + count));
    }

    @Override
    public boolean equals(@Nullable Object o) {
      return o instanceof BlockTokens other && Arrays.equals(ids, other.ids);
    }

    @Override
    public int hashCode() {
      return Arrays.hashCode(ids);
    }
  }

  private static final class Node {
    final @Nullable Node parent;
    final BlockTokens tokens;
    final int block;
    final Map<BlockTokens, Node> children = new HashMap<>();
    long lastUsed;

    Node(@Nullable Node parent, BlockTokens tokens, int block) {
      this.parent = parent;
      this.tokens = tokens;
      this.block = block;
    }
  }

  private static Node newRoot() {
    return new Node(null, new BlockTokens(new int[0]), -1);
  }

  /// Number of blocks that the cache holds.
  int size() {
    return nodes;
  }

  /// Finds the longest cached prefix of `tokens[0, limit)` and writes its blocks, each retained for the
  /// caller, to `blocks`. Returns their number.
  int find(@Nullable Adapter adapter, int[] tokens, int limit, int[] blocks) {
    Node node = adapter == null ? root : adapted.get(adapter);
    if (node == null) {
      return 0;
    }
    int found = 0;
    clock++;
    while ((found + 1) * blockSize <= limit && !node.children.isEmpty()) {
      Node next = node.children.get(BlockTokens.of(tokens, found * blockSize, blockSize));
      if (next == null) {
        break;
      }
      next.lastUsed = clock;
      pool.retain(next.block);
      blocks[found++] = next.block;
      node = next;
    }
    return found;
  }

  /// Remembers the first `count` full blocks of a sequence.
  void insert(@Nullable Adapter adapter, int[] tokens, int[] blocks, int count) {
    if (count == 0) {
      return;
    }
    Node node = adapter == null ? root : adapted.computeIfAbsent(adapter, _ -> newRoot());
    clock++;
    for (int i = 0; i < count; i++) {
      BlockTokens key = BlockTokens.of(tokens, i * blockSize, blockSize);
      Node next = node.children.get(key);
      if (next == null) {
        next = new Node(node, key, blocks[i]);
        pool.retain(blocks[i]);
        node.children.put(key, next);
        nodes++;
      }
      next.lastUsed = clock;
      node = next;
    }
  }

  /// Lets go of the least recently used block that no longer prefix leads through. Returns false when
  /// the cache is empty.
  boolean evictOne() {
    Node victim = oldestLeaf();
    if (victim == null || victim.parent == null) {
      return false;
    }
    victim.parent.children.remove(victim.tokens);
    if (victim.parent.parent == null && victim.parent.children.isEmpty()) {
      adapted.values().remove(victim.parent);
    }
    pool.release(victim.block);
    nodes--;
    return true;
  }

  /// Lets go of everything.
  void clear() {
    while (evictOne()) {
      // one block at a time, leaves first
    }
  }

  private @Nullable Node oldestLeaf() {
    Node oldest = null;
    // Iterative: a long prompt makes a deep tree.
    ArrayDeque<Node> open = new ArrayDeque<>(adapted.values());
    open.push(root);
    while (!open.isEmpty()) {
      Node n = open.pop();
      if (n.children.isEmpty()) {
        if (n.parent != null && (oldest == null || n.lastUsed < oldest.lastUsed)) {
          oldest = n;
        }
      } else {
        n.children.values().forEach(open::push);
      }
    }
    return oldest;
  }
}

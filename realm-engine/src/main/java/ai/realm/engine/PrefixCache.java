package ai.realm.engine;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// KV blocks of one tenant's earlier prompts, found again by their tokens. A tree of full blocks: a
/// node is reached only through the very tokens of all blocks before it, compared and not merely
/// hashed. Private to a tenant, so that neither contents nor timing tell another tenant anything
/// (`reliability.md` S01, S02). Guarded by the engine's lock.
final class PrefixCache {
  private final BlockPool pool;
  private final int blockSize;
  private final Node root = new Node(null, new BlockTokens(new int[0]), -1);
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

  /// Number of blocks that the cache holds.
  int size() {
    return nodes;
  }

  /// Finds the longest cached prefix of `tokens[0, limit)` and writes its blocks, each retained for the
  /// caller, to `blocks`. Returns their number.
  int find(int[] tokens, int limit, int[] blocks) {
    Node node = root;
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
  void insert(int[] tokens, int[] blocks, int count) {
    Node node = root;
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
    Node victim = oldestLeaf(root, null);
    if (victim == null || victim.parent == null) {
      return false;
    }
    victim.parent.children.remove(victim.tokens);
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

  private @Nullable Node oldestLeaf(Node node, @Nullable Node oldest) {
    // Iterative: a long prompt makes a deep tree.
    java.util.ArrayDeque<Node> open = new java.util.ArrayDeque<>();
    open.push(node);
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

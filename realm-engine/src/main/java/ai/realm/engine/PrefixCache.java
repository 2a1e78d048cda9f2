package ai.realm.engine;

import ai.realm.compute.Adapter;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// KV blocks of one tenant's earlier prompts, found again by their tokens. A tree of full blocks: a
/// node is reached only through the very tokens of all blocks before it, compared and not merely
/// hashed. What an adapter changed has a tree of its own. Private to a tenant, so that neither contents nor timing tell another tenant anything
/// (`reliability.md` S01, S02). Guarded by the engine's lock.
///
/// All nodes are in one list, least recently used first. Whoever is used goes to its end, a node before its
/// parent: so every node comes before its parent, and the first one is a leaf, the least recently used one.
final class PrefixCache {
  private final BlockPool pool;
  private final int blockSize;
  private final Node root = newRoot();
  private final Map<Adapter, Node> adapted = new IdentityHashMap<>();
  private int nodes;

  /// Both ends of the list: before the first and behind the last node.
  private final Node ends = newRoot();

  /// As many blocks had been given back to the pool when last all nodes were looked at and others had all of their
  /// blocks; −1 since the cache has changed.
  private long releasesSeen = -1;

  private long pass;
  private long looked;

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
    Node older = this;
    Node newer = this;

    /// The last eviction that moved it back.
    long pass;

    Node(@Nullable Node parent, BlockTokens tokens, int block) {
      this.parent = parent;
      this.tokens = tokens;
      this.block = block;
    }

    void unlink() {
      older.newer = newer;
      newer.older = older;
    }

    void linkBefore(Node next) {
      older = next.older;
      newer = next;
      older.newer = this;
      next.older = this;
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
    while ((found + 1) * blockSize <= limit && !node.children.isEmpty()) {
      Node next = node.children.get(BlockTokens.of(tokens, found * blockSize, blockSize));
      if (next == null) {
        break;
      }
      pool.retain(next.block);
      blocks[found++] = next.block;
      node = next;
    }
    use(node);
    return found;
  }

  /// Makes a node and those above it the most recently used.
  private void use(Node last) {
    for (Node n = last; n != null && n.parent != null; n = n.parent) {
      n.unlink();
      n.linkBefore(ends);
    }
  }

  /// Remembers the first `count` full blocks of a sequence.
  void insert(@Nullable Adapter adapter, int[] tokens, int[] blocks, int count) {
    if (count == 0) {
      return;
    }
    Node node = adapter == null ? root : adapted.computeIfAbsent(adapter, _ -> newRoot());
    releasesSeen = -1;
    for (int i = 0; i < count; i++) {
      BlockTokens key = BlockTokens.of(tokens, i * blockSize, blockSize);
      Node next = node.children.get(key);
      if (next == null) {
        next = new Node(node, key, blocks[i]);
        next.linkBefore(ends);
        pool.retain(blocks[i]);
        node.children.put(key, next);
        nodes++;
      }
      node = next;
    }
    use(node);
  }

  /// Frees the least recently used block that no longer prefix leads through and that nobody else has. Returns
  /// false when there is none. What others have counts as used: to let go of it would free nothing. Each node is
  /// looked at once at the most.
  boolean evictOne() {
    if (releasesSeen == pool.releases()) {
      return false;
    }
    pass++;
    Node oldest = ends.newer;
    while (oldest != ends && oldest.pass != pass) {
      if (!pool.isShared(oldest.block)) {
        looked++;
        remove(oldest);
        return true;
      }
      moveBack(oldest);
      oldest = ends.newer;
    }
    releasesSeen = pool.releases();
    return false;
  }

  /// Moves a node and those above it behind all that this pass has not looked at: to the end, or before the first
  /// one above it that was moved already.
  private void moveBack(Node leaf) {
    Node moved = leaf;
    while (moved.parent != null && moved.pass != pass) {
      moved = moved.parent;
    }
    Node next = moved.parent == null ? ends : moved;
    for (Node n = leaf; n != moved && n != null; n = n.parent) {
      n.unlink();
      n.linkBefore(next);
      n.pass = pass;
      looked++;
    }
  }

  /// Lets go of a block that others have too, so that one of them may be alone with it. Returns false when the cache
  /// is empty.
  boolean forgetOne() {
    if (nodes == 0) {
      return false;
    }
    remove(ends.newer);
    return true;
  }

  /// Lets go of everything.
  void clear() {
    while (forgetOne()) {
      // one block at a time, leaves first
    }
  }

  private void remove(Node leaf) {
    Node parent = leaf.parent;
    if (parent == null || !leaf.children.isEmpty()) {
      throw new IllegalStateException("prefix cache: expected a leaf at the list's begin");
    }
    leaf.unlink();
    parent.children.remove(leaf.tokens);
    if (parent.parent == null && parent.children.isEmpty()) {
      adapted.values().remove(parent);
    }
    pool.release(leaf.block);
    nodes--;
  }

  /// Nodes that evictions have looked at so far.
  long looked() {
    return looked;
  }
}

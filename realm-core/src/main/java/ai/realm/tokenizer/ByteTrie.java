package ai.realm.tokenizer;

import java.util.Arrays;

/// A prefix tree over byte strings whose edges lie in one open-addressing table. Node 0 is the root;
/// a node's value is −1 where no string ends.
final class ByteTrie {
  static final int ROOT = 0;

  /// Node and byte of an edge plus one; 0 is free.
  private long[] edges = new long[64];

  private int[] targets = new int[64];
  private int[] values = {-1, -1, -1, -1};
  private int nodes = 1;

  void insert(byte[] text, int value) {
    int node = ROOT;
    for (byte b : text) {
      int child = child(node, b);
      node = child < 0 ? addChild(node, b) : child;
    }
    values[node] = value;
  }

  /// The node after `node` over byte `b`, or −1.
  int child(int node, byte b) {
    long edge = edge(node, b);
    int mask = edges.length - 1;
    for (int slot = slot(edge, mask); edges[slot] != 0; slot = slot + 1 & mask) {
      if (edges[slot] == edge) {
        return targets[slot];
      }
    }
    return -1;
  }

  /// The value of the string that ends in `node`, or −1.
  int value(int node) {
    return values[node];
  }

  private int addChild(int node, byte b) {
    if (2 * nodes >= edges.length) {
      grow();
    }
    if (nodes == values.length) {
      values = Arrays.copyOf(values, 2 * nodes);
      Arrays.fill(values, nodes, values.length, -1);
    }
    put(edge(node, b), nodes);
    return nodes++;
  }

  private void put(long edge, int target) {
    int mask = edges.length - 1;
    int slot = slot(edge, mask);
    while (edges[slot] != 0) {
      slot = slot + 1 & mask;
    }
    edges[slot] = edge;
    targets[slot] = target;
  }

  private void grow() {
    long[] oldEdges = edges;
    int[] oldTargets = targets;
    edges = new long[2 * oldEdges.length];
    targets = new int[edges.length];
    for (int i = 0; i < oldEdges.length; i++) {
      if (oldEdges[i] != 0) {
        put(oldEdges[i], oldTargets[i]);
      }
    }
  }

  private static long edge(int node, byte b) {
    return ((long) node << 8 | b & 0xff) + 1;
  }

  private static int slot(long edge, int mask) {
    long h = edge * 0x9e3779b97f4a7c15L;
    return (int) (h >>> 32) & mask;
  }
}

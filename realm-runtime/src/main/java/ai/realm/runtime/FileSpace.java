package ai.realm.runtime;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// Which bytes of a file are in use, in extents of whole blocks. What was given back is taken again, from
/// the lowest offset on and in as many pieces as it takes, before the file grows: so the file is never
/// larger than what was in use at one time.
///
/// ```
/// | in use | free  | in use | free | in use |
/// 0        4096                              end     a free extent never touches the end
/// ```
final class FileSpace {
  static final int BLOCK = 4096;

  /// Bytes of the file, both numbers multiples of [#BLOCK].
  record Extent(long offset, long bytes) {}

  /// Lengths of the free extents by their offsets; no two touch.
  private final TreeMap<Long, Long> free = new TreeMap<>();

  private long end;

  /// Extents that together hold `bytes` bytes; none where there are none to hold.
  List<Extent> take(long bytes) {
    List<Extent> taken = new ArrayList<>();
    long left = blocks(bytes);
    while (left > 0) {
      Map.Entry<Long, Long> lowest = free.pollFirstEntry();
      if (lowest == null) {
        taken.add(new Extent(end, left));
        end += left;
        break;
      }
      long used = Math.min(left, lowest.getValue());
      taken.add(new Extent(lowest.getKey(), used));
      if (used < lowest.getValue()) {
        free.put(lowest.getKey() + used, lowest.getValue() - used);
      }
      left -= used;
    }
    return List.copyOf(taken);
  }

  /// Takes extents back.
  void give(List<Extent> extents) {
    extents.forEach(this::give);
  }

  private void give(Extent extent) {
    long from = extent.offset();
    long to = from + extent.bytes();
    Map.Entry<Long, Long> before = free.lowerEntry(from);
    if (before != null && before.getKey() + before.getValue() == from) {
      from = before.getKey();
      free.remove(from);
    }
    Long behind = free.remove(to);
    if (behind != null) {
      to += behind;
    }
    if (to == end) {
      end = from;
    } else {
      free.put(from, to - from);
    }
  }

  /// Where the last extent in use ends.
  long end() {
    return end;
  }

  /// `bytes` in whole blocks.
  private static long blocks(long bytes) {
    return Math.addExact(bytes, BLOCK - 1) / BLOCK * BLOCK;
  }
}

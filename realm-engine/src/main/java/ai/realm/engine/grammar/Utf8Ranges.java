package ai.realm.engine.grammar;

/// Splits a range of code points into ranges of UTF-8 bytes: each sequence of byte ranges that
/// [Sink] is given stands for the product of its ranges. The split is the one of RFC 3629's table,
/// refined at borders that are not aligned.
final class Utf8Ranges {
  /// Receives one sequence: the first `length` entries of `first` and `last`.
  interface Sink {
    void sequence(int[] first, int[] last, int length);
  }

  private static final int[] LENGTH_ENDS = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};

  private Utf8Ranges() {}

  static void split(int first, int last, Sink sink) {
    int from = first;
    for (int end : LENGTH_ENDS) {
      if (from <= end && from <= last) {
        sameLength(from, Math.min(last, end), sink);
        from = end + 1;
      }
    }
  }

  private static void sameLength(int first, int last, Sink sink) {
    int length = first <= 0x7F ? 1 : first <= 0x7FF ? 2 : first <= 0xFFFF ? 3 : 4;
    for (int i = 1; i < length; i++) {
      int mask = (1 << 6 * i) - 1;
      if ((first & ~mask) != (last & ~mask)) {
        if ((first & mask) != 0) {
          sameLength(first, first | mask, sink);
          sameLength((first | mask) + 1, last, sink);
          return;
        }
        if ((last & mask) != mask) {
          sameLength(first, (last & ~mask) - 1, sink);
          sameLength(last & ~mask, last, sink);
          return;
        }
      }
    }
    int[] low = new int[4];
    int[] high = new int[4];
    encode(first, length, low);
    encode(last, length, high);
    sink.sequence(low, high, length);
  }

  private static void encode(int codePoint, int length, int[] out) {
    int rest = codePoint;
    for (int i = length - 1; i > 0; i--) {
      out[i] = 0x80 | rest & 0x3F;
      rest >>= 6;
    }
    out[0] = length == 1 ? rest : 0xFF00 >> length & 0xFF | rest;
  }
}

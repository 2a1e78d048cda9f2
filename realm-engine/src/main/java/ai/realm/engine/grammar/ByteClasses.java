package ai.realm.engine.grammar;

import java.util.BitSet;

/// Bytes that no range of a grammar tells apart share a class; classes ascend with their bytes.
/// Immutable.
final class ByteClasses {
  private final byte[] of = new byte[256];
  private final int count;

  /// @param borders bit b is set where byte b − 1 and byte b differ
  ByteClasses(BitSet borders) {
    int current = 0;
    for (int b = 0; b < 256; b++) {
      if (b > 0 && borders.get(b)) {
        current++;
      }
      of[b] = (byte) current;
    }
    count = current + 1;
  }

  int of(int value) {
    return of[value] & 0xFF;
  }

  int count() {
    return count;
  }

  /// The first byte of a class.
  int example(int byteClass) {
    for (int b = 0; b < 256; b++) {
      if (of(b) == byteClass) {
        return b;
      }
    }
    throw new IndexOutOfBoundsException(byteClass);
  }

  /// Whether a class is a single byte.
  boolean single(int byteClass) {
    int n = 0;
    for (int b = 0; b < 256; b++) {
      if (of(b) == byteClass) {
        n++;
      }
    }
    return n == 1;
  }
}

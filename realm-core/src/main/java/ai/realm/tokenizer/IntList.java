package ai.realm.tokenizer;

import java.util.Arrays;

/// A growing list of ints.
final class IntList {
  private int[] values = new int[16];
  private int size;

  void add(int value) {
    if (size == values.length) {
      values = Arrays.copyOf(values, size * 2);
    }
    values[size++] = value;
  }

  int get(int i) {
    return values[i];
  }

  int size() {
    return size;
  }

  void truncate(int newSize) {
    size = newSize;
  }

  void reverse(int from) {
    for (int i = from, j = size - 1; i < j; i++, j--) {
      int swap = values[i];
      values[i] = values[j];
      values[j] = swap;
    }
  }

  int[] toArray() {
    return Arrays.copyOf(values, size);
  }
}

package ai.realm.runtime;

import run.endive.runtime.Memory;

/// A guest's linear memory as host functions use it: every pointer and length is checked first, and one
/// that reaches outside traps the guest. Nothing of the guest is read twice.
final class GuestMemory {
  private final Memory memory;

  GuestMemory(Memory memory) {
    this.memory = memory;
  }

  /// @throws GuestTrapException unless `bytes` bytes from `pointer` lie in the memory
  void check(int pointer, long bytes) {
    long size = (long) memory.pages() * Memory.PAGE_SIZE;
    if (pointer < 0 || bytes < 0 || pointer + bytes > size) {
      throw new GuestTrapException(
          "GUEST_MEMORY",
          "guest memory: expected %d bytes at %d to lie within %d bytes"
              .formatted(bytes, Integer.toUnsignedLong(pointer), size));
    }
  }

  byte[] bytes(int pointer, int length) {
    check(pointer, length);
    return memory.readBytes(pointer, length);
  }

  /// Writes at most `capacity` bytes and returns how many there are.
  int put(byte[] bytes, int pointer, int capacity) {
    check(pointer, capacity);
    memory.write(pointer, bytes, 0, Math.min(bytes.length, capacity));
    return bytes.length;
  }

  int[] ints(int pointer, int count) {
    check(pointer, 4L * count);
    int[] values = new int[count];
    ints(pointer, count, values);
    return values;
  }

  /// The same into an array that is there already.
  void ints(int pointer, int count, int[] to) {
    check(pointer, 4L * count);
    for (int i = 0; i < count; i++) {
      to[i] = memory.readInt(pointer + 4 * i);
    }
  }

  /// Writes at most `capacity` ints and returns how many there are.
  int put(int[] values, int pointer, int capacity) {
    check(pointer, 4L * capacity);
    for (int i = 0; i < Math.min(values.length, capacity); i++) {
      memory.writeI32(pointer + 4 * i, values[i]);
    }
    return values.length;
  }

  int getInt(int pointer) {
    check(pointer, 4);
    return memory.readInt(pointer);
  }

  void putInt(int pointer, int value) {
    check(pointer, 4);
    memory.writeI32(pointer, value);
  }

  float getFloat(int pointer) {
    check(pointer, 4);
    return memory.readFloat(pointer);
  }

  void putFloat(int pointer, float value) {
    check(pointer, 4);
    memory.writeF32(pointer, value);
  }

  void putLong(int pointer, long value) {
    check(pointer, 8);
    memory.writeLong(pointer, value);
  }

  float[] floats(int pointer, int count) {
    check(pointer, 4L * count);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = memory.readFloat(pointer + 4 * i);
    }
    return values;
  }

  void put(float[] values, int pointer) {
    check(pointer, 4L * values.length);
    for (int i = 0; i < values.length; i++) {
      memory.writeF32(pointer + 4 * i, values[i]);
    }
  }
}

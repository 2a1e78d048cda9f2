package ai.realm.runtime;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/// A guest's linear memory as host functions use it: every pointer and length is checked first, and one
/// that reaches outside traps the guest. Nothing of the guest is read twice. Memory that a worker took away is
/// an `InternalError` at the access, before the host does anything with what it read.
final class GuestMemory {
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /// Told of what host functions read and write.
  interface Observer {
    /// `length` bytes at `pointer` of `memory` were read.
    void read(MemorySegment memory, int pointer, int length);

    /// `length` bytes at `pointer` of `memory` were written.
    void wrote(MemorySegment memory, int pointer, int length);
  }

  private final LinearMemory memory;
  private @Nullable Observer observer;

  GuestMemory(LinearMemory memory) {
    this.memory = memory;
  }

  void observe(@Nullable Observer next) {
    observer = next;
  }

  private void read(int pointer, int length) {
    memory.settle();
    Observer present = observer;
    if (present != null && length > 0) {
      present.read(memory.segment((long) pointer + length), pointer, length);
    }
  }

  private void wrote(int pointer, int length) {
    memory.settle();
    Observer present = observer;
    if (present != null && length > 0) {
      present.wrote(memory.segment((long) pointer + length), pointer, length);
    }
  }

  /// Bytes that it has now.
  long size() {
    return memory.size();
  }

  /// Whether `bytes` bytes from `pointer` lie in the memory.
  boolean holds(int pointer, long bytes) {
    return pointer >= 0 && bytes >= 0 && pointer + bytes <= memory.size();
  }

  /// @throws GuestTrapException unless `bytes` bytes from `pointer` lie in the memory
  void check(int pointer, long bytes) {
    if (!holds(pointer, bytes)) {
      throw new GuestTrapException(
          "GUEST_MEMORY",
          "guest memory: expected %d bytes at %d to lie within %d bytes"
              .formatted(bytes, Integer.toUnsignedLong(pointer), memory.size()));
    }
  }

  /// With `count` elements of 4 bytes from `pointer`.
  private MemorySegment segment(int pointer, int count) {
    return memory.segment(pointer + 4L * count);
  }

  byte[] bytes(int pointer, int length) {
    check(pointer, length);
    byte[] bytes = memory.readBytes(pointer, length);
    read(pointer, length);
    return bytes;
  }

  /// Tells who observes that a range is about to be read, piece by piece.
  void reads(int pointer, int length) {
    check(pointer, length);
    read(pointer, length);
  }

  /// A piece of what [#reads] told of, into an array that is there already.
  void bytes(int pointer, int length, byte[] to) {
    check(pointer, length);
    MemorySegment.copy(
        memory.segment((long) pointer + length), ValueLayout.JAVA_BYTE, pointer, to, 0, length);
    memory.settle();
  }

  /// Writes at most `capacity` bytes and returns how many there are.
  int put(byte[] bytes, int pointer, int capacity) {
    check(pointer, capacity);
    int length = Math.min(bytes.length, capacity);
    memory.write(pointer, bytes, 0, length);
    wrote(pointer, length);
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
    if (count == 1) {
      to[0] = memory.readInt(pointer);
    } else {
      MemorySegment.copy(segment(pointer, count), INT, pointer, to, 0, count);
    }
    read(pointer, 4 * count);
  }

  /// Writes at most `capacity` ints and returns how many there are.
  int put(int[] values, int pointer, int capacity) {
    check(pointer, 4L * capacity);
    int count = Math.min(values.length, capacity);
    MemorySegment.copy(values, 0, segment(pointer, count), INT, pointer, count);
    wrote(pointer, 4 * count);
    return values.length;
  }

  int getInt(int pointer) {
    check(pointer, 4);
    int value = memory.readInt(pointer);
    read(pointer, 4);
    return value;
  }

  void putInt(int pointer, int value) {
    check(pointer, 4);
    memory.writeI32(pointer, value);
    wrote(pointer, 4);
  }

  void putFloat(int pointer, float value) {
    check(pointer, 4);
    memory.writeF32(pointer, value);
    wrote(pointer, 4);
  }

  void putLong(int pointer, long value) {
    check(pointer, 8);
    memory.writeLong(pointer, value);
    wrote(pointer, 8);
  }

  float[] floats(int pointer, int count) {
    check(pointer, 4L * count);
    float[] values = new float[count];
    MemorySegment.copy(segment(pointer, count), FLOAT, pointer, values, 0, count);
    read(pointer, 4 * count);
    return values;
  }

  /// Writes the first `count` values.
  void put(float[] values, int pointer, int count) {
    check(pointer, 4L * count);
    MemorySegment.copy(values, 0, segment(pointer, count), FLOAT, pointer, count);
    wrote(pointer, 4 * count);
  }
}

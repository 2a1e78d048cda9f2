package ai.realm.runtime;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import run.endive.wasm.types.MemoryLimits;

/// Linear memory in a mapped file that a worker and the host both see: the guest runs on it in the worker,
/// host functions reach it in the host, and nothing is copied between the two. Each side keeps its own
/// count of how much of it belongs to the guest; the host's count is the one that was charged.
final class SharedMemory extends LinearMemory {
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfDouble DOUBLE =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;

  private final MemorySegment whole;
  private final MemoryCharge charge;
  private MemorySegment bytes;

  /// @param whole zeros, as many as the memory may ever have
  /// @throws GuestTrapException `MEMORY_LIMIT` when the initial pages are not there
  SharedMemory(MemoryLimits limits, MemorySegment whole, MemoryCharge charge) {
    super(limits);
    this.whole = whole;
    this.charge = charge;
    long initial = (long) limits.initialPages() * PAGE_SIZE;
    if (initial > whole.byteSize() || !charge.take(initial)) {
      throw charge.refusal(initial);
    }
    bytes = whole.asSlice(0, initial);
  }

  @Override
  long size() {
    return bytes.byteSize();
  }

  @Override
  MemorySegment segment(long end) {
    return bytes;
  }

  /// The worker may take it away at any time.
  @Override
  void settle() {
    WorkerChannel.settle();
  }

  @Override
  public void close() {
    charge.give(bytes.byteSize());
    bytes = whole.asSlice(0, 0);
  }

  @Override
  public int grow(int more) {
    // The host is asked.
    HostStack.require(HostStack.CALL_BYTES);
    int before = pages();
    long wanted = ((long) before + more) * PAGE_SIZE;
    if (more < 0
        || before + (long) more > maximumPages()
        || wanted > whole.byteSize()
        || !charge.take((long) more * PAGE_SIZE)) {
      return -1;
    }
    bytes = whole.asSlice(0, wanted);
    return before;
  }

  @Override
  public void write(int address, byte[] from, int offset, int size) {
    check(offset, size, from.length);
    check(address, size, bytes.byteSize());
    MemorySegment.copy(from, offset, bytes, BYTE, address, size);
  }

  @Override
  public byte[] readBytes(int address, int size) {
    check(address, size, bytes.byteSize());
    byte[] copy = new byte[size];
    MemorySegment.copy(bytes, BYTE, address, copy, 0, size);
    return copy;
  }

  @Override
  public void copy(int to, int from, int size) {
    check(from, size, bytes.byteSize());
    check(to, size, bytes.byteSize());
    MemorySegment.copy(bytes, from, bytes, to, size);
  }

  @Override
  public void fill(byte value, int from, int to) {
    check(from, to - from, bytes.byteSize());
    bytes.asSlice(from, to - from).fill(value);
  }

  @Override
  public void zero() {
    bytes.fill((byte) 0);
  }

  @Override
  public byte read(int address) {
    try {
      return bytes.get(BYTE, address);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 1);
    }
  }

  @Override
  public void writeByte(int address, byte value) {
    try {
      bytes.set(BYTE, address, value);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 1);
    }
  }

  @Override
  public short readShort(int address) {
    try {
      return bytes.get(SHORT, address);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 2);
    }
  }

  @Override
  public void writeShort(int address, short value) {
    try {
      bytes.set(SHORT, address, value);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 2);
    }
  }

  @Override
  public int readInt(int address) {
    try {
      return bytes.get(INT, address);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 4);
    }
  }

  @Override
  public void writeI32(int address, int value) {
    try {
      bytes.set(INT, address, value);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 4);
    }
  }

  @Override
  public long readLong(int address) {
    try {
      return bytes.get(LONG, address);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 8);
    }
  }

  @Override
  public void writeLong(int address, long value) {
    try {
      bytes.set(LONG, address, value);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 8);
    }
  }

  @Override
  public float readFloat(int address) {
    try {
      return bytes.get(FLOAT, address);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 4);
    }
  }

  @Override
  public void writeF32(int address, float value) {
    try {
      bytes.set(FLOAT, address, value);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 4);
    }
  }

  @Override
  public double readDouble(int address) {
    try {
      return bytes.get(DOUBLE, address);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 8);
    }
  }

  @Override
  public void writeF64(int address, double value) {
    try {
      bytes.set(DOUBLE, address, value);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 8);
    }
  }
}

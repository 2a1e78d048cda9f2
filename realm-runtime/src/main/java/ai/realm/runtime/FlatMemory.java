package ai.realm.runtime;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import run.endive.wasm.types.MemoryLimits;

/// Linear memory in one `byte[]`: compiled guests read and write it through VarHandles, one bounds check
/// each, and host functions reach it as it lies. What it holds is charged to the realm's budget before it
/// is allocated. Used by one thread; not shared, without atomics.
final class FlatMemory extends LinearMemory {
  private static final VarHandle SHORT = view(short[].class);
  private static final VarHandle INT = view(int[].class);
  private static final VarHandle LONG = view(long[].class);
  private static final VarHandle FLOAT = view(float[].class);
  private static final VarHandle DOUBLE = view(double[].class);

  private final MemoryCharge budget;
  private byte[] bytes;

  private static VarHandle view(Class<?> type) {
    return MethodHandles.byteArrayViewVarHandle(type, ByteOrder.LITTLE_ENDIAN);
  }

  /// @throws GuestTrapException `MEMORY_LIMIT` when the budget does not hold the initial pages
  FlatMemory(MemoryLimits limits, MemoryCharge budget) {
    super(limits);
    this.budget = budget;
    long initial = (long) limits.initialPages() * PAGE_SIZE;
    if (limits.initialPages() > MOST_PAGES || !budget.take(initial)) {
      throw budget.refusal(initial);
    }
    bytes = new byte[(int) initial];
  }

  @Override
  long size() {
    return bytes.length;
  }

  @Override
  MemorySegment segment() {
    return MemorySegment.ofArray(bytes);
  }

  @Override
  public void close() {
    budget.give(bytes.length);
    bytes = new byte[0];
  }

  @Override
  public int grow(int more) {
    int before = pages();
    long wanted = (long) before + more;
    if (more < 0 || wanted > maximumPages() || !budget.take((long) more * PAGE_SIZE)) {
      return -1;
    }
    try {
      bytes = Arrays.copyOf(bytes, (int) wanted * PAGE_SIZE);
      return before;
    } catch (OutOfMemoryError e) {
      // One allocation too large for the heap, and nothing half done: the guest is told.
      budget.give((long) more * PAGE_SIZE);
      return -1;
    }
  }

  @Override
  public void write(int address, byte[] from, int offset, int size) {
    check(offset, size, from.length);
    check(address, size, bytes.length);
    System.arraycopy(from, offset, bytes, address, size);
  }

  @Override
  public byte[] readBytes(int address, int size) {
    check(address, size, bytes.length);
    return Arrays.copyOfRange(bytes, address, address + size);
  }

  @Override
  public void copy(int to, int from, int size) {
    check(from, size, bytes.length);
    check(to, size, bytes.length);
    System.arraycopy(bytes, from, bytes, to, size);
  }

  @Override
  public void fill(byte value, int from, int to) {
    check(from, to - from, bytes.length);
    Arrays.fill(bytes, from, to, value);
  }

  @Override
  public void zero() {
    Arrays.fill(bytes, (byte) 0);
  }

  @Override
  public byte read(int address) {
    try {
      return bytes[address];
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 1);
    }
  }

  @Override
  public void writeByte(int address, byte value) {
    try {
      bytes[address] = value;
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 1);
    }
  }

  @Override
  public short readShort(int address) {
    try {
      return (short) SHORT.get(bytes, address);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 2);
    }
  }

  @Override
  public void writeShort(int address, short value) {
    try {
      SHORT.set(bytes, address, value);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 2);
    }
  }

  @Override
  public int readInt(int address) {
    try {
      return (int) INT.get(bytes, address);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 4);
    }
  }

  @Override
  public void writeI32(int address, int value) {
    try {
      INT.set(bytes, address, value);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 4);
    }
  }

  @Override
  public long readLong(int address) {
    try {
      return (long) LONG.get(bytes, address);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 8);
    }
  }

  @Override
  public void writeLong(int address, long value) {
    try {
      LONG.set(bytes, address, value);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 8);
    }
  }

  @Override
  public float readFloat(int address) {
    try {
      return (float) FLOAT.get(bytes, address);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 4);
    }
  }

  @Override
  public void writeF32(int address, float value) {
    try {
      FLOAT.set(bytes, address, value);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 4);
    }
  }

  @Override
  public double readDouble(int address) {
    try {
      return (double) DOUBLE.get(bytes, address);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 8);
    }
  }

  @Override
  public void writeF64(int address, double value) {
    try {
      DOUBLE.set(bytes, address, value);
    } catch (IndexOutOfBoundsException e) {
      throw outside(address, 8);
    }
  }
}

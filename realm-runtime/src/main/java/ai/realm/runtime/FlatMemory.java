package ai.realm.runtime;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import run.endive.runtime.ConstantEvaluators;
import run.endive.runtime.Instance;
import run.endive.runtime.Memory;
import run.endive.runtime.WasmRuntimeException;
import run.endive.wasm.types.ActiveDataSegment;
import run.endive.wasm.types.DataSegment;
import run.endive.wasm.types.MemoryLimits;
import run.endive.wasm.types.PassiveDataSegment;

/// Linear memory in one `byte[]`: compiled guests read and write it through VarHandles, one bounds check
/// each, and host functions reach it as it lies. What it holds is charged to the realm's budget before it
/// is allocated. Used by one thread; not shared, without atomics.
@SuppressWarnings("removal") // The interface still asks for what threads would need.
final class FlatMemory implements Memory, AutoCloseable {
  private static final VarHandle SHORT = view(short[].class);
  private static final VarHandle INT = view(int[].class);
  private static final VarHandle LONG = view(long[].class);
  private static final VarHandle FLOAT = view(float[].class);
  private static final VarHandle DOUBLE = view(double[].class);

  /// An array of the JVM ends before 2 GiB.
  private static final int MOST_PAGES = Short.MAX_VALUE;

  private final MemoryLimits limits;
  private final MemoryBudget budget;
  private byte[] bytes;
  private DataSegment[] segments = new DataSegment[0];

  private static VarHandle view(Class<?> type) {
    return MethodHandles.byteArrayViewVarHandle(type, ByteOrder.LITTLE_ENDIAN);
  }

  /// @throws GuestTrapException `MEMORY_LIMIT` when the budget does not hold the initial pages
  FlatMemory(MemoryLimits limits, MemoryBudget budget) {
    this.limits = limits;
    this.budget = budget;
    long initial = (long) limits.initialPages() * PAGE_SIZE;
    if (limits.initialPages() > MOST_PAGES || !budget.take(initial)) {
      throw new GuestTrapException(
          "MEMORY_LIMIT",
          "guest memory: expected at most %d bytes in this realm, found %d besides %d in use"
              .formatted(budget.limit(), initial, budget.used()));
    }
    bytes = new byte[(int) initial];
  }

  /// The memory itself, until it grows next.
  byte[] array() {
    return bytes;
  }

  /// Gives the memory back.
  @Override
  public void close() {
    budget.give(bytes.length);
    bytes = new byte[0];
  }

  @Override
  public int pages() {
    return bytes.length / PAGE_SIZE;
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
  public int initialPages() {
    return limits.initialPages();
  }

  @Override
  public int maximumPages() {
    return Math.min(limits.maximumPages(), MOST_PAGES);
  }

  @Override
  public boolean shared() {
    return false;
  }

  @Override
  public Object lock(int address) {
    throw threads();
  }

  @Override
  public int waitOn(int address, int expected, long timeout) {
    throw threads();
  }

  @Override
  public int waitOn(int address, long expected, long timeout) {
    throw threads();
  }

  @Override
  public int notify(int address, int count) {
    throw threads();
  }

  private static WasmRuntimeException threads() {
    return new WasmRuntimeException("threads are not admitted");
  }

  @Override
  public void initialize(Instance instance, DataSegment[] dataSegments) {
    initialize(instance, dataSegments, 0);
  }

  @Override
  public void initialize(Instance instance, DataSegment[] dataSegments, int memoryIndex) {
    segments = dataSegments.clone();
    for (int i = 0; i < segments.length; i++) {
      if (segments[i] instanceof ActiveDataSegment active && active.index() == memoryIndex) {
        long[] offset =
            ConstantEvaluators.computeConstantValue(instance, active.offsetInstructions());
        write((int) offset[0], active.data(), 0, active.data().length);
        drop(i);
      }
    }
  }

  @Override
  public void initPassiveSegment(int segment, int to, int from, int size) {
    write(to, segments[segment].data(), from, size);
  }

  @Override
  public void drop(int segment) {
    segments[segment] = PassiveDataSegment.EMPTY;
  }

  private WasmRuntimeException outside(int address, long size) {
    return new WasmRuntimeException(
        "out of bounds memory access: %d bytes at %d, memory is %d bytes"
            .formatted(size, Integer.toUnsignedLong(address), bytes.length));
  }

  private void check(int address, int size, int bound) {
    if ((address | size) < 0 || address > bound - size) {
      throw outside(address, Integer.toUnsignedLong(size));
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
  public long readU16(int address) {
    return Short.toUnsignedLong(readShort(address));
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
  public long readF32(int address) {
    return readInt(address);
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
  public long readF64(int address) {
    return readLong(address);
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

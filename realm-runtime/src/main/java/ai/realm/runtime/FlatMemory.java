package ai.realm.runtime;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import run.endive.wasm.types.MemoryLimits;

/// Linear memory in one `byte[]`: compiled guests read and write it through VarHandles, one bounds check
/// each, and host functions reach it as it lies. What it holds is charged to the realm's budget before it
/// is allocated. The array is as long as what was used so far: an access beyond it, but inside of the
/// memory, lengthens it, so that room which a guest only reserves costs nothing. Used by one thread; not
/// shared, without atomics.
final class FlatMemory extends LinearMemory {
  private static final VarHandle SHORT = view(short[].class);
  private static final VarHandle INT = view(int[].class);
  private static final VarHandle LONG = view(long[].class);
  private static final VarHandle FLOAT = view(float[].class);
  private static final VarHandle DOUBLE = view(double[].class);

  /// What is there from the beginning.
  private static final int FIRST_BYTES = 128 << 10;

  private final MemoryCharge budget;
  private final boolean trusted;
  private byte[] bytes;
  private long size;

  /// Taken from the budget: at least the array's length.
  private long charged;

  private static VarHandle view(Class<?> type) {
    return MethodHandles.byteArrayViewVarHandle(type, ByteOrder.LITTLE_ENDIAN);
  }

  /// A memory that is charged as a whole when it is made.
  ///
  /// @throws GuestTrapException `MEMORY_LIMIT` when the budget does not hold the initial pages
  FlatMemory(MemoryLimits limits, MemoryCharge budget) {
    this(limits, budget, false);
  }

  private FlatMemory(MemoryLimits limits, MemoryCharge budget, boolean trusted) {
    super(limits);
    this.budget = budget;
    this.trusted = trusted;
    size = (long) limits.initialPages() * PAGE_SIZE;
    if (limits.initialPages() > MOST_PAGES) {
      throw budget.refusal(size);
    }
    int first = (int) Math.min(size, FIRST_BYTES);
    charge(trusted ? first : size);
    bytes = new byte[first];
  }

  /// A memory of which only what is used is charged: for guests that come with Realm and reserve much.
  ///
  /// @throws GuestTrapException `MEMORY_LIMIT`
  static FlatMemory chargedAsUsed(MemoryLimits limits, MemoryCharge budget) {
    return new FlatMemory(limits, budget, true);
  }

  private void charge(long total) {
    long more = total - charged;
    if (more > 0) {
      if (!budget.take(more)) {
        throw budget.refusal(more);
      }
      charged = total;
    }
  }

  @Override
  long size() {
    return size;
  }

  @Override
  MemorySegment segment(long end) {
    reach(end);
    return MemorySegment.ofArray(bytes);
  }

  /// Lengthens the array where it is shorter than `end`, which lies in the memory.
  private void reach(long end) {
    if (end > bytes.length) {
      HostStack.require(HostStack.MEMORY_BYTES);
      long wanted = Math.min(size, Math.max(end + PAGE_SIZE & -PAGE_SIZE, 2L * bytes.length));
      charge(wanted);
      try {
        bytes = Arrays.copyOf(bytes, (int) wanted);
      } catch (OutOfMemoryError e) {
        // One allocation too large for the heap, and nothing half done.
        throw budget.refusal(wanted);
      }
    }
  }

  /// Makes an access of `width` bytes possible that the array did not hold, or traps.
  private void reach(int address, int width) {
    if (address < 0 || address > size - width) {
      throw outside(address, width);
    }
    reach((long) address + width);
  }

  @Override
  public void close() {
    budget.give(charged);
    charged = 0;
    size = 0;
    bytes = new byte[0];
  }

  @Override
  public int grow(int more) {
    HostStack.require(HostStack.MEMORY_BYTES);
    int before = pages();
    long wanted = (long) before + more;
    if (more < 0 || wanted > maximumPages()) {
      return -1;
    }
    long added = (long) more * PAGE_SIZE;
    if (!trusted) {
      if (!budget.take(added)) {
        return -1;
      }
      charged += added;
    }
    size += added;
    return before;
  }

  @Override
  public void write(int address, byte[] from, int offset, int size) {
    check(offset, size, from.length);
    check(address, size, this.size);
    reach((long) address + size);
    System.arraycopy(from, offset, bytes, address, size);
  }

  @Override
  public byte[] readBytes(int address, int size) {
    check(address, size, this.size);
    reach((long) address + size);
    return Arrays.copyOfRange(bytes, address, address + size);
  }

  @Override
  public void copy(int to, int from, int size) {
    check(from, size, this.size);
    check(to, size, this.size);
    reach((long) Math.max(from, to) + size);
    System.arraycopy(bytes, from, bytes, to, size);
  }

  @Override
  public void fill(byte value, int from, int to) {
    check(from, to - from, size);
    reach((long) to);
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
      reach(address, 1);
      return bytes[address];
    }
  }

  @Override
  public void writeByte(int address, byte value) {
    try {
      bytes[address] = value;
    } catch (IndexOutOfBoundsException e) {
      reach(address, 1);
      bytes[address] = value;
    }
  }

  @Override
  public short readShort(int address) {
    try {
      return (short) SHORT.get(bytes, address);
    } catch (IndexOutOfBoundsException e) {
      reach(address, 2);
      return (short) SHORT.get(bytes, address);
    }
  }

  @Override
  public void writeShort(int address, short value) {
    try {
      SHORT.set(bytes, address, value);
    } catch (IndexOutOfBoundsException e) {
      reach(address, 2);
      SHORT.set(bytes, address, value);
    }
  }

  @Override
  public int readInt(int address) {
    try {
      return (int) INT.get(bytes, address);
    } catch (IndexOutOfBoundsException e) {
      reach(address, 4);
      return (int) INT.get(bytes, address);
    }
  }

  @Override
  public void writeI32(int address, int value) {
    try {
      INT.set(bytes, address, value);
    } catch (IndexOutOfBoundsException e) {
      reach(address, 4);
      INT.set(bytes, address, value);
    }
  }

  @Override
  public long readLong(int address) {
    try {
      return (long) LONG.get(bytes, address);
    } catch (IndexOutOfBoundsException e) {
      reach(address, 8);
      return (long) LONG.get(bytes, address);
    }
  }

  @Override
  public void writeLong(int address, long value) {
    try {
      LONG.set(bytes, address, value);
    } catch (IndexOutOfBoundsException e) {
      reach(address, 8);
      LONG.set(bytes, address, value);
    }
  }

  @Override
  public float readFloat(int address) {
    try {
      return (float) FLOAT.get(bytes, address);
    } catch (IndexOutOfBoundsException e) {
      reach(address, 4);
      return (float) FLOAT.get(bytes, address);
    }
  }

  @Override
  public void writeF32(int address, float value) {
    try {
      FLOAT.set(bytes, address, value);
    } catch (IndexOutOfBoundsException e) {
      reach(address, 4);
      FLOAT.set(bytes, address, value);
    }
  }

  @Override
  public double readDouble(int address) {
    try {
      return (double) DOUBLE.get(bytes, address);
    } catch (IndexOutOfBoundsException e) {
      reach(address, 8);
      return (double) DOUBLE.get(bytes, address);
    }
  }

  @Override
  public void writeF64(int address, double value) {
    try {
      DOUBLE.set(bytes, address, value);
    } catch (IndexOutOfBoundsException e) {
      reach(address, 8);
      DOUBLE.set(bytes, address, value);
    }
  }
}

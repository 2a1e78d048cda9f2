package ai.realm.runtime;

import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import run.endive.runtime.ConstantEvaluators;
import run.endive.runtime.Instance;
import run.endive.runtime.Memory;
import run.endive.runtime.WasmRuntimeException;
import run.endive.wasm.types.ActiveDataSegment;
import run.endive.wasm.types.DataSegment;
import run.endive.wasm.types.MemoryLimits;
import run.endive.wasm.types.PassiveDataSegment;

/// A guest's linear memory: what its two forms have in common. Used by one thread at a time; not shared
/// between guests, without atomics.
@SuppressWarnings("removal") // The interface still asks for what threads would need.
abstract class LinearMemory implements Memory, AutoCloseable {
  /// An array of the JVM ends before 2 GiB.
  static final int MOST_PAGES = Short.MAX_VALUE;

  private final MemoryLimits limits;
  private DataSegment[] segments = new DataSegment[0];

  /// Active segments, which count as dropped once they are written.
  private final BitSet written = new BitSet();

  LinearMemory(MemoryLimits limits) {
    this.limits = limits;
  }

  /// Its bytes, now.
  abstract long size();

  /// The memory itself, until it grows next; at least its first `end` bytes are there.
  abstract MemorySegment segment(long end);

  /// Reports accesses that failed, where they can.
  ///
  /// @throws InternalError when one failed
  void settle() {}

  /// Gives the memory back.
  @Override
  public abstract void close();

  @Override
  public final int pages() {
    return (int) (size() / PAGE_SIZE);
  }

  @Override
  public final int initialPages() {
    return limits.initialPages();
  }

  @Override
  public final int maximumPages() {
    return Math.min(limits.maximumPages(), MOST_PAGES);
  }

  @Override
  public final boolean shared() {
    return false;
  }

  @Override
  public final Object lock(int address) {
    throw threads();
  }

  @Override
  public final int waitOn(int address, int expected, long timeout) {
    throw threads();
  }

  @Override
  public final int waitOn(int address, long expected, long timeout) {
    throw threads();
  }

  @Override
  public final int notify(int address, int count) {
    throw threads();
  }

  private static WasmRuntimeException threads() {
    return new WasmRuntimeException("threads are not admitted");
  }

  @Override
  public final void initialize(Instance instance, DataSegment[] dataSegments) {
    initialize(instance, dataSegments, 0);
  }

  @Override
  public final void initialize(Instance instance, DataSegment[] dataSegments, int memoryIndex) {
    // The instance's own array, in which `data.drop` drops. It initializes its memories more than
    // once: what is written here stays in it.
    segments = dataSegments;
    written.clear();
    for (int i = 0; i < segments.length; i++) {
      if (segments[i] instanceof ActiveDataSegment active && active.index() == memoryIndex) {
        long[] offset =
            ConstantEvaluators.computeConstantValue(instance, active.offsetInstructions());
        write((int) offset[0], active.data(), 0, active.data().length);
        written.set(i);
      }
    }
  }

  @Override
  public final void initPassiveSegment(int segment, int to, int from, int size) {
    DataSegment data = written.get(segment) ? PassiveDataSegment.EMPTY : segments[segment];
    write(to, data.data(), from, size);
  }

  @Override
  public final void drop(int segment) {
    segments[segment] = PassiveDataSegment.EMPTY;
  }

  final WasmRuntimeException outside(int address, long size) {
    return new WasmRuntimeException(
        "out of bounds memory access: %d bytes at %d, memory is %d bytes"
            .formatted(size, Integer.toUnsignedLong(address), size()));
  }

  /// Checks a range of something with `bound` bytes.
  final void check(int address, int size, long bound) {
    if ((address | size) < 0 || address > bound - size) {
      throw outside(address, Integer.toUnsignedLong(size));
    }
  }

  @Override
  public final long readU16(int address) {
    return Short.toUnsignedLong(readShort(address));
  }

  @Override
  public final long readF32(int address) {
    return readInt(address);
  }

  @Override
  public final long readF64(int address) {
    return readLong(address);
  }
}

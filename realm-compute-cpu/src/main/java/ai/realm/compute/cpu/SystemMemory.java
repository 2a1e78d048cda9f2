package ai.realm.compute.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.Locale;

/// Large memory straight from Linux, through its C library: in huge pages where the system has them, and
/// resident only once it is written. Reading weights from pages of 4 KiB misses a translation every
/// 64 cache lines; on a virtual machine that took 40 % of the speed of reading.
final class SystemMemory implements OffHeap {
  private static final long HUGE_PAGE = 1L << 21;

  /// The largest page that Linux has on what Realm runs on.
  private static final long LARGEST_SMALL_PAGE = 1L << 16;

  private static final int READ_WRITE = 3;
  private static final int PRIVATE_ANONYMOUS = 0x22;
  private static final int DONT_NEED = 4;
  private static final int HUGE_PAGES = 14;
  private static final int NO_HUGE_PAGES = 15;

  private final MethodHandle map;
  private final MethodHandle unmap;
  private final MethodHandle advise;

  private SystemMemory(Linker linker, SymbolLookup library) {
    map =
        bind(
            linker, library, "mmap", ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT,
            JAVA_LONG);
    unmap = bind(linker, library, "munmap", JAVA_INT, ADDRESS, JAVA_LONG);
    advise = bind(linker, library, "madvise", JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT);
  }

  private static MethodHandle bind(
      Linker linker,
      SymbolLookup library,
      String name,
      MemoryLayout result,
      MemoryLayout... parameters) {
    return linker.downcallHandle(
        library.findOrThrow(name), FunctionDescriptor.of(result, parameters));
  }

  /// The system's memory, or the JVM's where this is not a 64-bit Linux or native calls are not enabled.
  static OffHeap orJvm() {
    boolean linux =
        System.getProperty("os.name", "").toLowerCase(Locale.ROOT).contains("linux")
            && ADDRESS.byteSize() == Long.BYTES;
    if (!linux || !SystemMemory.class.getModule().isNativeAccessEnabled()) {
      return JVM;
    }
    Linker linker = Linker.nativeLinker();
    SymbolLookup library = linker.defaultLookup();
    for (String name : new String[] {"mmap", "munmap", "madvise"}) {
      if (library.find(name).isEmpty()) {
        return JVM;
      }
    }
    return new SystemMemory(linker, library);
  }

  @Override
  public MemorySegment allocate(Arena arena, long bytes) {
    if (bytes < HUGE_PAGE) {
      return JVM.allocate(arena, bytes);
    }
    try {
      // One huge page more, for the alignment; what is never touched costs nothing.
      long reserved = bytes + HUGE_PAGE;
      MemorySegment all =
          (MemorySegment)
              map.invokeExact(MemorySegment.NULL, reserved, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0L);
      long address = all.address();
      if (address < 0) {
        // -1: the system has none.
        return JVM.allocate(arena, bytes);
      }
      long aligned = Math.ceilDiv(address, HUGE_PAGE) * HUGE_PAGE;
      advise(aligned, bytes, HUGE_PAGES);
      return MemorySegment.ofAddress(aligned)
          .reinterpret(bytes, arena, memory -> unmap(address, reserved));
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  /// Takes whole pages of a mapped file out of this process; they stay in the page cache. They come
  /// back in small pages: a huge one would bring its neighbours with it.
  @Override
  public void letGo(MemorySegment mapped) {
    long end = mapped.address() + mapped.byteSize();
    long from = Math.ceilDiv(mapped.address(), LARGEST_SMALL_PAGE) * LARGEST_SMALL_PAGE;
    long bytes = Math.floorDiv(end, LARGEST_SMALL_PAGE) * LARGEST_SMALL_PAGE - from;
    if (bytes > 0) {
      advise(from, bytes, NO_HUGE_PAGES);
      advise(from, bytes, DONT_NEED);
    }
  }

  private void unmap(long address, long bytes) {
    try {
      int result = (int) unmap.invokeExact(MemorySegment.ofAddress(address), bytes);
      if (result != 0) {
        throw new IllegalStateException(
            "munmap: expected 0 for %d bytes, found %d".formatted(bytes, result));
      }
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  /// Advice that the system may ignore.
  private void advise(long address, long bytes, int advice) {
    try {
      int ignored = (int) advise.invokeExact(MemorySegment.ofAddress(address), bytes, advice);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  private static LinkageError failed(Throwable t) {
    return new LinkageError("memory of the system", t);
  }
}

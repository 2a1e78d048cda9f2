package ai.realm.bench;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/// The C library's allocator. It keeps what is freed: after a big method was compiled its resident memory stays
/// some 10 MB higher for good, which is no leak but looks like one.
final class Allocator {
  private static final Linker LINKER = Linker.nativeLinker();

  private Allocator() {}

  /// Gives freed memory back to the system, where the C library can: see malloc_trim(3) of glibc.
  static void trim() {
    Optional<MethodHandle> trim =
        LINKER
            .defaultLookup()
            .find("malloc_trim")
            .map(address ->
                LINKER.downcallHandle(
                    address, FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG)));
    if (trim.isPresent()) {
      try {
        int released = (int) trim.get().invokeExact(0L);
        if (released < 0) {
          throw new IllegalStateException("malloc_trim: expected 0 or 1, found " + released);
        }
      } catch (RuntimeException | Error e) {
        throw e;
      } catch (Throwable e) {
        throw new IllegalStateException("malloc_trim: cannot be called", e);
      }
    }
  }
}

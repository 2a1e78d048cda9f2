package ai.realm.runtime;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;

/// The threads on which this JVM compiles bytecode, as Linux sees them.
final class CompilerThreads {
  /// Beside another thread that wants the core they then get a seventieth of it.
  static final int NICE = 19;

  /// Of `setpriority(2)`: what follows is a thread's number.
  private static final int PRIO_PROCESS = 0;

  private CompilerThreads() {}

  /// Lets all other threads of the machine go before them, for as long as this JVM runs: a nice value can be
  /// raised by everybody and lowered by few. Elsewhere than on Linux nothing happens.
  static void standBack() {
    Optional<MemorySegment> symbol = Linker.nativeLinker().defaultLookup().find("setpriority");
    if (symbol.isEmpty()) {
      return;
    }
    MethodHandle setPriority = bind(symbol.get());
    try (Stream<Path> threads = Files.list(Path.of("/proc/self/task"))) {
      for (Path thread : threads.toList()) {
        if (isCompiler(thread)) {
          int id = Integer.parseInt(String.valueOf(thread.getFileName()));
          // It fails for a thread that has ended meanwhile, and for no other.
          int ignored = (int) setPriority.invokeExact(PRIO_PROCESS, id, NICE);
        }
      }
    } catch (IOException | UncheckedIOException e) {
      // Not Linux, or no /proc: they stay as they are.
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  private static boolean isCompiler(Path thread) {
    try {
      String name = Files.readString(thread.resolve("comm"));
      return name.startsWith("C1 Compiler") || name.startsWith("C2 Compiler");
    } catch (IOException e) {
      // It has ended.
      return false;
    }
  }

  @SuppressWarnings("restricted") // The signature is that of setpriority(2).
  private static MethodHandle bind(MemorySegment symbol) {
    return Linker.nativeLinker()
        .downcallHandle(
            symbol,
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT));
  }
}

package ai.realm.runtime;

import ai.realm.digest.Sha256;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ServiceLoader;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import run.endive.runtime.CompiledModule;
import run.endive.runtime.ImportFunction;
import run.endive.runtime.ImportValues;
import run.endive.runtime.Machine;
import run.endive.runtime.Memory;
import run.endive.runtime.WasmInterruptedException;
import run.endive.wasm.Parser;
import run.endive.wasm.WasmEngineException;
import run.endive.wasm.WasmModule;
import run.endive.wasm.types.ExternalType;
import run.endive.wasm.types.FunctionImport;
import run.endive.wasm.types.FunctionType;
import run.endive.wasm.types.Import;
import run.endive.wasm.types.MemoryLimits;
import run.endive.wasm.types.ValType;

/// Guests on Endive, compiled to JVM bytecode: at build time for modules that come as a
/// [CompiledModule] service with the digest of their bytes, else when they are loaded.
final class EndiveGuestEngine implements GuestEngine {
  /// What compiled functions are called, before their numbers.
  private static final String FUNCTION = "func_";

  private static final String HOST_MODULE = "realm_host";

  @Override
  public EndiveModule load(byte[] wasm, GuestLimits limits) {
    CompiledModule compiled = findCompiled(wasm);
    try {
      if (compiled != null) {
        return new EndiveModule(compiled.wasmModule(), compiled.machineFactory(), true);
      }
      EndiveCompiler.Compiled made =
          EndiveCompiler.compile(Parser.parse(GuestAdmission.check(wasm, limits)));
      return new EndiveModule(made.module(), made.machine(), false);
    } catch (WasmEngineException e) {
      throw new GuestFormatException("guest: " + e.getMessage(), e);
    }
  }

  /// Whether the build compiled this guest, which so is trusted.
  static boolean isBuiltIn(byte[] wasm) {
    return findProvider(wasm) != null;
  }

  private static @Nullable CompiledModule findCompiled(byte[] wasm) {
    ServiceLoader.Provider<CompiledModule> provider = findProvider(wasm);
    return provider == null ? null : provider.get();
  }

  private static ServiceLoader.@Nullable Provider<CompiledModule> findProvider(byte[] wasm) {
    String digest = Sha256.hex(wasm);
    for (ServiceLoader.Provider<CompiledModule> provider :
        ServiceLoader.load(CompiledModule.class).stream().toList()) {
      if (digest.equals(digestOf(provider.type()))) {
        return provider;
      }
    }
    return null;
  }

  /// The build writes the digest of the WebAssembly beside the class that was made from it.
  private static String digestOf(Class<?> type) {
    try (InputStream in = type.getResourceAsStream(type.getSimpleName() + ".sha256")) {
      return in == null ? "" : new String(in.readAllBytes(), StandardCharsets.US_ASCII).strip();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  record EndiveModule(
      WasmModule module, Function<run.endive.runtime.Instance, Machine> machine, boolean builtIn)
      implements Module {
    @Override
    public Instance instantiate(HostFunctions host, Realm realm) {
      return instantiate(new InProcess(host, realm));
    }

    /// A fresh instance in these surroundings.
    Instance instantiate(GuestHost host) {
      ImportValues.Builder imports = ImportValues.builder();
      MemoryHolder memory = new MemoryHolder();
      boolean done = false;
      try {
        if (builtIn) {
          memory.memory = TeaVmImports.addTo(imports, host);
        }
        for (int i = 0; i < module.importSection().importCount(); i++) {
          if (module.importSection().getImport(i) instanceof FunctionImport wanted) {
            imports.addFunction(resolve(wanted, host, memory));
          }
        }
        var builder =
            run.endive.runtime.Instance.builder(module)
                .withImportValues(imports.build())
                .withMachineFactory(machine);
        memoryLimits(host.maxMemoryBytes()).ifPresent(builder::withMemoryLimits);
        run.endive.runtime.Instance instance =
            builder
                .withMemoryFactory(limits -> memory.take(host.newMemory(limits)))
                .withStart(false)
                .build();
        run(() -> instance.initialize(true));
        done = true;
        return new EndiveInstance(instance, memory);
      } catch (WasmInterruptedException e) {
        // Its start is looked at by the engine too.
        throw interrupted(e);
      } catch (WasmEngineException e) {
        throw new GuestFormatException("guest: " + e.getMessage(), e);
      } finally {
        if (!done) {
          memory.close();
        }
      }
    }

    /// The module's own initial size, and its maximum under the cap.
    private java.util.Optional<MemoryLimits> memoryLimits(long maxBytes) {
      return module
          .memorySection()
          .filter(section -> section.memoryCount() > 0)
          .map(section -> {
            if (section.memoryCount() > 1) {
              throw new GuestFormatException(
                  "guest: expected at most one memory, found " + section.memoryCount());
            }
            MemoryLimits wanted = section.getMemory(0).limits();
            int most = (int) (maxBytes / Memory.PAGE_SIZE);
            if (wanted.initialPages() > most) {
              throw new GuestFormatException(
                  "guest memory: expected at most %d pages at start, found %d"
                      .formatted(most, wanted.initialPages()));
            }
            return new MemoryLimits(wanted.initialPages(), Math.min(wanted.maximumPages(), most));
          });
    }

    private ImportFunction resolve(FunctionImport wanted, GuestHost host, MemoryHolder memory) {
      FunctionType type = module.typeSection().getType(wanted.typeIndex());
      if (builtIn && TeaVmImports.isTeaVm(wanted.module())) {
        return TeaVmImports.stub(wanted.module(), wanted.name(), type);
      }
      HostFunction function = wanted.module().equals(HOST_MODULE) ? host.find(wanted.name()) : null;
      if (function == null) {
        throw refused(wanted, "the host has no such function");
      }
      boolean fits =
          type.params().size() == function.parameters()
              && type.params().stream().allMatch(ValType.I32::equals)
              && type.returns().size() == 1
              && type.returns().getFirst().equals(ValType.I32);
      if (!fits) {
        throw refused(
            wanted,
            "expected %d i32 parameters and an i32 result, found %s"
                .formatted(function.parameters(), type));
      }
      return new ImportFunction(
          wanted.module(),
          wanted.name(),
          type,
          (instance, arguments) -> {
            HostStack.require(function.stackBytes());
            return new long[] {host.call(function, memory.get(), ints(arguments))};
          });
    }

    private static GuestFormatException refused(Import wanted, String reason) {
      return new GuestFormatException(
          "guest import %s.%s: %s".formatted(wanted.module(), wanted.name(), reason));
    }

    private static int[] ints(long[] values) {
      int[] cut = new int[values.length];
      for (int i = 0; i < values.length; i++) {
        cut[i] = (int) values[i];
      }
      return cut;
    }
  }

  private static GuestTrapException interrupted(WasmInterruptedException e) {
    return new GuestTrapException("GUEST_CANCELLED", "guest: interrupted", e);
  }

  /// Runs the guest's own code; how it ends badly becomes one kind of exception.
  private static void run(Runnable guest) {
    try {
      guest.run();
    } catch (WasmInterruptedException e) {
      throw interrupted(e);
    } catch (WasmEngineException e) {
      throw new GuestTrapException("GUEST_TRAP", "guest: " + e.getMessage() + place(e), e);
    } catch (StackOverflowError e) {
      throw HostStack.exhausted(e);
    } catch (ArrayIndexOutOfBoundsException | NegativeArraySizeException | ClassCastException e) {
      // What the engine lets through instead of a trap of its own.
      throw new GuestTrapException("GUEST_TRAP", "guest: an access out of bounds" + place(e), e);
    }
  }

  /// The function that trapped, by its number in the module.
  private static String place(RuntimeException trap) {
    for (StackTraceElement frame : trap.getStackTrace()) {
      if (frame.getMethodName().startsWith(FUNCTION)) {
        return ", in function " + frame.getMethodName().substring(FUNCTION.length());
      }
    }
    return "";
  }

  /// An instance in the host's own process.
  private record InProcess(HostFunctions functions, Realm realm) implements GuestHost {
    @Override
    public @Nullable HostFunction find(String name) {
      return functions.find(name);
    }

    @Override
    public int call(HostFunction function, GuestMemory memory, int[] arguments) {
      return functions.call(function, memory, arguments);
    }

    @Override
    public LinearMemory newMemory(MemoryLimits limits) {
      return new FlatMemory(limits, realm.memory().begun());
    }

    @Override
    public LinearMemory newTrustedMemory(MemoryLimits limits) {
      return FlatMemory.chargedAsUsed(limits, realm.memory().begun());
    }

    @Override
    public long maxMemoryBytes() {
      return realm.limits().guest().maxMemoryBytes();
    }
  }

  /// Host functions are made before the memory that they work on.
  private static final class MemoryHolder implements AutoCloseable {
    private @Nullable LinearMemory memory;
    private @Nullable GuestMemory view;

    LinearMemory take(LinearMemory made) {
      memory = made;
      return made;
    }

    GuestMemory get() {
      GuestMemory present = view;
      if (present == null) {
        LinearMemory own = memory;
        if (own == null) {
          throw new GuestTrapException(
              "GUEST_TRAP", "guest: a host function was called before the memory was there");
        }
        present = new GuestMemory(own);
        view = present;
      }
      return present;
    }

    @Override
    public void close() {
      LinearMemory present = memory;
      if (present != null) {
        present.close();
        memory = null;
      }
    }
  }

  private record EndiveInstance(run.endive.runtime.Instance instance, MemoryHolder memory)
      implements Instance {
    @Override
    public int parameters(String function) {
      for (int i = 0; i < instance.module().exportSection().exportCount(); i++) {
        var export = instance.module().exportSection().getExport(i);
        if (export.name().equals(function) && export.exportType() == ExternalType.FUNCTION) {
          FunctionType type = instance.exportType(function);
          if (type.hasObjectRefParams() || type.hasObjectRefReturns()) {
            throw new GuestFormatException(
                "guest function %s: expected numbers, found %s".formatted(function, type));
          }
          return type.params().size();
        }
      }
      return -1;
    }

    @Override
    public long call(String function, long... arguments) {
      long[] result = new long[1];
      run(() -> {
        long[] results = instance.export(function).apply(arguments);
        result[0] = results == null || results.length == 0 ? 0 : (int) results[0];
      });
      return result[0];
    }

    @Override
    public void close() {
      memory.close();
    }
  }
}

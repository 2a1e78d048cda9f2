package ai.realm.runtime;

import java.util.List;
import run.endive.runtime.CallResult;
import run.endive.runtime.GlobalInstance;
import run.endive.runtime.ImportFunction;
import run.endive.runtime.ImportGlobal;
import run.endive.runtime.ImportMemory;
import run.endive.runtime.ImportValues;
import run.endive.runtime.Instance;
import run.endive.runtime.Memory;
import run.endive.runtime.WasmFunctionHandle;
import run.endive.wasm.types.FunctionType;
import run.endive.wasm.types.MemoryLimits;
import run.endive.wasm.types.Value;

/// What a guest that TeaVM compiled expects of its surroundings besides `realm_host`: linear memory, two
/// globals, and JavaScript functions that a guest without console, dates and strings for people never
/// needs; these answer zero and null. Only for guests that were compiled with Realm: WebAssembly's own
/// heap, where TeaVM keeps objects, knows no cap.
final class TeaVmImports {
  /// Where TeaVM's heap of direct buffers lies, of which it touches the beginning: a page behind its data.
  private static final int HEAP_OFFSET = Memory.PAGE_SIZE;

  private static final int HEAP_END = 2 * Memory.PAGE_SIZE;

  /// Behind it, to the end, is the guest's arena: room that it reserves for long prompts.
  private static final int PAGES = (32 << 20) / Memory.PAGE_SIZE;

  private TeaVmImports() {}

  static boolean isTeaVm(String module) {
    return module.startsWith("teavm") || module.equals("wasm:js-string");
  }

  static LinearMemory addTo(ImportValues.Builder imports, GuestHost host) {
    LinearMemory memory = host.newTrustedMemory(new MemoryLimits(PAGES, PAGES));
    imports
        .addMemory(new ImportMemory("env", "memory", memory))
        .addGlobal(
            new ImportGlobal(
                "teavmMemory", "heapOffset", new GlobalInstance(Value.i32(HEAP_OFFSET))))
        .addGlobal(
            new ImportGlobal("teavmMemory", "maxSize", new GlobalInstance(Value.i32(HEAP_END))));
    return memory;
  }

  static ImportFunction stub(String module, String name, FunctionType type) {
    return new ImportFunction(module, name, type, new Nothing(type));
  }

  private record Nothing(FunctionType type) implements WasmFunctionHandle {
    @Override
    public long[] apply(Instance instance, long... arguments) {
      return new long[type.returns().size()];
    }

    @Override
    public CallResult applyWithRefs(Instance instance, long[] arguments, Object[] references) {
      List<?> returns = type.returns();
      return CallResult.of(new long[returns.size()], new Object[returns.size()]);
    }
  }
}

package ai.realm.runtime;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import run.endive.compiler.InterpreterFallback;
import run.endive.compiler.MachineFactoryCompiler;
import run.endive.runtime.CompiledModule;
import run.endive.runtime.Instance;
import run.endive.runtime.Machine;
import run.endive.wasm.WasmEngineException;
import run.endive.wasm.WasmModule;
import run.endive.wasm.types.AnnotatedInstruction;
import run.endive.wasm.types.CodeSection;
import run.endive.wasm.types.ExternalType;
import run.endive.wasm.types.FunctionBody;
import run.endive.wasm.types.Instruction;
import run.endive.wasm.types.OpCode;

/// Makes JVM classes of a module and keeps no more of it than its instances need: parsed instructions take
/// some 35 times the heap of the bytes that they were.
final class EndiveCompiler {
  /// Functions of a guest that may be too large for a method of the JVM.
  private static final int MAX_INTERPRETED = 4;

  /// How Endive names such a function.
  private static final Pattern TOO_LARGE =
      Pattern.compile("exceeds the Java method size limits.*WASM function index: (\\d{1,9})");

  /// What stands for the code of a function that has become a method; it traps.
  private static final FunctionBody COMPILED =
      new FunctionBody(
          List.of(),
          List.of(
              AnnotatedInstruction.builder()
                  .from(new Instruction(0, OpCode.UNREACHABLE, Instruction.EMPTY_OPERANDS))
                  .build()));

  private EndiveCompiler() {}

  /// A compiled module.
  ///
  /// @param module without the code of the functions that were compiled
  /// @param machine makes what runs an instance of it
  record Compiled(WasmModule module, Function<Instance, Machine> machine) {}

  /// Compiles a module. Functions that are too large for a method of the JVM are interpreted. Endive finds
  /// one at a time and begins anew, so the number of them is bounded: else compiling costs the square of a
  /// module's size.
  ///
  /// @throws WasmEngineException where the module is no valid one
  /// @throws GuestFormatException where it makes no class
  static Compiled compile(WasmModule module) {
    Set<Integer> interpreted = new HashSet<>();
    while (true) {
      try {
        Function<Instance, Machine> machine =
            MachineFactoryCompiler.builder(module)
                .withInterpreterFallback(InterpreterFallback.FAIL)
                .withInterpretedFunctions(interpreted)
                .compile();
        // The factory that Endive gives out holds on to the module; the one within does not.
        return machine instanceof CompiledModule outer
            ? new Compiled(withoutCode(module, interpreted), outer.machineFactory())
            : new Compiled(module, machine);
      } catch (WasmEngineException e) {
        Matcher large = TOO_LARGE.matcher(String.valueOf(e.getMessage()));
        if (!large.find() || !interpreted.add(Integer.valueOf(large.group(1)))) {
          throw e;
        }
        if (interpreted.size() > MAX_INTERPRETED) {
          throw new GuestFormatException(
              "guest: expected at most %d functions that are too large for a method of the JVM, found more"
                  .formatted(MAX_INTERPRETED),
              e);
        }
      } catch (LinkageError e) {
        // The first line: the JVM adds the whole frame.
        String reason = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
        throw new GuestFormatException("guest: its code makes no class: " + reason, e);
      }
    }
  }

  /// The same module without what has become methods, and without custom sections.
  private static WasmModule withoutCode(WasmModule module, Set<Integer> interpreted) {
    CodeSection code = module.codeSection();
    int imported = module.importSection().count(ExternalType.FUNCTION);
    CodeSection.Builder kept =
        CodeSection.builder().setRequiresDataCount(code.isRequiresDataCount());
    for (int i = 0; i < code.functionBodyCount(); i++) {
      kept.addFunctionBody(interpreted.contains(imported + i) ? code.getFunctionBody(i) : COMPILED);
    }
    WasmModule.Builder builder =
        WasmModule.builder()
            .withValidation(false)
            .setTypeSection(module.typeSection())
            .setImportSection(module.importSection())
            .setFunctionSection(module.functionSection())
            .setTableSection(module.tableSection())
            .setGlobalSection(module.globalSection())
            .setExportSection(module.exportSection())
            .setElementSection(module.elementSection())
            .setCodeSection(kept.build())
            .setDataSection(module.dataSection());
    module.memorySection().ifPresent(builder::setMemorySection);
    module.startSection().ifPresent(builder::setStartSection);
    module.dataCountSection().ifPresent(builder::setDataCountSection);
    module.tagSection().ifPresent(builder::setTagSection);
    return builder.build();
  }
}

package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.testing.wasm.WasmModuleGenerator;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import run.endive.compiler.InterpreterFallback;
import run.endive.compiler.MachineFactoryCompiler;
import run.endive.runtime.Instance;
import run.endive.runtime.InterpreterMachine;
import run.endive.runtime.Machine;
import run.endive.wasm.Parser;
import run.endive.wasm.WasmEngineException;
import run.endive.wasm.WasmModule;
import run.endive.wasm.types.MemoryLimits;

/// W18: generated modules do the same interpreted and compiled, on either form of memory: results, traps,
/// globals, every byte of the memory.
final class GeneratedModulesTest {
  private static final int MEMORY = 3 * 65_536;
  private static final int GLOBALS = 9;
  private static final int CALLS = 3;
  private static final int FUEL = 2_000;

  @Test
  @Timeout(300)
  void generatedModulesDoTheSameInterpretedAndCompiled() {
    int[] outcomes = compare(1, 250);
    assertThat(outcomes[0]).as("results").isGreaterThan(500);
    assertThat(outcomes[1]).as("traps").isGreaterThan(100);
  }

  /// `-Dgroups=fuzz -Drealm.fuzz.modules=100000`.
  @Test
  @Tag("fuzz")
  void manyGeneratedModulesDoTheSame() {
    int modules = Integer.getInteger("realm.fuzz.modules", 10_000);
    long seed = Long.getLong("realm.fuzz.seed", 1_000_000);
    int[] outcomes = compare(seed, modules);
    assertThat(outcomes[0] + outcomes[1]).isGreaterThan(modules);
  }

  /// Two deviations of Endive 1.0.0's interpreter that generated modules found, and so leave out: it lets a
  /// negative address and an offset wrap around, and branches on more than 32 bits of a product. What is
  /// compiled keeps to the specification; bodies too large to compile run on the interpreter, inside of
  /// their memory in any case.
  @Test
  void compilerKeepsToTheSpecificationWhereTheInterpreterDoesNot() {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("wrap", 0, 0, new Code().constant(-2).raw(0x28, 2, 4));
    Code product = new Code().constant(1).get(0).raw(0x74).constant(8).raw(0x6c);
    module.function(
        "product", 1, 0, product.raw(0x04, 0x7f).constant(1).raw(0x05).constant(2).raw(0x0b));
    WasmModule parsed = Parser.parse(GuestAdmission.check(module.build(), GuestLimits.DEFAULT));
    MemoryBudget budget = new MemoryBudget(MEMORY);
    Instance instance =
        Instance.builder(parsed)
            .withMachineFactory(MachineFactoryCompiler.compile(parsed))
            .withMemoryFactory(limits -> new FlatMemory(limits, budget))
            .build();
    assertThatThrownBy(() -> instance.export("wrap").apply())
        .isInstanceOf(WasmEngineException.class)
        .hasMessageContaining("out of bounds");
    assertThat(instance.export("product").apply(63)).containsExactly(2);
  }

  /// Returns numbers of results and of traps. Runs on a deep stack: how deep calls may nest is not what
  /// is compared.
  private static int[] compare(long firstSeed, int modules) {
    FutureTask<int[]> task = new FutureTask<>(() -> compareHere(firstSeed, modules));
    new Thread(null, task, "generated-modules", 512 << 20).start();
    try {
      return task.get(1, TimeUnit.HOURS);
    } catch (ExecutionException e) {
      throw new AssertionError(e.getCause().getMessage(), e.getCause());
    } catch (InterruptedException | TimeoutException e) {
      throw new IllegalStateException(e);
    }
  }

  private static int[] compareHere(long firstSeed, int modules) {
    int[] outcomes = new int[2];
    for (long seed = firstSeed; seed < firstSeed + modules; seed++) {
      WasmModuleGenerator generator = new WasmModuleGenerator(seed);
      byte[] wasm = generator.make();
      WasmModule module = Parser.parse(GuestAdmission.check(wasm, GuestLimits.DEFAULT));
      List<long[]> arguments = arguments(generator);
      Function<Instance, Machine> compiled =
          MachineFactoryCompiler.builder(module)
              .withInterpreterFallback(InterpreterFallback.FAIL)
              .compile();
      MemoryBudget budget = new MemoryBudget(MEMORY);
      List<String> interpreted =
          run(
              module,
              InterpreterMachine::new,
              generator,
              arguments,
              l -> new FlatMemory(l, budget));
      MemoryBudget other = new MemoryBudget(MEMORY);
      assertThat(run(module, compiled, generator, arguments, l -> new FlatMemory(l, other)))
          .as("seed %d, compiled", seed)
          .isEqualTo(interpreted);
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment shared = arena.allocate(MEMORY);
        MemoryBudget third = new MemoryBudget(MEMORY);
        assertThat(
                run(
                    module,
                    compiled,
                    generator,
                    arguments,
                    l -> new SharedMemory(l, shared, third)))
            .as("seed %d, compiled, on shared memory", seed)
            .isEqualTo(interpreted);
      }
      for (String line : interpreted) {
        outcomes[line.contains("trap") ? 1 : 0]++;
      }
    }
    return outcomes;
  }

  private static List<long[]> arguments(WasmModuleGenerator generator) {
    List<long[]> arguments = new ArrayList<>();
    for (WasmModuleGenerator.Signature signature : generator.functions()) {
      for (int i = 0; i < CALLS; i++) {
        arguments.add(signature.parameters().stream().mapToLong(generator::argument).toArray());
      }
    }
    return arguments;
  }

  /// What each call does, as a line: results or trap, then globals and memory.
  private static List<String> run(
      WasmModule module,
      Function<Instance, Machine> machine,
      WasmModuleGenerator generator,
      List<long[]> arguments,
      Function<MemoryLimits, LinearMemory> memories) {
    AtomicReference<@Nullable LinearMemory> made = new AtomicReference<>();
    Instance instance =
        Instance.builder(module)
            .withMachineFactory(machine)
            .withMemoryFactory(limits -> {
              LinearMemory memory = memories.apply(limits);
              made.set(memory);
              return memory;
            })
            .build();
    LinearMemory memory = made.get();
    if (memory == null) {
      throw new IllegalStateException("no memory");
    }
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < arguments.size(); i++) {
      int function = i / CALLS;
      instance.global(0).setValue(FUEL);
      String outcome;
      try {
        long[] results = instance.export("f" + function).apply(arguments.get(i).clone());
        outcome = describe(results, generator.functions().get(function).results());
      } catch (WasmEngineException | IndexOutOfBoundsException e) {
        outcome = "trap";
      }
      StringBuilder globals = new StringBuilder();
      for (int g = 0; g < GLOBALS; g++) {
        long bits = instance.global(g).getValue();
        // What an engine keeps above a number of 32 bits is its own business.
        globals.append(' ').append(Long.toHexString(isNarrow(g) ? bits & 0xffff_ffffL : bits));
      }
      byte[] bytes = memory.segment(memory.size()).toArray(ValueLayout.JAVA_BYTE);
      lines.add(
          "f%d: %s;%s; %d bytes, %x"
              .formatted(function, outcome, globals, bytes.length, Arrays.hashCode(bytes)));
    }
    return lines;
  }

  private static boolean isNarrow(int global) {
    int type = WasmModuleGenerator.globalType(global);
    return type == 0x7f || WasmModuleGenerator.isFloat(type, 32);
  }

  private static String describe(long @Nullable [] results, List<Integer> types) {
    StringBuilder line = new StringBuilder("result");
    for (int i = 0; i < types.size(); i++) {
      boolean narrow = types.get(i) == 0x7f || WasmModuleGenerator.isFloat(types.get(i), 32);
      long bits = results == null ? 0 : results[i];
      line.append(' ').append(Long.toHexString(narrow ? bits & 0xffff_ffffL : bits));
    }
    return line.toString();
  }
}

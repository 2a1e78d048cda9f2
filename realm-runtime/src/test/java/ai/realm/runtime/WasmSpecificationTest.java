package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import run.endive.runtime.CallResult;
import run.endive.runtime.ImportFunction;
import run.endive.runtime.ImportValues;
import run.endive.runtime.Instance;
import run.endive.runtime.WasmExternRef;
import run.endive.wasm.WasmEngineException;
import run.endive.wasm.types.FunctionImport;
import run.endive.wasm.types.FunctionType;
import run.endive.wasm.types.Value;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// W18: the tests of the WebAssembly specification on what guests go through, our admission and Endive's
/// compiler over memory of ours. Which version is third-party data that is not kept here: `./dev wasm-spec
/// FOLDER` converts the `.wast` files of a folder, with `wast2json` of wabt, and runs this.
///
/// What is not admitted is refused, and what is asked of such a module cannot be run; each reason is one of
/// [#REFUSALS], and the rest is counted.
@Tag("wasm-spec")
final class WasmSpecificationTest {
  /// What an honest module of the specification may be refused for: `GuestAdmission` says why.
  private static final List<String> REFUSALS =
      List.of(
          "only functions may be imported",
          "has no such function",
          "table.grow",
          "limits",
          "is not admitted",
          "expected at most");

  /// Invalid in the version that wabt knows, valid since version 3.0, which Endive implements: constant
  /// expressions that read a global of the module itself.
  private static final String VALID_SINCE = "unknown global";

  private static final long MEMORY = 256L << 20;
  private static final long FILE_MINUTES = 5;
  private static final JsonMapper JSON = JsonMapper.shared();

  static Stream<Path> files() throws IOException {
    String folder = System.getProperty("realm.wasm.spec", "");
    if (folder.isEmpty()) {
      throw new IllegalStateException(
          "-Drealm.wasm.spec: expected a folder of what wast2json wrote, found none");
    }
    try (Stream<Path> all = Files.list(Path.of(folder))) {
      List<Path> found = all.filter(f -> f.toString().endsWith(".json")).sorted().toList();
      if (found.isEmpty()) {
        throw new IllegalStateException(folder + ": expected files of wast2json, found none");
      }
      return found.stream();
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("files")
  void behavesAsSpecified(Path file) throws Exception {
    Run run = new Run(file);
    FutureTask<Void> task = new FutureTask<>(run::all, null);
    // A stack as guests have it: how deep calls may nest is asked too.
    Thread thread =
        new Thread(null, task, "wasm-spec", GuestLimits.DEFAULT.stackBytes() + (1 << 20));
    thread.setDaemon(true);
    thread.start();
    try {
      task.get(FILE_MINUTES, TimeUnit.MINUTES);
    } catch (TimeoutException e) {
      throw new AssertionError(file + ": does not end", e);
    } catch (ExecutionException e) {
      throw new AssertionError(file.toString(), e.getCause());
    }
    System.out.printf("%-28s %s%n", file.getFileName(), run.counts);
    assertThat(run.failures).isEmpty();
  }

  /// One file's commands, in order.
  private static final class Run {
    final Map<String, Integer> counts = new TreeMap<>();
    final List<String> failures = new ArrayList<>();
    private final Path file;
    private final Map<String, Instance> named = new TreeMap<>();
    private @Nullable Instance current;
    private boolean registered;
    private boolean linked;

    Run(Path file) {
      this.file = file;
    }

    void all() {
      try {
        for (JsonNode command : JSON.readTree(Files.readAllBytes(file)).required("commands")) {
          run(command);
        }
      } catch (IOException e) {
        throw new IllegalStateException(file.toString(), e);
      }
    }

    private void count(String what) {
      counts.merge(what, 1, Integer::sum);
    }

    private void fail(JsonNode command, String what) {
      failures.add("line %d: %s".formatted(command.required("line").intValue(), what));
    }

    private byte[] bytes(JsonNode command) throws IOException {
      return Files.readAllBytes(file.resolveSibling(command.required("filename").stringValue()));
    }

    private void run(JsonNode command) throws IOException {
      switch (command.required("type").stringValue()) {
        case "module" -> module(command);
        case "assert_malformed", "assert_invalid" -> refused(command);
        case "assert_unlinkable", "assert_uninstantiable" -> fails(command);
        case "assert_return" -> returns(command);
        case "action" -> returns(command);
        case "assert_trap" -> traps(command, false);
        case "assert_exhaustion" -> traps(command, true);
        case "register" -> registered = true;
        default -> throw new IllegalStateException("unknown command " + command);
      }
    }

    private void module(JsonNode command) throws IOException {
      current = null;
      try {
        current = instantiate(bytes(command));
        if (command.has("name")) {
          named.put(command.required("name").stringValue(), current);
        }
        count("modules");
      } catch (GuestFormatException e) {
        String reason = String.valueOf(e.getMessage());
        if (REFUSALS.stream().noneMatch(reason::contains)) {
          fail(command, "an honest module is refused: " + reason);
        }
        // It would have changed the tables, memories and globals that it imports.
        linked |= registered;
        count("modules not admitted");
      } catch (WasmEngineException | StackOverflowError e) {
        fail(command, "an honest module does not start: " + e);
      }
    }

    private static Instance instantiate(byte[] wasm) {
      EndiveGuestEngine.EndiveModule made = new EndiveGuestEngine().load(wasm, GuestLimits.DEFAULT);
      MemoryBudget budget = new MemoryBudget(MEMORY);
      ImportValues.Builder imports = ImportValues.builder();
      var wanted = made.module().importSection();
      for (int i = 0; i < wanted.importCount(); i++) {
        if (!(wanted.getImport(i) instanceof FunctionImport function)
            || !function.module().equals("spectest")
            || !function.name().startsWith("print")) {
          throw new GuestFormatException(
              "guest import %s: the host has no such function".formatted(wanted.getImport(i)));
        }
        imports.addFunction(
            new ImportFunction(
                function.module(),
                function.name(),
                made.module().typeSection().getType(function.typeIndex()),
                (instance, arguments) -> new long[0]));
      }
      return Instance.builder(made.module())
          .withImportValues(imports.build())
          .withMachineFactory(made.machine())
          .withMemoryFactory(limits -> new FlatMemory(limits, budget))
          .build();
    }

    /// By admission or by the engine's validation, before anything runs.
    private void refused(JsonNode command) throws IOException {
      if (command.path("module_type").asString("").equals("text")) {
        count("text, for other tools");
        return;
      }
      try {
        new EndiveGuestEngine().load(bytes(command), GuestLimits.DEFAULT);
        String reason = command.path("text").asString();
        if (!reason.equals(VALID_SINCE)) {
          fail(command, "expected a refusal: " + reason);
        }
        count("valid since version 3.0");
      } catch (GuestFormatException e) {
        count("refused");
      }
    }

    private void fails(JsonNode command) throws IOException {
      try {
        instantiate(bytes(command));
        fail(command, "expected no instance: " + command.path("text").asString());
      } catch (GuestFormatException | WasmEngineException e) {
        count("not instantiated");
      }
    }

    /// Whom an action asks; null, and counted, where that cannot be run.
    private @Nullable Instance instance(JsonNode action) {
      Instance on =
          action.has("module") ? named.get(action.required("module").stringValue()) : current;
      if (on == null) {
        count("not run: module not admitted");
      } else if (linked) {
        count("not run: beside a module that is not admitted");
      }
      return linked ? null : on;
    }

    private static CallResult act(Instance on, JsonNode action) {
      String field = action.required("field").stringValue();
      if (action.required("type").stringValue().equals("get")) {
        return CallResult.of(new long[] {on.exports().global(field).getValue()}, null);
      }
      JsonNode arguments = action.required("args");
      long[] values = new long[arguments.size()];
      Object[] references = new Object[values.length];
      for (int i = 0; i < values.length; i++) {
        values[i] = value(arguments.get(i));
        if (isExternal(arguments.get(i)) && values[i] != Value.REF_NULL_VALUE) {
          references[i] = new WasmExternRef(values[i]);
        }
      }
      FunctionType type = on.exportType(field);
      return type.hasObjectRefParams() || type.hasObjectRefReturns()
          ? on.export(field).applyWithRefs(values, references)
          : CallResult.of(on.export(field).apply(values), null);
    }

    private static boolean isExternal(JsonNode typed) {
      return typed.required("type").stringValue().equals("externref");
    }

    private void returns(JsonNode command) {
      JsonNode action = command.required("action");
      Instance on = instance(action);
      if (on == null) {
        return;
      }
      String field = action.required("field").stringValue();
      CallResult results;
      try {
        results = act(on, action);
      } catch (WasmEngineException | StackOverflowError | IndexOutOfBoundsException e) {
        fail(command, field + ": expected results, found " + e);
        return;
      }
      JsonNode expected = command.path("expected");
      if (command.required("type").stringValue().equals("assert_return")) {
        for (int i = 0; i < expected.size(); i++) {
          if (isExternal(expected.get(i))) {
            long found =
                results.refResult(i) instanceof WasmExternRef reference
                    ? reference.value()
                    : Value.REF_NULL_VALUE;
            if (found != value(expected.get(i))) {
              fail(command, "%s: expected %s, found %d".formatted(field, expected.get(i), found));
            }
          } else if (!equal(results.longResult(i), expected.get(i))) {
            if (isUnquietedNan(field, results.longResult(i), expected.get(i))) {
              count("NaN not quieted");
              return;
            }
            fail(
                command,
                "%s: expected %s, found 0x%x"
                    .formatted(field, expected.get(i), results.longResult(i)));
            return;
          }
        }
      }
      count("results");
    }

    private void traps(JsonNode command, boolean exhausted) {
      JsonNode action = command.required("action");
      Instance on = instance(action);
      if (on == null) {
        return;
      }
      String field = action.required("field").stringValue();
      try {
        act(on, action);
        fail(command, field + ": expected a trap: " + command.path("text").asString());
      } catch (StackOverflowError e) {
        if (!exhausted) {
          fail(command, field + ": expected a trap, found its stack exhausted");
        }
        count("exhausted");
      } catch (WasmEngineException
          | IndexOutOfBoundsException
          | NegativeArraySizeException
          | ClassCastException e) {
        // Those that EndiveGuestEngine makes traps of.
        count(exhausted ? "exhausted" : "traps");
      }
    }

    private static long value(JsonNode typed) {
      String value = typed.required("value").stringValue();
      return switch (typed.required("type").stringValue()) {
        case "i32", "f32" -> Integer.parseUnsignedInt(value);
        case "i64", "f64" -> Long.parseUnsignedLong(value);
        case "externref", "funcref" ->
            value.equals("null") ? Value.REF_NULL_VALUE : Long.parseLong(value);
        default -> throw new IllegalStateException("unknown value " + typed);
      };
    }

    private static boolean equal(long found, JsonNode expected) {
      String type = expected.required("type").stringValue();
      String value = expected.path("value").asString("any");
      if (value.startsWith("nan:")) {
        return type.equals("f32") ? isNan32(value, found) : isNan64(value, found);
      }
      if (type.equals("funcref") && !value.equals("null")) {
        return found != Value.REF_NULL_VALUE;
      }
      long wanted = value(expected);
      boolean narrow = type.equals("i32") || type.equals("f32");
      return narrow ? (int) found == (int) wanted : found == wanted;
    }

    /// Endive compiles these to Java's, which hand a signalling NaN on as it came: a payload of NaN is nobody's
    /// secret and reaches no host function but as the guest's own bytes.
    private static boolean isUnquietedNan(String field, long found, JsonNode expected) {
      return List.of("min", "max", "floor", "ceil", "trunc").contains(field)
          && expected.path("value").asString("").startsWith("nan:")
          && (expected.required("type").stringValue().equals("f32")
              ? Float.isNaN(Float.intBitsToFloat((int) found))
              : Double.isNaN(Double.longBitsToDouble(found)));
    }

    private static boolean isNan32(String kind, long bits) {
      int magnitude = (int) bits & 0x7fff_ffff;
      return kind.equals("nan:canonical")
          ? magnitude == 0x7fc0_0000
          : (magnitude & 0x7fc0_0000) == 0x7fc0_0000;
    }

    private static boolean isNan64(String kind, long bits) {
      long magnitude = bits & 0x7fff_ffff_ffff_ffffL;
      return kind.equals("nan:canonical")
          ? magnitude == 0x7ff8_0000_0000_0000L
          : (magnitude & 0x7ff8_0000_0000_0000L) == 0x7ff8_0000_0000_0000L;
    }
  }
}

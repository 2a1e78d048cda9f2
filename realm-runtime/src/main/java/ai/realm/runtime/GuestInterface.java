package ai.realm.runtime;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// What a module imports and exports, read before it is compiled: a guest that is to answer for a tenant
/// must fit the host on both sides, wherever it runs. See chapter 5 of the WebAssembly core specification;
/// [GuestAdmission] bounds what is read here only as far as this needs.
final class GuestInterface {
  private static final String HOST_MODULE = "realm_host";

  private static final int TYPE = 1;
  private static final int IMPORT = 2;
  private static final int FUNCTION = 3;
  private static final int MEMORY = 5;
  private static final int EXPORT = 7;

  private static final int FUNCTION_TYPE = 0x60;
  private static final int FUNCTION_KIND = 0;
  private static final int I32 = 0x7f;

  private static final int MAX_ENTRIES = 65_536;

  /// The names of value types, by their bytes.
  private static final Map<Integer, String> VALUE_TYPES =
      Map.of(
          0x7f, "i32", 0x7e, "i64", 0x7d, "f32", 0x7c, "f64", 0x70, "funcref", 0x6f, "externref");

  /// What [LoadedGuest] calls, by the i32 parameters.
  private static final Map<String, Integer> WANTED =
      new TreeMap<>(Map.of("load_model", 0, "generate", 1));

  private record Type(List<Integer> parameters, List<Integer> results) {
    boolean takes(int count) {
      return parameters.size() == count
          && parameters.stream().allMatch(t -> t == I32)
          && results.equals(List.of(I32));
    }

    @Override
    public String toString() {
      return text(parameters) + " -> " + text(results);
    }

    private static String text(List<Integer> types) {
      return types.stream()
          .map(t -> VALUE_TYPES.getOrDefault(t, "0x%x".formatted(t)))
          .collect(Collectors.joining(", ", "(", ")"));
    }
  }

  private record Import(String module, String name, int kind, @Nullable Type type) {
    @Override
    public String toString() {
      return "guest import %s.%s".formatted(module, name);
    }
  }

  private final WasmBytes in;
  private final List<Type> types = new ArrayList<>();
  private final List<Type> functions = new ArrayList<>();
  private final List<Import> imports = new ArrayList<>();
  private final Map<String, Type> exports = new TreeMap<>();
  private boolean hasMemory;

  private GuestInterface(byte[] wasm) {
    in = new WasmBytes(wasm);
  }

  /// Checks that the host has all that a guest imports, and the guest what a tenant's calls need: a memory
  /// where it imports anything, `load_model` without parameters and `generate` of one.
  ///
  /// @param find the host's function of a name, or null
  /// @throws GuestFormatException naming the import or export, what was expected and what was found
  static GuestInterface check(byte[] wasm, Function<String, @Nullable HostFunction> find) {
    GuestInterface guest = of(wasm);
    guest.imports.forEach(wanted -> check(wanted, find));
    WANTED.forEach(guest::checkExport);
    if (!guest.imports.isEmpty() && !guest.hasMemory) {
      throw new GuestFormatException(
          "guest memory: expected one, which host functions read and write, found none");
    }
    return guest;
  }

  /// What a module says, unchecked.
  static GuestInterface of(byte[] wasm) {
    GuestInterface guest = new GuestInterface(wasm);
    guest.read();
    return guest;
  }

  /// Whether it exports a function of so many i32 parameters and an i32 result.
  boolean exports(String name, int parameters) {
    Type type = exports.get(name);
    return type != null && type.takes(parameters);
  }

  private static void check(Import wanted, Function<String, @Nullable HostFunction> find) {
    Type type = wanted.type();
    if (type == null) {
      throw new GuestFormatException(
          "%s: expected a function, found an import of kind %d".formatted(wanted, wanted.kind()));
    }
    HostFunction function = wanted.module().equals(HOST_MODULE) ? find.apply(wanted.name()) : null;
    if (function == null) {
      throw new GuestFormatException(wanted + ": the host has no such function");
    }
    if (!type.takes(function.parameters())) {
      throw new GuestFormatException(
          "%s: expected %d i32 parameters and an i32 result, found %s"
              .formatted(wanted, function.parameters(), type));
    }
  }

  private void checkExport(String name, int parameters) {
    if (!exports(name, parameters)) {
      Type type = exports.get(name);
      throw new GuestFormatException(
          "guest export %s: expected a function of %d i32 parameters and an i32 result, found %s"
              .formatted(name, parameters, type == null ? "none" : type));
    }
  }

  private void read() {
    in.header();
    while (in.hasMore()) {
      int id = in.u8();
      int outer = in.enter(in.u31(), "section " + id);
      switch (id) {
        case TYPE -> readTypes();
        case IMPORT -> readImports();
        case FUNCTION -> readFunctions();
        case MEMORY -> hasMemory |= in.u31() > 0;
        case EXPORT -> readExports();
        default -> {}
      }
      in.skip(in.left());
      in.leave(outer, "section " + id);
    }
  }

  private void readTypes() {
    int count = in.count("types", MAX_ENTRIES);
    for (int i = 0; i < count; i++) {
      if (in.u8() != FUNCTION_TYPE) {
        throw in.refuse("type %d: expected a function type", i);
      }
      types.add(new Type(readValueTypes("parameters"), readValueTypes("results")));
    }
  }

  private List<Integer> readValueTypes(String what) {
    int count = in.count(what, MAX_ENTRIES);
    List<Integer> values = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      values.add(in.u8());
    }
    return List.copyOf(values);
  }

  private Type type() {
    return types.get(in.index("type", types.size()));
  }

  /// Up to the first that is no function, which no host has.
  private void readImports() {
    int count = in.count("imports", MAX_ENTRIES);
    for (int i = 0; i < count; i++) {
      String module = in.name(GuestAdmission.MAX_NAME_BYTES);
      String name = in.name(GuestAdmission.MAX_NAME_BYTES);
      int kind = in.u8();
      if (kind != FUNCTION_KIND) {
        imports.add(new Import(module, name, kind, null));
        return;
      }
      Type type = type();
      imports.add(new Import(module, name, kind, type));
      functions.add(type);
    }
  }

  private void readFunctions() {
    int count = in.count("functions", MAX_ENTRIES);
    for (int i = 0; i < count; i++) {
      functions.add(type());
    }
  }

  private void readExports() {
    int count = in.count("exports", MAX_ENTRIES);
    for (int i = 0; i < count; i++) {
      String name = in.name(GuestAdmission.MAX_NAME_BYTES);
      if (in.u8() == FUNCTION_KIND) {
        exports.put(name, functions.get(in.index("function", functions.size())));
      } else {
        in.u31();
      }
    }
  }
}

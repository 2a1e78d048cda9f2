package ai.realm.runtime;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Reads every untrusted module before the WebAssembly engine does and refuses what the engine cannot
/// contain: features outside an allow-list, and sizes whose parsing or compiling would cost more than a
/// tenant may cause. Time and memory are linear in the module's bytes.
///
/// Allowed: the first version of WebAssembly, sign extension, saturating float-to-int, multi-value, bulk
/// memory, reference types. Refused: tail calls (Endive cannot interrupt them), garbage collection (its
/// objects escape every memory cap), exceptions, threads, SIMD, several memories, 64-bit memory, and
/// `table.grow` (it would change the limits of the module that realms share).
///
/// See chapter 5 of the WebAssembly core specification. Types are left to the engine's own validation.
final class GuestAdmission {
  // A C, Rust or AssemblyScript guest stays below a tenth of these.
  private static final int MAX_TYPES = 4_096;
  private static final int MAX_PARAMETERS = 64;
  private static final int MAX_RESULTS = 16;
  private static final int MAX_IMPORTS = 256;
  private static final int MAX_FUNCTIONS = 10_000;
  private static final int MAX_EXPORTS = 1_024;
  private static final int MAX_GLOBALS = 4_096;
  private static final int MAX_TABLES = 4;
  private static final int MAX_TABLE_ENTRIES = 65_536;
  private static final int MAX_ELEMENT_SEGMENTS = 4_096;
  private static final int MAX_ELEMENTS = 65_536;
  private static final int MAX_DATA_SEGMENTS = 16_384;

  /// The longest name of an import or export.
  static final int MAX_NAME_BYTES = 512;

  /// What calls by type cost: for each type the engine compiles a switch over all functions of that form,
  /// so types of the same form, which compilers' output has once, cost their number each.
  private static final long MAX_CALLS_BY_TYPE = 2_000_000;

  private static final int MAX_PAGES = 65_536;

  private static final int FUNCTION_TYPE = 0x60;
  private static final int FUNCREF = 0x70;
  private static final int EXTERNREF = 0x6f;

  private static final int CUSTOM = 0;
  private static final int TYPE = 1;
  private static final int IMPORT = 2;
  private static final int FUNCTION = 3;
  private static final int TABLE = 4;
  private static final int MEMORY = 5;
  private static final int GLOBAL = 6;
  private static final int EXPORT = 7;
  private static final int START = 8;
  private static final int ELEMENT = 9;
  private static final int CODE = 10;
  private static final int DATA = 11;
  private static final int DATA_COUNT = 12;

  private final WasmBytes in;

  /// The form of each type, parameters and results.
  private final List<String> forms = new ArrayList<>();

  private final List<GuestCode.Signature> types = new ArrayList<>();

  /// Type of each function, imported ones first.
  private final List<Integer> functions = new ArrayList<>();

  private int importedFunctions;
  private int tables;
  private int memories;
  private int globals;
  private int elementSegments;
  private int elements;
  private int dataSegments = -1;
  private boolean hasCode;

  private GuestAdmission(byte[] wasm) {
    in = new WasmBytes(wasm);
  }

  /// Checks a module and returns it without its custom sections, which the engine would parse for
  /// nothing.
  ///
  /// @throws GuestFormatException naming the offset, when it is malformed or not admitted
  static byte[] check(byte[] wasm, GuestLimits limits) {
    if (wasm.length > limits.maxModuleBytes()) {
      throw new GuestFormatException(
          "guest: expected at most %d bytes, found %d"
              .formatted(limits.maxModuleBytes(), wasm.length));
    }
    return new GuestAdmission(wasm).module(wasm);
  }

  private byte[] module(byte[] wasm) {
    in.header();
    ByteArrayOutputStream kept = new ByteArrayOutputStream(wasm.length);
    kept.write(wasm, 0, in.offset());
    int last = 0;
    while (in.hasMore()) {
      int start = in.offset();
      int id = in.u8();
      int outer = in.enter(in.u31(), "section " + id);
      if (id == CUSTOM) {
        in.name(MAX_NAME_BYTES);
        in.skip(in.left());
      } else {
        last = inOrder(id, last);
        section(id);
      }
      in.leave(outer, "section " + id);
      if (id != CUSTOM) {
        kept.write(wasm, start, in.offset() - start);
      }
    }
    if (functions.size() > importedFunctions && !hasCode) {
      throw in.refuse("expected a code section, found none");
    }
    if (dataSegments > 0 && last != DATA) {
      throw in.refuse("expected a data section, found none");
    }
    return kept.toByteArray();
  }

  /// Sections come once, in the order of their numbers, but the data count stands before the code.
  private int inOrder(int id, int last) {
    if (id > DATA_COUNT) {
      throw in.refuse("section %d is not admitted", id);
    }
    if (rank(id) <= rank(last)) {
      throw in.refuse(
          "section %d: expected sections once and in order, found it after %d", id, last);
    }
    return id;
  }

  private static int rank(int id) {
    return id == DATA_COUNT ? 2 * ELEMENT + 1 : 2 * id;
  }

  private void section(int id) {
    switch (id) {
      case TYPE -> types();
      case IMPORT -> imports();
      case FUNCTION -> functions();
      case TABLE -> tables();
      case MEMORY -> memories();
      case GLOBAL -> globals();
      case EXPORT -> exports();
      case START -> in.index("start function", functions.size());
      case ELEMENT -> elements();
      case CODE -> code();
      case DATA -> data();
      case DATA_COUNT -> dataSegments = dataCount();
      default -> throw in.refuse("section %d is not admitted", id);
    }
  }

  private void types() {
    int count = in.count("types", MAX_TYPES);
    for (int i = 0; i < count; i++) {
      int form = in.u8();
      if (form != FUNCTION_TYPE) {
        throw in.refuse("type %d: expected a function type, found 0x%x", i, form);
      }
      StringBuilder shape = new StringBuilder();
      int parameters = in.count("parameters", MAX_PARAMETERS);
      for (int j = 0; j < parameters; j++) {
        shape.append((char) valueType());
      }
      shape.append(':');
      int results = in.count("results", MAX_RESULTS);
      for (int j = 0; j < results; j++) {
        shape.append((char) valueType());
      }
      forms.add(shape.toString());
      types.add(new GuestCode.Signature(parameters, results));
    }
  }

  private int valueType() {
    int type = in.u8();
    if (!isValueType(type)) {
      throw in.refuse("value type 0x%x is not admitted", type);
    }
    return type;
  }

  static boolean isValueType(int type) {
    return type >= 0x7c && type <= 0x7f || type == FUNCREF || type == EXTERNREF;
  }

  private void imports() {
    int count = in.count("imports", MAX_IMPORTS);
    for (int i = 0; i < count; i++) {
      String name = in.name(MAX_NAME_BYTES) + "." + in.name(MAX_NAME_BYTES);
      int kind = in.u8();
      if (kind != 0) {
        throw in.refuse("import %s: only functions may be imported, found kind %d", name, kind);
      }
      functions.add(in.index("import type", types.size()));
    }
    importedFunctions = count;
  }

  private void functions() {
    int count = in.count("functions", MAX_FUNCTIONS);
    for (int i = 0; i < count; i++) {
      functions.add(in.index("function type", types.size()));
    }
  }

  private void tables() {
    tables = in.count("tables", MAX_TABLES);
    long entries = 0;
    for (int i = 0; i < tables; i++) {
      int type = in.u8();
      if (type != FUNCREF && type != EXTERNREF) {
        throw in.refuse("table %d: type 0x%x is not admitted", i, type);
      }
      int flags = in.u8();
      if (flags > 1) {
        throw in.refuse("table %d: limits 0x%x are not admitted", i, flags);
      }
      long min = in.u32();
      long max = flags == 1 ? in.u32() : min;
      entries += min;
      if (entries > MAX_TABLE_ENTRIES || max < min) {
        throw in.refuse(
            "table %d: expected at most %d entries in all tables, found %d to %d",
            i, MAX_TABLE_ENTRIES, min, max);
      }
    }
  }

  private void memories() {
    memories = in.count("memories", 1);
    for (int i = 0; i < memories; i++) {
      int flags = in.u8();
      if (flags > 1) {
        throw in.refuse("memory: limits 0x%x are not admitted", flags);
      }
      long min = in.u32();
      long max = flags == 1 ? in.u32() : MAX_PAGES;
      if (min > max || max > MAX_PAGES) {
        throw in.refuse("memory: expected at most %d pages, found %d to %d", MAX_PAGES, min, max);
      }
    }
  }

  private void globals() {
    int count = in.count("globals", MAX_GLOBALS);
    for (int i = 0; i < count; i++) {
      valueType();
      if (in.u8() > 1) {
        throw in.refuse("global %d: expected a mutability of 0 or 1", i);
      }
      constantExpression();
      globals++;
    }
  }

  private void exports() {
    int count = in.count("exports", MAX_EXPORTS);
    Set<String> names = new HashSet<>();
    for (int i = 0; i < count; i++) {
      String name = in.name(MAX_NAME_BYTES);
      if (!names.add(name)) {
        throw in.refuse("export %s: expected names once, found it again", name);
      }
      int kind = in.u8();
      int size =
          switch (kind) {
            case 0 -> functions.size();
            case 1 -> tables;
            case 2 -> memories;
            case 3 -> globals;
            default -> throw in.refuse("export %s: kind %d is not admitted", name, kind);
          };
      in.index("export " + name, size);
    }
  }

  private void elements() {
    elementSegments = in.count("element segments", MAX_ELEMENT_SEGMENTS);
    for (int i = 0; i < elementSegments; i++) {
      int flags = in.u31();
      if (flags > 7) {
        throw in.refuse("element segment %d: flags 0x%x are not admitted", i, flags);
      }
      if ((flags & 1) == 0) {
        elementTable((flags & 2) != 0);
        constantExpression();
      }
      boolean expressions = (flags & 4) != 0;
      if ((flags & 3) != 0) {
        int kind = in.u8();
        if (expressions ? kind != FUNCREF && kind != EXTERNREF : kind != 0) {
          throw in.refuse("element segment %d: kind 0x%x is not admitted", i, kind);
        }
      }
      int count = in.count("elements", MAX_ELEMENTS);
      elements += count;
      if (elements > MAX_ELEMENTS) {
        throw in.refuse("elements: expected at most %d in all segments", MAX_ELEMENTS);
      }
      for (int j = 0; j < count; j++) {
        if (expressions) {
          constantExpression();
        } else {
          in.index("element", functions.size());
        }
      }
    }
  }

  private void elementTable(boolean explicit) {
    if (explicit) {
      in.index("element table", tables);
    } else if (tables == 0) {
      throw in.refuse("element segment: expected a table, found none");
    }
  }

  /// One constant or one `global.get` or `ref.func` or `ref.null`, then `end`.
  private void constantExpression() {
    int op = in.u8();
    switch (op) {
      case 0x41 -> in.skipSigned(32);
      case 0x42 -> in.skipSigned(64);
      case 0x43 -> in.skip(4);
      case 0x44 -> in.skip(8);
      case 0x23 -> in.index("global", globals);
      case 0xd2 -> in.index("function", functions.size());
      case 0xd0 -> {
        int type = in.u8();
        if (type != FUNCREF && type != EXTERNREF) {
          throw in.refuse("ref.null: type 0x%x is not admitted", type);
        }
      }
      default -> throw in.refuse("constant expression: opcode 0x%x is not admitted", op);
    }
    if (in.u8() != 0x0b) {
      throw in.refuse("constant expression: expected one instruction and its end");
    }
  }

  private void code() {
    hasCode = true;
    callsByType();
    int expected = functions.size() - importedFunctions;
    int count = in.count("function bodies", MAX_FUNCTIONS);
    if (count != expected) {
      throw in.refuse("function bodies: expected %d, found %d", expected, count);
    }
    GuestCode code =
        new GuestCode(
            in,
            new GuestCode.Spaces(
                types,
                functions,
                tables,
                memories,
                globals,
                elementSegments,
                Math.max(0, dataSegments)));
    for (int i = 0; i < count; i++) {
      code.body(importedFunctions + i);
    }
  }

  private void callsByType() {
    Map<String, Integer> functionsOf = new HashMap<>();
    for (int type : functions) {
      functionsOf.merge(forms.get(type), 1, Integer::sum);
    }
    long cost = 0;
    for (int i = 0; i < types.size(); i++) {
      long each = 4 + 2L * types.get(i).parameters();
      cost += each * functionsOf.getOrDefault(forms.get(i), 0);
    }
    if (cost > MAX_CALLS_BY_TYPE) {
      throw in.refuse(
          "%d types of the forms of %d functions are too many to compile",
          types.size(), functions.size());
    }
  }

  /// Announces the data segments; nothing is counted out here.
  private int dataCount() {
    int count = in.u31();
    if (count > MAX_DATA_SEGMENTS) {
      throw in.refuse("data segments: expected at most %d, found %d", MAX_DATA_SEGMENTS, count);
    }
    return count;
  }

  private void data() {
    int count = in.count("data segments", MAX_DATA_SEGMENTS);
    if (dataSegments >= 0 && dataSegments != count) {
      throw in.refuse("data segments: expected the %d announced, found %d", dataSegments, count);
    }
    for (int i = 0; i < count; i++) {
      int flags = in.u31();
      if (flags > 2) {
        throw in.refuse("data segment %d: flags 0x%x are not admitted", i, flags);
      }
      if (flags != 1) {
        if (flags == 2) {
          in.index("data memory", memories);
        } else if (memories == 0) {
          throw in.refuse("data segment %d: expected a memory, found none", i);
        }
        constantExpression();
      }
      in.skip(in.u31());
    }
  }
}

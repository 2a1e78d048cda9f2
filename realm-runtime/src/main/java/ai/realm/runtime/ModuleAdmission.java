package ai.realm.runtime;

import java.util.HashSet;
import java.util.Set;

/// Decides whether a tenant's module may be handed to the WebAssembly engine, before the engine reads
/// it: allowed are the MVP, sign extension, saturating conversions, multi-value, bulk memory and
/// reference types, within bounds on everything that costs memory or compile time. Tail calls, garbage
/// collection, exceptions, threads, SIMD, 64-bit and multiple memories are refused, and `table.grow`,
/// because the engine does not contain them (`docs/security.md` says what was measured). One pass, no
/// allocation for what a module claims.
final class ModuleAdmission {
  private static final int MAX_TYPES = 4096;
  private static final int MAX_ARITY = 64;
  private static final int MAX_IMPORTS = 256;
  private static final int MAX_FUNCTIONS = 10_000;
  private static final int MAX_TABLES = 4;
  private static final int MAX_TABLE = 65_536;
  private static final int MAX_GLOBALS = 4096;
  private static final int MAX_EXPORTS = 4096;
  private static final int MAX_SEGMENTS = 4096;
  private static final int MAX_BODY_BYTES = 1 << 20;
  private static final int MAX_LOCALS = 4096;
  private static final int MAX_ALL_LOCALS = 200_000;
  private static final int MAX_NESTING = 512;
  private static final int MAX_BRANCH_TABLE = 8192;
  private static final int MAX_PAGES = 65_536;

  private static final int I32 = 0x7f;
  private static final int FUNCREF = 0x70;
  private static final int EXTERNREF = 0x6f;

  private final ModuleReader in;
  private final GuestLimits limits;
  private int types;
  private int importedFunctions;
  private int functions;
  private int tables;
  private int memories;
  private int globals;
  private long allLocals;

  private ModuleAdmission(byte[] wasm, GuestLimits limits) {
    this.in = new ModuleReader(wasm);
    this.limits = limits;
  }

  /// @throws GuestFormatException naming the place, what was expected and what was found
  static void check(byte[] wasm, GuestLimits limits) {
    new ModuleAdmission(wasm, limits).module();
  }

  private void module() {
    if (in.remaining() < 8 || word("magic") != 0x6d736100) {
      throw in.error("magic", "\\0asm", "something else");
    }
    int version = word("version");
    if (version != 1) {
      throw in.error("version", "1", ModuleReader.unsigned(version));
    }
    int last = 0;
    while (in.remaining() > 0) {
      int id = in.u8("section");
      int before = in.enter("section " + id + " size", in.u32("section size"));
      if (id != 0) {
        int order = order(id);
        if (order <= last) {
          throw in.error("section", "sections once and in order", "section " + id);
        }
        last = order;
      }
      section(id);
      in.leave("section " + id, before);
    }
  }

  private int word(String what) {
    return in.u8(what) | in.u8(what) << 8 | in.u8(what) << 16 | in.u8(what) << 24;
  }

  /// Sections come in the order of their numbers, but for the count of data segments (12), which comes
  /// before code.
  private int order(int id) {
    if (id > 12) {
      throw in.error("section", "0 to 12", Integer.toString(id));
    }
    return id == 12 ? 19 : id * 2;
  }

  private void section(int id) {
    switch (id) {
      case 0 -> in.skip("custom section", in.remaining());
      case 1 -> typeSection();
      case 2 -> importSection();
      case 3 -> {
        functions = in.count("functions", MAX_FUNCTIONS);
        for (int i = 0; i < functions; i++) {
          in.index("function type", types);
        }
      }
      case 4 -> {
        tables = in.count("tables", MAX_TABLES);
        for (int i = 0; i < tables; i++) {
          referenceType("table");
          bounds("table", MAX_TABLE);
        }
      }
      case 5 -> {
        memories = in.count("memories", 1);
        for (int i = 0; i < memories; i++) {
          bounds("memory", (int) Math.min(MAX_PAGES, limits.maxMemoryBytes() >> 16));
        }
      }
      case 6 -> {
        globals = in.count("globals", MAX_GLOBALS);
        for (int i = 0; i < globals; i++) {
          valueType("global");
          flag("global mutability");
          constant();
        }
      }
      case 7 -> exportSection();
      case 8 -> in.index("start function", importedFunctions + functions);
      case 9 -> elementSection();
      case 10 -> codeSection();
      case 11 -> dataSection();
      default -> in.count("data segments", MAX_SEGMENTS);
    }
  }

  private void typeSection() {
    types = in.count("types", MAX_TYPES);
    for (int i = 0; i < types; i++) {
      int form = in.u8("type");
      if (form != 0x60) {
        throw in.error("type", "a function type (0x60)", "0x" + Integer.toHexString(form));
      }
      for (String what : new String[] {"parameters", "results"}) {
        int n = in.count(what, MAX_ARITY);
        for (int k = 0; k < n; k++) {
          valueType(what);
        }
      }
    }
  }

  private void importSection() {
    int n = in.count("imports", MAX_IMPORTS);
    for (int i = 0; i < n; i++) {
      in.name("import module");
      String name = in.name("import");
      int kind = in.u8("import kind");
      if (kind != 0) {
        throw in.error("import " + name, "a function (kind 0)", "kind " + kind);
      }
      in.index("import type", types);
      importedFunctions++;
    }
  }

  private void exportSection() {
    int n = in.count("exports", MAX_EXPORTS);
    Set<String> names = new HashSet<>();
    for (int i = 0; i < n; i++) {
      String name = in.name("export");
      if (!names.add(name)) {
        throw in.error("export", "names once", name + " twice");
      }
      int kind = in.u8("export kind");
      switch (kind) {
        case 0 -> in.index("exported function", importedFunctions + functions);
        case 1 -> in.index("exported table", tables);
        case 2 -> in.index("exported memory", memories);
        case 3 -> in.index("exported global", globals);
        default -> throw in.error("export kind", "0 to 3", Integer.toString(kind));
      }
    }
  }

  private void elementSection() {
    int n = in.count("element segments", MAX_SEGMENTS);
    long elements = 0;
    for (int i = 0; i < n; i++) {
      int flags = in.u32("element segment");
      if (flags < 0 || flags > 7) {
        throw in.error("element segment", "flags 0 to 7", ModuleReader.unsigned(flags));
      }
      boolean passive = (flags & 1) != 0;
      boolean explicit = (flags & 2) != 0;
      boolean expressions = (flags & 4) != 0;
      if (!passive) {
        if (explicit) {
          in.index("element table", tables);
        }
        constant();
      }
      if (passive || explicit) {
        if (expressions) {
          referenceType("element segment");
        } else {
          in.u8("element kind");
        }
      }
      int count = in.count("elements", MAX_TABLE);
      elements += count;
      if (elements > MAX_TABLE) {
        throw in.error("elements", "at most " + MAX_TABLE + " in all", Long.toString(elements));
      }
      for (int k = 0; k < count; k++) {
        if (expressions) {
          constant();
        } else {
          in.index("element", importedFunctions + functions);
        }
      }
    }
  }

  private void dataSection() {
    int n = in.count("data segments", MAX_SEGMENTS);
    for (int i = 0; i < n; i++) {
      int flags = in.u32("data segment");
      switch (flags) {
        case 0 -> constant();
        case 1 -> {}
        case 2 -> {
          in.index("data memory", memories);
          constant();
        }
        default -> throw in.error("data segment", "flags 0 to 2", ModuleReader.unsigned(flags));
      }
      in.skip("data", in.u32("data size"));
    }
  }

  private void codeSection() {
    int n = in.count("bodies", MAX_FUNCTIONS);
    if (n != functions) {
      throw in.error("bodies", functions + " as functions", Integer.toString(n));
    }
    for (int i = 0; i < n; i++) {
      int size = in.u32("body size");
      if (size < 0 || size > MAX_BODY_BYTES) {
        throw in.error("body size", "at most " + MAX_BODY_BYTES, ModuleReader.unsigned(size));
      }
      int before = in.enter("body", size);
      locals();
      code();
      in.leave("body", before);
    }
  }

  private void locals() {
    int groups = in.count("local groups", MAX_LOCALS);
    long locals = 0;
    for (int i = 0; i < groups; i++) {
      locals += Integer.toUnsignedLong(in.u32("locals"));
      if (locals > MAX_LOCALS) {
        throw in.error("locals", "at most " + MAX_LOCALS, Long.toString(locals));
      }
      valueType("local");
    }
    allLocals += locals;
    if (allLocals > MAX_ALL_LOCALS) {
      throw in.error(
          "locals", "at most " + MAX_ALL_LOCALS + " in all functions", Long.toString(allLocals));
    }
  }

  /// Instructions up to the end of the body.
  private void code() {
    int nesting = 1;
    while (nesting > 0) {
      int op = in.u8("instruction");
      switch (op) {
        case 0x02, 0x03, 0x04 -> {
          if (++nesting > MAX_NESTING) {
            throw in.error("block", "at most " + MAX_NESTING + " nested blocks", "more");
          }
          in.skipSigned("block type", 33);
        }
        case 0x0b -> nesting--;
        default -> instruction(op);
      }
    }
  }

  private void instruction(int op) {
    switch (op) {
      case 0x00, 0x01, 0x05, 0x0f, 0x1a, 0x1b, 0xd1 -> {}
      case 0x0c, 0x0d -> in.u32("label");
      case 0x0e -> {
        int n = in.count("branch table", MAX_BRANCH_TABLE);
        for (int i = 0; i <= n; i++) {
          in.u32("label");
        }
      }
      case 0x10, 0xd2 -> in.index("function", importedFunctions + functions);
      case 0x11 -> {
        in.index("type", types);
        in.index("table", tables);
      }
      case 0x1c -> {
        int n = in.count("select types", 1);
        for (int i = 0; i < n; i++) {
          valueType("select");
        }
      }
      case 0x20, 0x21, 0x22 -> in.u32("local");
      case 0x23, 0x24 -> in.index("global", globals);
      case 0x25, 0x26 -> in.index("table", tables);
      case 0x3f, 0x40 -> zero("memory");
      case 0x41 -> in.skipSigned("i32", 32);
      case 0x42 -> in.skipSigned("i64", 64);
      case 0x43 -> in.skip("f32", 4);
      case 0x44 -> in.skip("f64", 8);
      case 0xd0 -> referenceType("ref.null");
      case 0xfc -> prefixed(in.u32("instruction"));
      default -> {
        if (op >= 0x28 && op <= 0x3e) {
          int alignment = in.u32("alignment");
          if (alignment < 0 || alignment > 3) {
            throw in.error("alignment", "0 to 3", ModuleReader.unsigned(alignment));
          }
          in.u32("offset");
        } else if (op < 0x45 || op > 0xc4) {
          throw refused(op);
        }
      }
    }
  }

  private GuestFormatException refused(int op) {
    String what =
        switch (op) {
          case 0x12, 0x13 -> "a tail call";
          case 0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f -> "exception handling";
          case 0x14, 0x15, 0xd3, 0xd4, 0xd5, 0xd6, 0xfb -> "garbage-collected references";
          case 0xfd -> "SIMD";
          case 0xfe -> "threads";
          default -> "an unknown instruction";
        };
    return in.error(
        "instruction",
        "one of those that guests may use",
        what + " (0x" + Integer.toHexString(op) + ")");
  }

  private void prefixed(int op) {
    switch (op) {
      case 0, 1, 2, 3, 4, 5, 6, 7 -> {}
      case 8 -> {
        in.u32("data segment");
        zero("memory");
      }
      case 9 -> in.u32("data segment");
      case 10 -> {
        zero("memory");
        zero("memory");
      }
      case 11 -> zero("memory");
      case 12 -> {
        in.u32("element segment");
        in.index("table", tables);
      }
      case 13 -> in.u32("element segment");
      case 14 -> {
        in.index("table", tables);
        in.index("table", tables);
      }
      case 16, 17 -> in.index("table", tables);
      default ->
          throw in.error(
              "instruction",
              "one of those that guests may use",
              op == 15 ? "table.grow" : "0xfc " + ModuleReader.unsigned(op));
    }
  }

  private void zero(String what) {
    int b = in.u8(what);
    if (b != 0) {
      throw in.error(what, "index 0", Integer.toString(b));
    }
  }

  /// A constant expression: numbers, globals, references; integer arithmetic on them.
  private void constant() {
    for (int length = 0; length < 64; length++) {
      int op = in.u8("constant expression");
      switch (op) {
        case 0x0b -> {
          return;
        }
        case 0x23, 0x41, 0x42, 0x43, 0x44, 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e, 0xd0, 0xd2 -> {
          if (op == 0x23) {
            in.u32("global");
          } else {
            instruction(op);
          }
        }
        default ->
            throw in.error("constant expression", "constants", "0x" + Integer.toHexString(op));
      }
    }
    throw in.error("constant expression", "at most 64 instructions", "more");
  }

  private void valueType(String what) {
    int type = in.u8(what + " type");
    if ((type < 0x7c || type > I32) && type != FUNCREF && type != EXTERNREF) {
      throw in.error(
          what + " type",
          "i32, i64, f32, f64, funcref or externref",
          "0x" + Integer.toHexString(type));
    }
  }

  private void referenceType(String what) {
    int type = in.u8(what + " type");
    if (type != FUNCREF && type != EXTERNREF) {
      throw in.error(what + " type", "funcref or externref", "0x" + Integer.toHexString(type));
    }
  }

  private void flag(String what) {
    int b = in.u8(what);
    if (b > 1) {
      throw in.error(what, "0 or 1", Integer.toString(b));
    }
  }

  /// Limits of a table or memory: a minimum within `most`, and a maximum where there is one.
  private void bounds(String what, int most) {
    int flags = in.u8(what + " limits");
    if (flags > 1) {
      throw in.error(
          what + " limits", "0 or 1 (neither shared nor 64-bit)", Integer.toString(flags));
    }
    long min = Integer.toUnsignedLong(in.u32(what + " minimum"));
    if (min > most) {
      throw in.error(what + " minimum", "at most " + most, Long.toString(min));
    }
    if (flags == 1) {
      long max = Integer.toUnsignedLong(in.u32(what + " maximum"));
      if (max < min) {
        throw in.error(what + " maximum", "at least " + min, Long.toString(max));
      }
    }
  }
}

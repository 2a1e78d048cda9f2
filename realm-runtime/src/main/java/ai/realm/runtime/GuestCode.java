package ai.realm.runtime;

/// The function bodies of an untrusted module: an allow-list of opcodes with the form of their
/// immediates, and caps on what makes compiling expensive.
///
/// What a compiler pays for a body grows with its locals times its branch targets (each target keeps a
/// frame of all locals), so that product is bounded too, per body and over the module.
final class GuestCode {
  private static final int MAX_BODY_BYTES = 128 << 10;
  private static final int MAX_LOCALS = 2_000;
  private static final int MAX_NESTING = 500;
  private static final int MAX_BRANCH_TABLE = 4_096;
  private static final long MAX_FRAMES = 4_000_000;
  private static final long MAX_MODULE_FRAMES = 16_000_000;

  private static final int END = 0x0b;
  private static final int EMPTY_BLOCK = 0x40;

  /// Sizes of the index spaces that instructions refer to.
  record Spaces(
      int types,
      int functions,
      int tables,
      int memories,
      int globals,
      int elementSegments,
      int dataSegments) {}

  private final WasmBytes in;
  private final Spaces spaces;
  private long moduleFrames;

  // Of the body at hand:
  private int locals;
  private int depth;
  private long targets;

  GuestCode(WasmBytes in, Spaces spaces) {
    this.in = in;
    this.spaces = spaces;
  }

  /// Checks the next body: of function `index`, with that many parameters.
  void body(int index, int parameters) {
    String what = "function " + index;
    int size = in.u31();
    if (size > MAX_BODY_BYTES) {
      throw in.refuse("%s: expected at most %d bytes, found %d", what, MAX_BODY_BYTES, size);
    }
    int outer = in.enter(size, what);
    locals = parameters + declaredLocals(what, parameters);
    depth = 1;
    targets = 1;
    while (depth > 0) {
      instruction(what);
    }
    in.leave(outer, what);
    long frames = locals * targets;
    moduleFrames += frames;
    if (frames > MAX_FRAMES || moduleFrames > MAX_MODULE_FRAMES) {
      throw in.refuse(
          "%s: %d locals over %d branch targets are too many to compile", what, locals, targets);
    }
  }

  private int declaredLocals(String what, int parameters) {
    int groups = in.count("groups of locals", MAX_LOCALS);
    long sum = 0;
    for (int i = 0; i < groups; i++) {
      sum += in.u32();
      if (parameters + sum > MAX_LOCALS) {
        throw in.refuse("%s: expected at most %d locals, found %d", what, MAX_LOCALS, sum);
      }
      int type = in.u8();
      if (!GuestAdmission.isValueType(type)) {
        throw in.refuse("%s: local of type 0x%x is not admitted", what, type);
      }
    }
    return (int) sum;
  }

  private void instruction(String what) {
    int op = in.u8();
    switch (op) {
      // unreachable, nop, return, drop, select, ref.is_null
      case 0x00, 0x01, 0x0f, 0x1a, 0x1b, 0xd1 -> {}
      // block, loop, if
      case 0x02, 0x03, 0x04 -> open(what);
      // else
      case 0x05 -> targets++;
      case END -> depth--;
      // br, br_if
      case 0x0c, 0x0d -> in.index("label", depth);
      // br_table
      case 0x0e -> branchTable();
      case 0x10 -> in.index("function", spaces.functions());
      // call_indirect
      case 0x11 -> {
        in.index("type", spaces.types());
        in.index("table", spaces.tables());
      }
      // select with types
      case 0x1c -> {
        in.count("types of select", 1);
        valueType(what);
      }
      // local.get, local.set, local.tee
      case 0x20, 0x21, 0x22 -> in.index("local", locals);
      // global.get, global.set
      case 0x23, 0x24 -> in.index("global", spaces.globals());
      // table.get, table.set
      case 0x25, 0x26 -> in.index("table", spaces.tables());
      // memory.size, memory.grow
      case 0x3f, 0x40 -> memoryIndex();
      case 0x41 -> in.skipSigned(32);
      case 0x42 -> in.skipSigned(64);
      case 0x43 -> in.skip(4);
      case 0x44 -> in.skip(8);
      // ref.null
      case 0xd0 -> valueType(what);
      // ref.func
      case 0xd2 -> in.index("function", spaces.functions());
      case 0xfc -> prefixed(what);
      default -> plain(op, what);
    }
  }

  private void open(String what) {
    depth++;
    targets++;
    if (depth > MAX_NESTING) {
      throw in.refuse("%s: expected at most %d nested blocks, found more", what, MAX_NESTING);
    }
    int first = in.u8();
    if (first == EMPTY_BLOCK || GuestAdmission.isValueType(first)) {
      return;
    }
    // Else the block's type is a type index, as a signed number of 33 bits; indexes stay small.
    int index = first & 0x7f;
    if ((first & 0x80) != 0) {
      int second = in.u8();
      index |= (second & 0x7f) << 7;
      if ((second & 0xc0) != 0) {
        throw in.refuse("%s: expected a block type of at most two bytes", what);
      }
    } else if ((first & 0x40) != 0) {
      throw in.refuse("%s: block type 0x%x is not admitted", what, first);
    }
    if (index >= spaces.types()) {
      throw in.refuse("%s: expected a block type below %d, found %d", what, spaces.types(), index);
    }
  }

  private void branchTable() {
    int count = in.count("targets of br_table", MAX_BRANCH_TABLE);
    for (int i = 0; i <= count; i++) {
      in.index("label", depth);
    }
    targets += count / 8;
  }

  private void valueType(String what) {
    int type = in.u8();
    if (!GuestAdmission.isValueType(type)) {
      throw in.refuse("%s: type 0x%x is not admitted", what, type);
    }
  }

  private void memoryIndex() {
    if (in.u8() != 0 || spaces.memories() == 0) {
      throw in.refuse("expected memory 0, found another or none");
    }
  }

  /// Loads, stores, comparisons, arithmetic and conversions.
  private void plain(int op, String what) {
    if (op >= 0x28 && op <= 0x3e) {
      int align = in.u31();
      // Bit 6 would announce the index of a memory.
      if (align > 3 || spaces.memories() == 0) {
        throw in.refuse(
            "%s: expected an alignment of at most 3 in memory 0, found %d", what, align);
      }
      in.u32();
    } else if (op < 0x45 || op > 0xc4) {
      throw in.refuse("%s: opcode 0x%x (%s) is not admitted", what, op, feature(op));
    }
  }

  private static String feature(int op) {
    return switch (op) {
      case 0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f -> "exceptions";
      case 0x12, 0x13, 0x15 -> "tail calls";
      case 0x14, 0xd3, 0xd4, 0xd5, 0xd6 -> "typed references";
      case 0xfb -> "garbage collection";
      case 0xfd -> "SIMD";
      case 0xfe -> "threads";
      default -> "unknown";
    };
  }

  /// Saturating conversions, bulk memory and tables.
  private void prefixed(String what) {
    int op = in.u31();
    switch (op) {
      case 0, 1, 2, 3, 4, 5, 6, 7 -> {}
      // memory.init
      case 8 -> {
        in.index("data segment", spaces.dataSegments());
        memoryIndex();
      }
      // data.drop
      case 9 -> in.index("data segment", spaces.dataSegments());
      // memory.copy
      case 10 -> {
        memoryIndex();
        memoryIndex();
      }
      // memory.fill
      case 11 -> memoryIndex();
      // table.init
      case 12 -> {
        in.index("element segment", spaces.elementSegments());
        in.index("table", spaces.tables());
      }
      // elem.drop
      case 13 -> in.index("element segment", spaces.elementSegments());
      // table.copy
      case 14 -> {
        in.index("table", spaces.tables());
        in.index("table", spaces.tables());
      }
      // table.size, table.fill
      case 16, 17 -> in.index("table", spaces.tables());
      default ->
          throw in.refuse(
              "%s: opcode 0xfc %d (%s) is not admitted",
              what, op, op == 15 ? "table.grow" : "unknown");
    }
  }
}

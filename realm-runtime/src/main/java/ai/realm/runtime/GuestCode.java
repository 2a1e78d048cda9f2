package ai.realm.runtime;

import java.util.List;

/// The function bodies of an untrusted module: an allow-list of opcodes with the form of their
/// immediates, and caps on what makes compiling expensive.
///
/// What a compiler pays for a body grows with its locals and the height of its operand stack, times its
/// branches and their targets: Endive keeps the operands on the JVM's stack, each target keeps a frame of all
/// that, and a branch out of a block takes what lies above its target off one by one. So that product is
/// bounded too, per body and over the module. Without the bound 110 KB of module make a frame table that the
/// JVM aborts on.
final class GuestCode {
  private static final int MAX_BODY_BYTES = 128 << 10;
  private static final int MAX_LOCALS = 2_000;

  /// Compilers' own output stays below a hundred; twice as many slots of the JVM are 16 bits.
  private static final int MAX_OPERANDS = 4_096;

  private static final int MAX_NESTING = 500;
  private static final int MAX_BRANCH_TABLE = 4_096;
  private static final long MAX_FRAMES = 4_000_000;
  private static final long MAX_MODULE_FRAMES = 16_000_000;

  private static final int END = 0x0b;
  private static final int EMPTY_BLOCK = 0x40;

  /// Numbers of values that a function type takes and gives.
  record Signature(int parameters, int results) {}

  /// The index spaces that instructions refer to: types, the type of each function, the others' sizes.
  record Spaces(
      List<Signature> types,
      List<Integer> functions,
      int tables,
      int memories,
      int globals,
      int elementSegments,
      int dataSegments) {}

  private final WasmBytes in;
  private final Spaces spaces;
  private long moduleFrames;

  // Of the body at hand:
  private final OperandHeights operands = new OperandHeights(MAX_NESTING + 1);
  private int locals;
  private long targets;

  GuestCode(WasmBytes in, Spaces spaces) {
    this.in = in;
    this.spaces = spaces;
  }

  /// Checks the next body: of function `index`.
  void body(int index) {
    int parameters = signature(index).parameters();
    String what = "function " + index;
    int size = in.u31();
    if (size > MAX_BODY_BYTES) {
      throw in.refuse("%s: expected at most %d bytes, found %d", what, MAX_BODY_BYTES, size);
    }
    int outer = in.enter(size, what);
    locals = parameters + declaredLocals(what, parameters);
    operands.reset();
    targets = 1;
    while (operands.depth() > 0) {
      instruction(what);
    }
    in.leave(outer, what);
    int most = operands.most();
    if (most > MAX_OPERANDS) {
      throw in.refuse(
          "%s: expected at most %d operands on the stack, found %d", what, MAX_OPERANDS, most);
    }
    long frames = (locals + most) * targets;
    moduleFrames += frames;
    if (frames > MAX_FRAMES || moduleFrames > MAX_MODULE_FRAMES) {
      throw in.refuse(
          "%s: %d locals and %d operands over %d branches and their targets are too many to compile",
          what, locals, most, targets);
    }
  }

  private Signature signature(int function) {
    return spaces.types().get(spaces.functions().get(function));
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
      // nop, ref.is_null
      case 0x01, 0xd1 -> {}
      // unreachable, return
      case 0x00, 0x0f -> operands.unreachable();
      // drop
      case 0x1a -> operands.replace(1, 0);
      // select
      case 0x1b -> operands.replace(3, 1);
      // block, loop
      case 0x02, 0x03 -> open(what);
      // if
      case 0x04 -> {
        operands.replace(1, 0);
        open(what);
      }
      // else
      case 0x05 -> {
        targets++;
        operands.again();
      }
      case END -> operands.close();
      // br
      case 0x0c -> {
        branch();
        operands.unreachable();
      }
      // br_if
      case 0x0d -> {
        branch();
        operands.replace(1, 0);
      }
      // br_table
      case 0x0e -> branchTable();
      case 0x10 -> call(signature(in.index("function", spaces.functions().size())), 0);
      // call_indirect
      case 0x11 -> {
        call(spaces.types().get(in.index("type", spaces.types().size())), 1);
        in.index("table", spaces.tables());
      }
      // select with types
      case 0x1c -> {
        int types = in.u31();
        if (types != 1) {
          throw in.refuse("%s: expected one type of select, found %d", what, types);
        }
        valueType(what);
        operands.replace(3, 1);
      }
      // local.get, local.set, local.tee
      case 0x20, 0x21, 0x22 -> {
        in.index("local", locals);
        operands.replace(op == 0x20 ? 0 : 1, op == 0x21 ? 0 : 1);
      }
      // global.get, global.set
      case 0x23, 0x24 -> {
        in.index("global", spaces.globals());
        operands.replace(op - 0x23, 0x24 - op);
      }
      // table.get, table.set
      case 0x25, 0x26 -> {
        in.index("table", spaces.tables());
        operands.replace(op - 0x24, 0x26 - op);
      }
      // memory.size, memory.grow
      case 0x3f, 0x40 -> {
        memoryIndex();
        operands.replace(op - 0x3f, 1);
      }
      case 0x41 -> {
        in.skipSigned(32);
        operands.replace(0, 1);
      }
      case 0x42 -> {
        in.skipSigned(64);
        operands.replace(0, 1);
      }
      case 0x43 -> {
        in.skip(4);
        operands.replace(0, 1);
      }
      case 0x44 -> {
        in.skip(8);
        operands.replace(0, 1);
      }
      // ref.null
      case 0xd0 -> {
        valueType(what);
        operands.replace(0, 1);
      }
      // ref.func
      case 0xd2 -> {
        in.index("function", spaces.functions().size());
        operands.replace(0, 1);
      }
      case 0xfc -> prefixed(what);
      default -> plain(op, what);
    }
  }

  private void call(Signature signature, int more) {
    operands.replace(signature.parameters() + more, signature.results());
  }

  private void branch() {
    in.index("label", operands.depth());
    targets++;
  }

  private void open(String what) {
    targets++;
    if (operands.depth() >= MAX_NESTING) {
      throw in.refuse("%s: expected at most %d nested blocks, found more", what, MAX_NESTING);
    }
    int first = in.u8();
    if (first == EMPTY_BLOCK) {
      operands.open(0, 0);
      return;
    }
    if (GuestAdmission.isValueType(first)) {
      operands.open(0, 1);
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
    int types = spaces.types().size();
    if (index >= types) {
      throw in.refuse("%s: expected a block type below %d, found %d", what, types, index);
    }
    Signature type = spaces.types().get(index);
    operands.open(type.parameters(), type.results());
  }

  private void branchTable() {
    int count = in.count("targets of br_table", MAX_BRANCH_TABLE);
    for (int i = 0; i <= count; i++) {
      branch();
    }
    operands.unreachable();
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
      operands.replace(op < 0x36 ? 1 : 2, op < 0x36 ? 1 : 0);
    } else if (op < 0x45 || op > 0xc4) {
      throw in.refuse("%s: opcode 0x%x (%s) is not admitted", what, op, feature(op));
    } else {
      operands.replace(isUnary(op) ? 1 : 2, 1);
    }
  }

  /// Tests for zero, bit counts, the unary operations of floats, conversions.
  private static boolean isUnary(int op) {
    return op == 0x45
        || op == 0x50
        || op >= 0x67 && op <= 0x69
        || op >= 0x79 && op <= 0x7b
        || op >= 0x8b && op <= 0x91
        || op >= 0x99 && op <= 0x9f
        || op >= 0xa7;
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
        operands.replace(3, 0);
      }
      // data.drop
      case 9 -> in.index("data segment", spaces.dataSegments());
      // memory.copy
      case 10 -> {
        memoryIndex();
        memoryIndex();
        operands.replace(3, 0);
      }
      // memory.fill
      case 11 -> {
        memoryIndex();
        operands.replace(3, 0);
      }
      // table.init
      case 12 -> {
        in.index("element segment", spaces.elementSegments());
        in.index("table", spaces.tables());
        operands.replace(3, 0);
      }
      // elem.drop
      case 13 -> in.index("element segment", spaces.elementSegments());
      // table.copy
      case 14 -> {
        in.index("table", spaces.tables());
        in.index("table", spaces.tables());
        operands.replace(3, 0);
      }
      // table.size, table.fill
      case 16, 17 -> {
        in.index("table", spaces.tables());
        operands.replace(op == 16 ? 0 : 3, op == 16 ? 1 : 0);
      }
      default ->
          throw in.refuse(
              "%s: opcode 0xfc %d (%s) is not admitted",
              what, op, op == 15 ? "table.grow" : "unknown");
    }
  }
}

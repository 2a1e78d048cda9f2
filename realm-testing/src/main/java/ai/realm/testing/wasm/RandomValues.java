package ai.realm.testing.wasm;

import static ai.realm.testing.wasm.WasmModuleGenerator.F32;
import static ai.realm.testing.wasm.WasmModuleGenerator.F64;
import static ai.realm.testing.wasm.WasmModuleGenerator.GLOBALS;
import static ai.realm.testing.wasm.WasmModuleGenerator.I32;
import static ai.realm.testing.wasm.WasmModuleGenerator.I64;
import static ai.realm.testing.wasm.WasmModuleGenerator.TYPES;
import static ai.realm.testing.wasm.WasmModuleGenerator.globalType;

import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.testing.wasm.WasmModuleGenerator.Signature;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/// Random expressions: each leaves one value of its type on the stack.
class RandomValues {
  private static final int I32_MUL = 0x6c;

  final SplittableRandom random;
  final RandomNumbers numbers;
  final List<Signature> functions;
  final List<Integer> locals = new ArrayList<>();
  final Code code = new Code();
  int depth;

  /// @param functions what may be called
  RandomValues(SplittableRandom random, RandomNumbers numbers, List<Signature> functions) {
    this.random = random;
    this.numbers = numbers;
    this.functions = functions;
  }

  final void inBlock(Runnable content) {
    content.run();
  }

  /// Most of the time nothing is done that traps.
  final boolean mostly() {
    return random.nextInt(50) != 0;
  }

  final void address() {
    value(I32);
    if (mostly()) {
      code.constant(0xfff0).raw(0x71);
    } else {
      // A negative address traps for sure, but Endive's interpreter lets one plus an offset wrap
      // around.
      code.constant(Integer.MAX_VALUE).raw(0x71);
    }
  }

  final void memoryArgument(int align) {
    code.unsigned(random.nextInt(align + 1)).unsigned(mostly() ? 4 : 65_530);
  }

  final void index() {
    value(I32);
    code.constant(mostly() ? 3 : 15).raw(0x71);
  }

  final void value(int type) {
    depth++;
    int kind = depth > 7 ? random.nextInt(3) : random.nextInt(12);
    switch (kind) {
      case 0 -> code.append(numbers.constant(type));
      case 1, 2 -> localOrGlobal(type);
      case 3 -> {
        value(I32);
        code.raw(0x04, type);
        inBlock(() -> value(type));
        code.raw(0x05);
        inBlock(() -> value(type));
        code.raw(0x0b);
      }
      case 4 -> {
        value(type);
        value(type);
        value(I32);
        if (random.nextBoolean()) {
          code.raw(0x1b);
        } else {
          code.raw(0x1c, 1, type);
        }
      }
      case 5 -> load(type);
      case 6 -> call(type);
      case 7 -> {
        code.raw(0x02, type);
        inBlock(() -> {
          value(type);
          value(I32);
          code.raw(0x0d, 0);
          code.drop();
          value(type);
        });
        code.raw(0x0b);
      }
      default -> {
        switch (type) {
          case I32 -> i32();
          case I64 -> i64();
          case F32 -> f32();
          default -> f64();
        }
      }
    }
    depth--;
  }

  private void localOrGlobal(int type) {
    if (random.nextInt(4) == 0) {
      for (int i = 1; i < GLOBALS; i++) {
        if (globalType(i) == type) {
          code.raw(0x23).unsigned(random.nextBoolean() ? i : i + TYPES.length * (i <= 4 ? 1 : 0));
          return;
        }
      }
    }
    int from = random.nextInt(locals.size());
    for (int i = 0; i < locals.size(); i++) {
      int local = (from + i) % locals.size();
      if (locals.get(local) == type) {
        code.raw(0x20).unsigned(local);
        return;
      }
    }
    code.append(numbers.constant(type));
  }

  private void load(int type) {
    int[] ops =
        switch (type) {
          case I32 -> new int[] {0x28, 0x2c, 0x2d, 0x2e, 0x2f};
          case I64 -> new int[] {0x29, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35};
          case F32 -> new int[] {0x2a};
          default -> new int[] {0x2b};
        };
    int op = ops[random.nextInt(ops.length)];
    int align =
        switch (op) {
          case 0x2c, 0x2d, 0x30, 0x31 -> 0;
          case 0x2e, 0x2f, 0x32, 0x33 -> 1;
          case 0x28, 0x2a, 0x34, 0x35 -> 2;
          default -> 3;
        };
    address();
    code.raw(op);
    memoryArgument(align);
    if (type == F32 || type == F64) {
      canonical(type);
    }
  }

  /// A function made before, directly or through the table; what it returns besides is dropped.
  private void call(int type) {
    if (functions.isEmpty()) {
      code.append(numbers.constant(type));
      return;
    }
    int function = random.nextInt(functions.size());
    Signature signature = functions.get(function);
    signature.parameters().forEach(this::value);
    if (random.nextBoolean()) {
      code.call(function);
    } else {
      if (!mostly()) {
        index();
      } else {
        code.constant(function);
      }
      code.raw(0x11).unsigned(function).raw(0);
    }
    List<Integer> results = signature.results();
    for (int i = results.size() - 1; i > 0; i--) {
      code.drop();
    }
    if (results.isEmpty()) {
      code.append(numbers.constant(type));
    } else if (results.getFirst() != type) {
      code.drop();
      code.append(numbers.constant(type));
    }
  }

  final int pick(int... ops) {
    return ops[random.nextInt(ops.length)];
  }

  private void i32() {
    switch (random.nextInt(9)) {
      case 0 -> unary(I32, pick(0x67, 0x68, 0x69, 0x45, 0xc0, 0xc1));
      case 1, 2, 3 -> binary(I32, 0x6a + random.nextInt(15));
      case 4 -> {
        int type = TYPES[random.nextInt(TYPES.length)];
        int op =
            switch (type) {
              case I32 -> 0x46 + random.nextInt(10);
              case I64 -> 0x51 + random.nextInt(10);
              case F32 -> 0x5b + random.nextInt(6);
              default -> 0x61 + random.nextInt(6);
            };
        binary(type, op);
      }
      case 5 -> {
        switch (random.nextInt(4)) {
          case 0 -> unary(I64, 0xa7);
          case 1 -> unary(F32, mostly() ? 0xbc : pick(0xa8, 0xa9));
          case 2 -> truncated(F64, I32, pick(0xaa, 0xab));
          default -> unary(I64, 0x50);
        }
      }
      case 6 -> {
        boolean small = random.nextBoolean();
        value(small ? F32 : F64);
        code.raw(0xfc, (small ? 0 : 2) + random.nextInt(2));
      }
      case 7 -> {
        switch (random.nextInt(3)) {
          case 0 -> code.raw(0x3f, 0);
          case 1 -> code.raw(0xfc, 16, 0);
          default -> {
            value(I32);
            code.constant(1).raw(0x71, 0x40, 0);
          }
        }
      }
      default -> {
        index();
        code.raw(0x25, 0, 0xd1);
      }
    }
  }

  private void i64() {
    switch (random.nextInt(6)) {
      case 0 -> unary(I64, pick(0x79, 0x7a, 0x7b, 0xc2, 0xc3, 0xc4));
      case 1, 2, 3 -> binary(I64, 0x7c + random.nextInt(15));
      case 4 -> {
        switch (random.nextInt(3)) {
          case 0 -> unary(I32, pick(0xac, 0xad));
          case 1 -> truncated(F32, I64, pick(0xae, 0xaf));
          default -> unary(F64, mostly() ? 0xbd : pick(0xb0, 0xb1));
        }
      }
      default -> {
        boolean small = random.nextBoolean();
        value(small ? F32 : F64);
        code.raw(0xfc, (small ? 4 : 6) + random.nextInt(2));
      }
    }
  }

  private void f32() {
    switch (random.nextInt(5)) {
      case 0 -> unary(F32, 0x8b + random.nextInt(7));
      case 1, 2 -> binary(F32, 0x92 + random.nextInt(7));
      case 3 -> unary(pick(I32, I64) == I32 ? I32 : I64, 0);
      default -> unary(F64, 0xb6);
    }
    canonical(F32);
  }

  private void f64() {
    switch (random.nextInt(5)) {
      case 0 -> unary(F64, 0x99 + random.nextInt(7));
      case 1, 2 -> binary(F64, 0xa0 + random.nextInt(7));
      case 3 -> {
        boolean small = random.nextBoolean();
        value(small ? I32 : I64);
        code.raw(small ? pick(0xb7, 0xb8) : pick(0xb9, 0xba, 0xbf));
      }
      default -> unary(F32, 0xbb);
    }
    canonical(F64);
  }

  private void unary(int type, int op) {
    value(type);
    if (op != 0) {
      code.raw(op);
    } else {
      // To f32 from whichever integer it is.
      code.raw(type == I32 ? pick(0xb2, 0xb3, 0xbe) : pick(0xb4, 0xb5));
    }
  }

  /// A conversion that traps out of its range, of what mostly lies in it.
  private void truncated(int from, int to, int op) {
    if (mostly()) {
      value(to);
      code.raw(to == I32 ? 0x41 : 0x42, 63, to == I32 ? 0x71 : 0x83, to == I32 ? 0xb7 : 0xb4);
    } else {
      value(from);
    }
    code.raw(op);
  }

  private void binary(int type, int op) {
    value(type);
    value(type);
    boolean divides =
        type == I32 && op >= 0x6d && op <= 0x70 || type == I64 && op >= 0x7f && op <= 0x82;
    if (divides && mostly()) {
      // An odd divisor is no zero.
      code.raw(type == I32 ? 0x41 : 0x42, 1, type == I32 ? 0x72 : 0x84);
    }
    code.raw(op);
    if (type == I32 && op == I32_MUL) {
      // Endive's interpreter branches on more than the lower 32 bits of a product.
      code.constant(0).raw(0x72);
    }
  }

  /// Leaves the value on the stack, or the canonical one when it is no number.
  private void canonical(int type) {
    int local = type == F32 ? locals.lastIndexOf(F32) : locals.lastIndexOf(F64);
    code.raw(0x22).unsigned(local);
    if (type == F32) {
      code.raw(0x43, 0, 0, 0xc0, 0x7f).raw(0x20).unsigned(local).raw(0x20).unsigned(local);
      code.raw(0x5b);
    } else {
      code.raw(0x44, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f).raw(0x20).unsigned(local).raw(0x20);
      code.unsigned(local).raw(0x61);
    }
    code.raw(0x1b);
  }
}

package ai.realm.testing.wasm;

import static ai.realm.testing.wasm.WasmModuleGenerator.F32;
import static ai.realm.testing.wasm.WasmModuleGenerator.F64;
import static ai.realm.testing.wasm.WasmModuleGenerator.FUEL_GLOBAL;
import static ai.realm.testing.wasm.WasmModuleGenerator.FUNCREF;
import static ai.realm.testing.wasm.WasmModuleGenerator.GLOBALS;
import static ai.realm.testing.wasm.WasmModuleGenerator.I32;
import static ai.realm.testing.wasm.WasmModuleGenerator.I64;
import static ai.realm.testing.wasm.WasmModuleGenerator.TYPES;
import static ai.realm.testing.wasm.WasmModuleGenerator.globalType;

import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.testing.wasm.WasmModuleGenerator.Signature;
import java.util.List;
import java.util.SplittableRandom;

/// The random body of one function: statements, which leave nothing on the stack, then its results.
final class RandomBody extends RandomValues {
  RandomBody(SplittableRandom random, RandomNumbers numbers, List<Signature> functions) {
    super(random, numbers, functions);
  }

  private int anyType() {
    return TYPES[random.nextInt(TYPES.length)];
  }

  byte[] make(Signature signature) {
    locals.addAll(signature.parameters());
    int declared = 4 + random.nextInt(5);
    for (int i = 0; i < declared; i++) {
      locals.add(i < 4 ? TYPES[i] : anyType());
    }
    burn();
    int statements = 2 + random.nextInt(6);
    for (int i = 0; i < statements; i++) {
      statement();
    }
    for (int result : signature.results()) {
      value(result);
    }
    Code body = new Code().unsigned(locals.size() - signature.parameters().size());
    for (int i = signature.parameters().size(); i < locals.size(); i++) {
      body.unsigned(1).raw(locals.get(i));
    }
    body.append(code).raw(0x0b);
    return new Code().unsigned(body.bytes().length).append(body).bytes();
  }

  /// Takes one of the fuel, or traps.
  private void burn() {
    code.raw(0x23, FUEL_GLOBAL).constant(1).raw(0x6b, 0x24, FUEL_GLOBAL);
    code.raw(0x23, FUEL_GLOBAL).constant(0).raw(0x48, 0x04, 0x40, 0x00, 0x0b);
  }

  private void statement() {
    depth++;
    switch (depth > 4 ? random.nextInt(3) : random.nextInt(12)) {
      case 0, 1 -> {
        int local = random.nextInt(locals.size());
        value(locals.get(local));
        code.raw(0x21).unsigned(local);
      }
      case 2 -> {
        int global = 1 + random.nextInt(GLOBALS - 1);
        value(globalType(global));
        code.raw(0x24).unsigned(global);
      }
      case 3, 4 -> store();
      case 5 -> {
        value(I32);
        code.raw(0x04, 0x40);
        inBlock(this::statement);
        if (random.nextBoolean()) {
          code.raw(0x05);
          inBlock(this::statement);
        }
        code.raw(0x0b);
      }
      case 6 -> loop();
      case 7 -> branches();
      case 8 -> bulk();
      case 9 -> tables();
      default -> {
        value(anyType());
        code.drop();
      }
    }
    depth--;
  }

  /// A loop that goes on while a condition holds, and fuel is there.
  private void loop() {
    code.raw(0x03, 0x40);
    inBlock(() -> {
      burn();
      statement();
      value(I32);
      code.raw(0x0d, 0);
    });
    code.raw(0x0b);
  }

  /// Nested blocks that `br_if` or `br_table` leave.
  private void branches() {
    code.raw(0x02, 0x40, 0x02, 0x40);
    inBlock(() ->
        inBlock(() -> {
          statement();
          value(I32);
          if (random.nextBoolean()) {
            code.raw(0x0d).unsigned(random.nextInt(2));
          } else {
            code.raw(0x0e, 3, 0, 1, 0, 1);
          }
        }));
    code.raw(0x0b);
    inBlock(this::statement);
    code.raw(0x0b);
  }

  private void store() {
    int op = 0x36 + random.nextInt(9);
    int type =
        switch (op) {
          case 0x36, 0x3a, 0x3b -> I32;
          case 0x38 -> F32;
          case 0x39 -> F64;
          default -> I64;
        };
    int align =
        switch (op) {
          case 0x3a, 0x3c -> 0;
          case 0x3b, 0x3d -> 1;
          case 0x36, 0x38, 0x3e -> 2;
          default -> 3;
        };
    address();
    value(type);
    code.raw(op);
    memoryArgument(align);
  }

  private void bulk() {
    address();
    switch (random.nextInt(4)) {
      case 0 -> {
        value(I32);
        value(I32);
        code.constant(0xff).raw(0x71, 0xfc, 11, 0);
      }
      case 1 -> {
        address();
        code.constant(random.nextInt(300)).raw(0xfc, 10, 0, 0);
      }
      case 2 -> {
        code.constant(mostly() ? random.nextInt(30) : 60).constant(random.nextInt(30));
        code.raw(0xfc, 8).unsigned(mostly() ? 1 : 0).raw(0);
      }
      default -> {
        code.drop();
        code.raw(0xfc, 9).unsigned(mostly() ? 0 : 1);
      }
    }
  }

  private void reference() {
    if (random.nextBoolean()) {
      code.raw(0xd0, FUNCREF);
    } else {
      // Functions 0 and 1 are declared by an element segment.
      code.raw(0xd2).unsigned(random.nextInt(2));
    }
  }

  private void tables() {
    index();
    switch (random.nextInt(5)) {
      case 0 -> {
        reference();
        code.raw(0x26, 0);
      }
      case 1 -> {
        index();
        code.constant(random.nextInt(4)).raw(0xfc, 14, 0, 0);
      }
      case 2 -> {
        reference();
        code.constant(random.nextInt(4)).raw(0xfc, 17, 0);
      }
      case 3 -> {
        code.constant(0).constant(random.nextInt(3));
        code.raw(0xfc, 12).unsigned(1).raw(0);
      }
      default -> {
        code.drop();
        code.raw(0xfc, 13, mostly() ? 0 : 1);
      }
    }
  }
}

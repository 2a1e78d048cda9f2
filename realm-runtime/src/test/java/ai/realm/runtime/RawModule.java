package ai.realm.runtime;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;

/// Modules put together section by section, so that they can be wrong in any way.
final class RawModule {
  private RawModule() {}

  /// One section with these bytes.
  static byte[] section(int id, int... content) {
    return sections(part(id, new Code().raw(content)));
  }

  static byte[] sections(Code... parts) {
    Code module = new Code().raw(0, 'a', 's', 'm', 1, 0, 0, 0);
    for (Code part : parts) {
      module.append(part);
    }
    return module.toBytes();
  }

  static Code part(int id, Code content) {
    return new Code().raw(id).unsigned(content.toBytes().length).append(content);
  }

  /// A module with a memory and one function of these instructions, with an i32 result.
  static byte[] body(Code code) {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("f", 0, 0, code);
    return module.build();
  }

  /// One function of type () → (), whose body is that, locals and all.
  static byte[] function(Code body) {
    return functions(1, body);
  }

  /// Many functions of type () → (), with the same body each.
  static byte[] functions(int count, Code body) {
    Code types = new Code().unsigned(1).raw(0x60, 0, 0);
    Code indexes = new Code().unsigned(count);
    Code bodies = new Code().unsigned(count);
    for (int i = 0; i < count; i++) {
      indexes.unsigned(0);
      bodies.unsigned(body.toBytes().length).append(body);
    }
    return sections(part(1, types), part(3, indexes), part(10, bodies));
  }

  /// So many types of the same form, i64 parameters and 16 results, and functions of these types in turn.
  static byte[] types(int types, int functions, int parameters) {
    Code section = new Code().unsigned(types);
    for (int i = 0; i < types; i++) {
      section.raw(0x60).unsigned(parameters).append(repeat(parameters, 0x7e));
      section.raw(16).append(repeat(16, 0x7e));
    }
    Code indexes = new Code().unsigned(functions);
    for (int i = 0; i < functions; i++) {
      indexes.unsigned(i % types);
    }
    Code bodies = new Code().unsigned(functions).append(repeat(functions, 3, 0, 0, 0x0b));
    return sections(part(1, section), part(3, indexes), part(10, bodies));
  }

  static Code repeat(int times, int... bytes) {
    Code code = new Code();
    for (int i = 0; i < times; i++) {
      code.raw(bytes);
    }
    return code;
  }

  /// Many values on the operand stack, and many branches that keep a frame of them.
  static Code operandsUnderBranches(int operands, int branches) {
    return new Code()
        .raw(0)
        .append(repeat(operands, 0x41, 0))
        .append(repeat(branches, 0x02, 0x40, 0x41, 0, 0x0d, 0, 0x0b))
        .raw(0x0f, 0x0b);
  }

  /// Many values on the operand stack, and many branches that take them off one by one.
  static Code operandsThatBranchesDrop(int operands, int branches) {
    return new Code()
        .raw(0, 0x02, 0x40)
        .append(repeat(operands, 0x41, 0))
        .append(repeat(branches, 0x41, 0, 0x0d, 0))
        .raw(0, 0x0b, 0x0b);
  }

  /// 2,000 locals and that many blocks.
  static Code localsOverBlocks(int blocks) {
    return new Code().raw(1, 0xd0, 0x0f, 0x7f).append(repeat(blocks, 2, 0x40, 0x0b)).raw(0x0b);
  }
}

package ai.realm.testing.wasm;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/// Assembles small WebAssembly modules: imported i32 functions, exported i32 functions, one memory. See
/// the binary format in the WebAssembly core specification, chapter 5.
public final class WasmModuleBuilder {
  private static final int I32 = 0x7f;

  private final List<byte[]> types = new ArrayList<>();
  private final List<byte[]> imports = new ArrayList<>();
  private final List<byte[]> exports = new ArrayList<>();
  private final List<Integer> functionTypes = new ArrayList<>();
  private final List<byte[]> bodies = new ArrayList<>();
  private int startFunction = -1;
  private int minPages;
  private int maxPages;

  /// Imports `module.name` with that many i32 parameters and an i32 result. All imports come before the
  /// functions.
  ///
  /// @return the function's index
  public int importFunction(String module, String name, int parameters) {
    Code entry = new Code();
    entry.name(module).name(name).raw(0).unsigned(type(parameters, 1));
    imports.add(entry.bytes());
    return imports.size() - 1;
  }

  /// One memory of `min` to `max` pages of 64 KiB, exported as `memory`.
  public WasmModuleBuilder memory(int min, int max) {
    minPages = min;
    maxPages = max;
    exports.add(new Code().name("memory").raw(2).unsigned(0).bytes());
    return this;
  }

  /// A function with i32 parameters, i32 locals and an i32 result, exported under its name.
  ///
  /// @return its index
  public int function(String name, int parameters, int locals, Code body) {
    int index = add(type(parameters, 1), locals, body);
    exports.add(new Code().name(name).raw(0).unsigned(index).bytes());
    return index;
  }

  /// A function without parameters and result that runs when the module is instantiated.
  public WasmModuleBuilder start(Code body) {
    startFunction = add(type(0, 0), 0, body);
    return this;
  }

  private int add(int type, int locals, Code body) {
    functionTypes.add(type);
    Code code = new Code();
    if (locals > 0) {
      code.unsigned(1).unsigned(locals).raw(I32);
    } else {
      code.unsigned(0);
    }
    code.append(body).raw(0x0b);
    bodies.add(new Code().unsigned(code.bytes().length).append(code).bytes());
    return imports.size() + bodies.size() - 1;
  }

  private int type(int parameters, int results) {
    Code entry = new Code().raw(0x60).unsigned(parameters);
    for (int i = 0; i < parameters; i++) {
      entry.raw(I32);
    }
    entry.unsigned(results);
    for (int i = 0; i < results; i++) {
      entry.raw(I32);
    }
    types.add(entry.bytes());
    return types.size() - 1;
  }

  /// The module's bytes.
  public byte[] build() {
    Code module = new Code().raw(0, 'a', 's', 'm', 1, 0, 0, 0);
    section(module, 1, types);
    section(module, 2, imports);
    section(module, 3, functionTypes.stream().map(t -> new Code().unsigned(t).bytes()).toList());
    if (maxPages > 0) {
      section(module, 5, List.of(new Code().raw(1).unsigned(minPages).unsigned(maxPages).bytes()));
    }
    section(module, 7, exports);
    if (startFunction >= 0) {
      byte[] start = new Code().unsigned(startFunction).bytes();
      module.raw(8).unsigned(start.length).raw(start);
    }
    section(module, 10, bodies);
    return module.bytes();
  }

  private static void section(Code module, int id, List<byte[]> entries) {
    if (entries.isEmpty()) {
      return;
    }
    Code content = new Code().unsigned(entries.size());
    entries.forEach(content::raw);
    module.raw(id).unsigned(content.bytes().length).append(content);
  }

  /// Instructions of one function, and the encoding that they share with the rest of a module.
  public static final class Code {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    /// Bytes as they stand.
    public Code raw(int... bytes) {
      for (int b : bytes) {
        out.write(b);
      }
      return this;
    }

    Code raw(byte[] bytes) {
      out.writeBytes(bytes);
      return this;
    }

    /// An unsigned LEB128 number.
    public Code unsigned(int value) {
      int left = value;
      while ((left & ~0x7f) != 0) {
        out.write(left & 0x7f | 0x80);
        left >>>= 7;
      }
      out.write(left);
      return this;
    }

    private Code name(String text) {
      byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
      return unsigned(utf8.length).raw(utf8);
    }

    /// `i32.const value`.
    public Code constant(int value) {
      out.write(0x41);
      int left = value;
      while (true) {
        int bits = left & 0x7f;
        left >>= 7;
        if (left == 0 && (bits & 0x40) == 0 || left == -1 && (bits & 0x40) != 0) {
          out.write(bits);
          return this;
        }
        out.write(bits | 0x80);
      }
    }

    /// `local.get index`.
    public Code get(int local) {
      return raw(0x20).unsigned(local);
    }

    /// `local.set index`.
    public Code set(int local) {
      return raw(0x21).unsigned(local);
    }

    /// `call index`.
    public Code call(int function) {
      return raw(0x10).unsigned(function);
    }

    /// `drop`.
    public Code drop() {
      return raw(0x1a);
    }

    /// `i32.store` of a value at an address that lie on the stack.
    public Code store() {
      return raw(0x36, 2, 0);
    }

    /// `i32.load` from the address on the stack.
    public Code load() {
      return raw(0x28, 2, 0);
    }

    /// Stores a constant at a constant address.
    public Code storeConstant(int address, int value) {
      return constant(address).constant(value).store();
    }

    /// Stores a local at a constant address.
    public Code storeLocal(int address, int local) {
      return constant(address).get(local).store();
    }

    /// `memory.fill` with address, value and length that lie on the stack.
    public Code fill() {
      return raw(0xfc, 11, 0);
    }

    /// `memory.grow` by the pages on the stack.
    public Code grow() {
      return raw(0x40, 0);
    }

    /// A loop that never ends.
    public Code forever() {
      return raw(0x03, 0x40, 0x0c, 0, 0x0b);
    }

    /// `unreachable`.
    public Code unreachable() {
      return raw(0x00);
    }

    /// Appends other code.
    public Code append(Code other) {
      return raw(other.bytes());
    }

    /// The bytes so far.
    public byte[] toBytes() {
      return bytes();
    }

    byte[] bytes() {
      return out.toByteArray();
    }
  }
}

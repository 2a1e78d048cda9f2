package ai.realm.testing.wasm;

import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/// Writes random valid WebAssembly modules of the features that Realm admits: MVP, sign extension,
/// saturating conversions, multi-value, bulk memory, reference types. The same seed gives the same module.
///
/// A module has functions `f0`, `f1`, … that take and return numbers of all four types and call those
/// before them, a memory, a table and mutable globals. All end: each loop iteration and each call uses up
/// fuel, and without fuel they trap. Results of float arithmetic that are no number become the canonical
/// one, whose bits the specification leaves open otherwise.
public final class WasmModuleGenerator {
  static final int I32 = 0x7f;
  static final int I64 = 0x7e;
  static final int F32 = 0x7d;
  static final int F64 = 0x7c;
  static final int FUNCREF = 0x70;
  static final int[] TYPES = {I32, I64, F32, F64};

  private static final int FUEL = 2_000;
  static final int FUEL_GLOBAL = 0;
  static final int GLOBALS = 9;
  private static final int TABLE_SIZE = 8;
  static final int SEGMENTS = 2;

  /// What a function takes and gives.
  public record Signature(List<Integer> parameters, List<Integer> results) {
    public Signature {
      parameters = List.copyOf(parameters);
      results = List.copyOf(results);
    }
  }

  private final SplittableRandom random;
  private final RandomNumbers numbers;
  private final List<Signature> functions = new ArrayList<>();

  /// A module of this seed.
  public WasmModuleGenerator(long seed) {
    this.random = new SplittableRandom(seed);
    this.numbers = new RandomNumbers(random);
  }

  /// Signatures of `f0`, `f1`, … once the module is made.
  public List<Signature> functions() {
    return List.copyOf(functions);
  }

  /// An argument of a type as it is passed: its bits.
  public long argument(int type) {
    return switch (type) {
      case I32 -> Integer.toUnsignedLong((int) numbers.integer());
      case I64 -> numbers.integer();
      case F32 -> Integer.toUnsignedLong(Float.floatToIntBits((float) numbers.number()));
      case F64 -> Double.doubleToLongBits(numbers.number());
      default -> throw new IllegalArgumentException("type " + type);
    };
  }

  /// Whether a type is a float, of 32 bits or of 64.
  public static boolean isFloat(int type, int bits) {
    return type == (bits == 32 ? F32 : F64);
  }

  /// The module's bytes.
  public byte[] make() {
    int count = 2 + random.nextInt(4);
    List<byte[]> types = new ArrayList<>();
    List<byte[]> bodies = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Signature signature = new Signature(typeList(4), typeList(3));
      types.add(type(signature));
      byte[] body = new RandomBody(random, numbers, functions).make(signature);
      functions.add(signature);
      bodies.add(body);
    }
    Code module = new Code().raw(0, 'a', 's', 'm', 1, 0, 0, 0);
    section(module, 1, types);
    section(module, 3, numbers(count));
    section(module, 4, List.of(new Code().raw(FUNCREF, 1, TABLE_SIZE, TABLE_SIZE).bytes()));
    section(module, 5, List.of(new Code().raw(1, 1, 3).bytes()));
    section(module, 6, globals());
    List<byte[]> exports = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      exports.add(name("f" + i).raw(0).unsigned(i).bytes());
    }
    exports.add(name("memory").raw(2, 0).bytes());
    for (int i = 0; i < GLOBALS; i++) {
      exports.add(name("g" + i).raw(3).unsigned(i).bytes());
    }
    section(module, 7, exports);
    section(module, 9, elements(count));
    module.raw(12, 1, SEGMENTS);
    section(module, 10, bodies);
    section(module, 11, data());
    return module.bytes();
  }

  private static Code name(String text) {
    Code name = new Code().unsigned(text.length());
    text.chars().forEach(name::raw);
    return name;
  }

  private static void section(Code module, int id, List<byte[]> entries) {
    Code content = new Code().unsigned(entries.size());
    entries.forEach(content::raw);
    module.raw(id).unsigned(content.bytes().length).append(content);
  }

  private static List<byte[]> numbers(int count) {
    List<byte[]> numbers = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      numbers.add(new Code().unsigned(i).bytes());
    }
    return numbers;
  }

  private List<Integer> typeList(int below) {
    List<Integer> types = new ArrayList<>();
    int count = random.nextInt(below);
    for (int i = 0; i < count; i++) {
      types.add(anyType());
    }
    return types;
  }

  private int anyType() {
    return TYPES[random.nextInt(TYPES.length)];
  }

  private static byte[] type(Signature signature) {
    Code entry = new Code().raw(0x60).unsigned(signature.parameters().size());
    signature.parameters().forEach(entry::raw);
    entry.unsigned(signature.results().size());
    signature.results().forEach(entry::raw);
    return entry.bytes();
  }

  /// Fuel, then two of each type.
  private List<byte[]> globals() {
    List<byte[]> globals = new ArrayList<>();
    globals.add(new Code().raw(I32, 1).constant(FUEL).raw(0x0b).bytes());
    for (int i = 1; i < GLOBALS; i++) {
      Code value = numbers.constant(globalType(i));
      globals.add(new Code().raw(globalType(i), 1).append(value).raw(0x0b).bytes());
    }
    return globals;
  }

  /// Type of global `g0` (the fuel), `g1`, …
  public static int globalType(int global) {
    return global == FUEL_GLOBAL ? I32 : TYPES[(global - 1) % TYPES.length];
  }

  /// An active segment that fills the first slots, and a passive one.
  private static List<byte[]> elements(int count) {
    Code active = new Code().raw(0).constant(0).raw(0x0b).unsigned(Math.min(count, TABLE_SIZE - 2));
    for (int i = 0; i < Math.min(count, TABLE_SIZE - 2); i++) {
      active.unsigned(i);
    }
    return List.of(active.bytes(), new Code().raw(1, 0, 2, 0, 1).bytes());
  }

  private List<byte[]> data() {
    List<byte[]> data = new ArrayList<>();
    for (int i = 0; i < SEGMENTS; i++) {
      Code segment = i == 0 ? new Code().raw(0).constant(1_000).raw(0x0b) : new Code().raw(1);
      segment.unsigned(64);
      for (int k = 0; k < 64; k++) {
        segment.raw(random.nextInt(256));
      }
      data.add(segment.bytes());
    }
    return data;
  }
}

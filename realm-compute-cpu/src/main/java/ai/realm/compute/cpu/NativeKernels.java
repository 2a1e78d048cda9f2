package ai.realm.compute.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import ai.realm.tensor.GgmlType;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The functions of the native library for one variant, as method handles. Memory goes in as
/// addresses: the callers have checked that it is alive and large enough, and own it for the call.
///
/// @param variant the variant that they were compiled for
/// @param memory packing and pages
/// @param products matrix products
/// @param rows norms and element-wise operations
/// @param attention attention and the KV store
/// @param limits loops that measure the machine
record NativeKernels(
    NativeVariant variant,
    Memory memory,
    Products products,
    Rows rows,
    Attention attention,
    Limits limits) {

  /// Functions that are the same in all variants.
  record Memory(
      MethodHandle packedBytes,
      MethodHandle pack,
      MethodHandle map,
      MethodHandle unmap,
      MethodHandle smallPages,
      MethodHandle hugePages,
      MethodHandle drop,
      MethodHandle fetch) {}

  /// Quantization of inputs, and the product for each type. `tiles` is null where the tile
  /// registers are not used.
  record Products(
      MethodHandle quantize,
      MethodHandle panelOfFloats,
      Map<GgmlType, MethodHandle> byType,
      @Nullable Tiles tiles) {}

  /// What the tile registers (AMX) add: inputs in tiles, and their product.
  record Tiles(MethodHandle arrange, MethodHandle multiply) {}

  /// Norms, rotary positions, element-wise operations.
  record Rows(
      MethodHandle rmsNorm,
      MethodHandle layerNorm,
      MethodHandle activate,
      MethodHandle gate,
      MethodHandle gateClamped,
      MethodHandle add,
      MethodHandle multiply,
      MethodHandle scale,
      MethodHandle softcap,
      MethodHandle rope) {}

  /// Attention and the KV store.
  record Attention(MethodHandle attention, MethodHandle storeKv) {}

  /// Loops that measure the machine. Those of arithmetic return the operations of a round.
  record Limits(MethodHandle readMemory, MethodHandle dotBytes, MethodHandle multiplyAdd) {}

  /// Binds all functions of a variant.
  ///
  /// @throws java.util.NoSuchElementException when the library lacks one
  static NativeKernels bind(SymbolLookup symbols, NativeVariant variant, boolean useTiles) {
    Binder any = new Binder(symbols, "realm_");
    Binder own = new Binder(symbols, "realm_" + variant.symbol() + "_");
    Memory memory =
        new Memory(
            any.bind("packed_bytes", true, "lll"),
            any.bind("pack", false, "lllllllll"),
            any.bind("map", true, "l"),
            any.bind("unmap", false, "ll"),
            any.bind("small_pages", false, "ll"),
            any.bind("huge_pages", false, "ll"),
            any.bind("drop", false, "ll"),
            any.bind("fetch", false, "ll"));
    Map<GgmlType, MethodHandle> byType = new EnumMap<>(GgmlType.class);
    byType.put(GgmlType.Q8_0, own.bind("mul_q8_0", false, "lllllllll"));
    byType.put(GgmlType.Q4_0, own.bind("mul_q4_0", false, "lllllllll"));
    byType.put(GgmlType.Q4_K, own.bind("mul_q4_k", false, "lllllllll"));
    byType.put(GgmlType.Q5_K, own.bind("mul_q5_k", false, "lllllllll"));
    byType.put(GgmlType.Q6_K, own.bind("mul_q6_k", false, "lllllllll"));
    byType.put(GgmlType.F16, own.bind("mul_f16", false, "lllllllll"));
    byType.put(GgmlType.BF16, own.bind("mul_bf16", false, "lllllllll"));
    byType.put(GgmlType.F32, own.bind("mul_f32", false, "lllllllll"));
    Tiles tiles =
        useTiles && variant.symbol().equals("avx512vnni")
            ? new Tiles(
                own.bind("arrange_tiles", false, "lllllll"),
                own.bind("mul_tiles", false, "lllllllllll"))
            : null;
    Products products =
        new Products(
            own.bind("quantize", false, "lllllll"),
            own.bind("panel_of_floats", false, "lll"),
            byType,
            tiles);
    Rows rows =
        new Rows(
            own.bind("rms_norm", false, "lllllf"),
            own.bind("layer_norm", false, "llllllf"),
            own.bind("activate", false, "lll"),
            own.bind("gate", false, "llll"),
            own.bind("gate_clamped", false, "lllff"),
            own.bind("add", false, "lll"),
            own.bind("multiply", false, "lll"),
            own.bind("scale", false, "lfl"),
            own.bind("softcap", false, "lfl"),
            own.bind("rope", false, "lllllll"));
    Attention attention =
        new Attention(
            own.bind("attention", false, "lllllll"), own.bind("store_kv", false, "lllll"));
    Limits limits =
        new Limits(
            own.bind("read_memory", true, "ll"),
            own.bind(tiles == null ? "dot_bytes" : "dot_tiles", true, "ll"),
            own.bind("multiply_add", true, "ll"));
    return new NativeKernels(variant, memory, products, rows, attention, limits);
  }

  /// What a call that cannot fail threw.
  static LinkageError failed(Throwable t) {
    return new LinkageError("native kernel", t);
  }

  /// Bytes of a packed matrix, or -1 for a type without kernels.
  long packedBytes(GgmlType type, long cols, long rowCount) {
    try {
      return (long) memory.packedBytes.invokeExact((long) type.id(), cols, rowCount);
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  /// Looks functions up and binds them; a signature is a letter per parameter, `l` or `f`.
  private record Binder(SymbolLookup symbols, String prefix) {
    MethodHandle bind(String name, boolean returnsLong, String signature) {
      MemoryLayout[] parameters = new MemoryLayout[signature.length()];
      for (int i = 0; i < parameters.length; i++) {
        parameters[i] = signature.charAt(i) == 'f' ? JAVA_FLOAT : JAVA_LONG;
      }
      return Linker.nativeLinker()
          .downcallHandle(
              symbols.findOrThrow(prefix + name),
              returnsLong
                  ? FunctionDescriptor.of(JAVA_LONG, parameters)
                  : FunctionDescriptor.ofVoid(parameters));
    }
  }
}

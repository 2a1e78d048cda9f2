package ai.realm.runtime;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.BiConsumer;

/// A guest that does what a test tells it, one host function a call: every host function that the test
/// names is an export of the same name, and the test reads and writes its memory.
final class HostCaller {
  private static final Map<String, Integer> OWN =
      Map.of("arg_read", 3, "emit_event", 3, "tokenize", 6, "model_open", 2);

  private static final int PAGES = 4;

  /// Calls an export of the guest, wherever it runs.
  interface Target {
    CallResult call(String name, GuestOutput output, Object... arguments);
  }

  /// Where texts are put.
  static final int TEXT = 1024;

  /// Where the requests of steps are, and what they sample.
  static final int REQUEST = 512;

  static final int OUT = 131_072;

  // Flags of a step.
  static final int ALL = 1;
  static final int EMIT = 2;
  static final int NONE = 4;
  static final int LOGITS = 8;

  private final Target target;

  HostCaller(Target target) {
    this.target = target;
  }

  static HostCaller of(RealmRuntime runtime, byte[] guest) {
    runtime.loadWasm(guest);
    return new HostCaller(runtime::callFunction);
  }

  /// A guest that offers host functions, by their numbers of parameters.
  static byte[] guest(Map<String, Integer> functions) {
    return guest(functions, PAGES);
  }

  /// The same with as many pages of memory.
  static byte[] guest(Map<String, Integer> functions, int pages) {
    return guest(functions, pages, (module, imported) -> {});
  }

  /// The same with functions of the test's own, which know the host functions by these indices.
  static byte[] guest(
      Map<String, Integer> functions, BiConsumer<WasmModuleBuilder, Map<String, Integer>> own) {
    return guest(functions, PAGES, own);
  }

  private static byte[] guest(
      Map<String, Integer> functions,
      int pages,
      BiConsumer<WasmModuleBuilder, Map<String, Integer>> own) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    Map<String, Integer> all = new LinkedHashMap<>(OWN);
    all.putAll(functions);
    Map<String, Integer> imported = new LinkedHashMap<>();
    all.forEach(
        (name, count) -> imported.put(name, module.importFunction("realm_host", name, count)));
    module.memory(pages, pages);
    all.forEach((name, count) -> {
      Code code = new Code();
      for (int i = 0; i < count; i++) {
        code.get(i);
      }
      module.function(name, count, 0, code.call(imported.get(name)));
    });
    module.function("poke", 2, 0, new Code().get(0).get(1).store().constant(0));
    module.function("peek", 1, 0, new Code().get(0).load());
    own.accept(module, imported);
    return module.build();
  }

  /// Calls a host function.
  int call(String name, Object... arguments) {
    return (int) target.call(name, GuestOutput.discard(), arguments).value();
  }

  /// Calls a host function and tells how the call ended.
  CallResult result(String name, Object... arguments) {
    return target.call(name, GuestOutput.discard(), arguments);
  }

  /// The same as what makes one thing of each kind.
  OneOfEach.Guest things() {
    return new OneOfEach.Guest() {
      @Override
      public int call(String function, int... arguments) {
        return HostCaller.this.call(function, Arrays.stream(arguments).boxed().toArray());
      }

      @Override
      public int text(String text) {
        return HostCaller.this.text(text);
      }

      @Override
      public void poke(int address, int... values) {
        HostCaller.this.poke(address, values);
      }
    };
  }

  /// Puts the request of a step at [#REQUEST], or as many requests behind it.
  void request(int behind, int kv, int ids, int n, int flags) {
    int[] fields = new int[16];
    fields[0] = kv;
    fields[1] = ids;
    fields[2] = n;
    fields[3] = OUT + 4096 * behind;
    fields[5] = flags;
    poke(REQUEST + StepRow.BYTES * behind, fields);
  }

  /// One step of one request.
  int step(int kv, int ids, int n, int flags) {
    request(0, kv, ids, n, flags);
    return call("step", REQUEST, 1);
  }

  /// Puts a text at [#TEXT] and returns its length.
  int text(String text) {
    return (int) target.call("arg_read", GuestOutput.discard(), text, 0, TEXT, 16_384).value();
  }

  int open(String model) {
    return call("model_open", TEXT, text(model));
  }

  /// Puts the ids of a text at an address and returns their number.
  int tokenize(int model, String text, int to) {
    return call("tokenize", model, TEXT, text(text), 3, to, 4096);
  }

  void poke(int address, int... values) {
    for (int i = 0; i < values.length; i++) {
      call("poke", address + 4 * i, values[i]);
    }
  }

  int peek(int address) {
    return call("peek", address);
  }

  ByteBuffer bytes(int address, int length) {
    Sent sent = new Sent();
    target.call("emit_event", sent, 0, address, length);
    return sent.event(0);
  }

  float[] floats(int address, int count) {
    float[] values = new float[count];
    bytes(address, 4 * count).asFloatBuffer().get(values);
    return values;
  }

  int[] ints(int address, int count) {
    int[] values = new int[count];
    bytes(address, 4 * count).asIntBuffer().get(values);
    return values;
  }

  /// The most probable continuation of a sequence: `first` tokens from an address, then what was sampled,
  /// `n` ids.
  int[] greedy(int kv, int ids, int first, int n) {
    int request = 512;
    int[] out = new int[n];
    int count = first;
    int from = ids;
    for (int i = 0; i < n; i++) {
      int[] fields = new int[16];
      fields[0] = kv;
      fields[1] = from;
      fields[2] = count;
      fields[3] = 600;
      poke(request, fields);
      int error = call("step", request, 1);
      if (error < 0) {
        throw new AssertionError("step: " + error + " after " + Arrays.toString(out));
      }
      out[i] = peek(600);
      from = 600;
      count = 1;
    }
    return out;
  }
}

package ai.realm.runtime;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/// A guest made by a test that gives the host everything that a host reads: texts, tokens, a grammar, a mask,
/// step requests, values, a tool's question. Everything that it says and where its data lies can be changed.
final class AskingGuest {
  int base = 1024;
  String prompt = "What is France?";
  String pattern = "(Yes|No)";
  String value = "kept for later";
  String question = "7 + 8";
  String sampler = "{\"temperature\":0.5}";
  int room = 64;
  int token = 100;
  float temperature = 0.8f;
  int topK = 40;
  int flags = 2;
  int maskWord = -1;
  boolean usesSampler;
  boolean submits;

  private static final int VALUE = 128;
  private static final int QUESTION = 192;
  private static final int PATTERN = 256;
  private static final int SAMPLER = 320;
  private static final int IDS = 512;
  private static final int REQUEST = 1024;
  private static final int TOKEN = 1100;
  private static final int OUT = 1200;
  private static final int ANSWER = 1300;
  private static final int MASK = 2048;
  private static final int MASK_BYTES = 8192;

  // Locals of the function.
  private static final int MODEL = 0;
  private static final int KV = 1;
  private static final int HANDLE = 2;
  private static final int OTHER = 3;

  private AskingGuest() {}

  static byte[] with(Consumer<AskingGuest> change) {
    AskingGuest guest = new AskingGuest();
    change.accept(guest);
    return guest.build();
  }

  /// A text of the guest's memory as pointer and length on the stack.
  private Code text(Code code, int at, String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    ByteBuffer padded = ByteBuffer.allocate(utf8.length + 4).order(ByteOrder.LITTLE_ENDIAN);
    padded.put(utf8).rewind();
    for (int i = 0; i < utf8.length; i += 4) {
      code.storeConstant(base + at + i, padded.getInt(i));
    }
    return code.constant(base + at).constant(utf8.length);
  }

  private void request(Code code, int matcher, boolean mask) {
    code.storeConstant(base + TOKEN, token);
    code.storeLocal(base + REQUEST, KV);
    code.storeConstant(base + REQUEST + 4, base + TOKEN);
    code.storeConstant(base + REQUEST + 8, 1);
    code.storeConstant(base + REQUEST + 12, base + OUT);
    code.storeConstant(base + REQUEST + 20, flags);
    code.storeConstant(base + REQUEST + 24, mask ? base + MASK : 0);
    if (matcher == 0) {
      code.storeConstant(base + REQUEST + 28, 0);
    } else {
      code.storeLocal(base + REQUEST + 28, matcher);
    }
    code.storeConstant(base + REQUEST + 32, Float.floatToRawIntBits(temperature));
    code.storeConstant(base + REQUEST + 36, topK);
    code.storeConstant(base + REQUEST + 40, Float.floatToRawIntBits(1));
    code.storeConstant(base + REQUEST + 44, 7);
  }

  private byte[] build() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    final int open = module.importFunction("realm_host", "model_open", 2);
    final int tokenize = module.importFunction("realm_host", "tokenize", 6);
    final int newKv = module.importFunction("realm_host", "kv_new", 1);
    final int compile = module.importFunction("realm_host", "grammar_compile", 3);
    final int matcher = module.importFunction("realm_host", "matcher_new", 2);
    final int newSampler = module.importFunction("realm_host", "sampler_new", 3);
    final int step = module.importFunction("realm_host", "step", 2);
    final int submit = module.importFunction("realm_host", "step_submit", 2);
    final int await = module.importFunction("realm_host", "step_wait", 2);
    final int put = module.importFunction("realm_host", "kvs_put", 4);
    final int ask = module.importFunction("realm_host", "tool_call", 4);
    final int readBlob = module.importFunction("realm_host", "blob_read", 4);
    final int emit = module.importFunction("realm_host", "emit_text", 2);
    Code code = new Code();
    text(code, 0, "sample").call(open).set(MODEL);
    code.get(MODEL);
    text(code, 64, prompt).constant(0).constant(base + IDS).constant(room).call(tokenize).drop();
    code.get(MODEL).call(newKv).set(KV);
    // A step that follows a grammar, one with a mask.
    code.constant(2);
    text(code, PATTERN, pattern).call(compile).set(HANDLE);
    code.get(HANDLE).get(MODEL).call(matcher).set(HANDLE);
    request(code, HANDLE, false);
    code.constant(base + REQUEST).constant(1).call(step).drop();
    code.constant(base + MASK).constant(255).constant(MASK_BYTES).fill();
    code.storeConstant(base + MASK + 8, maskWord);
    request(code, 0, true);
    if (usesSampler) {
      code.get(MODEL);
      text(code, SAMPLER, sampler).call(newSampler).set(OTHER);
      code.storeLocal(base + REQUEST + 60, OTHER);
    }
    code.constant(base + REQUEST).constant(1);
    if (submits) {
      code.call(submit).set(OTHER).get(OTHER).constant(60_000).call(await).drop();
    } else {
      code.call(step).drop();
    }
    text(code, 64, "key");
    text(code, VALUE, value).call(put).drop();
    text(code, 64, "add");
    text(code, QUESTION, question).call(ask).set(HANDLE);
    code.get(HANDLE).constant(0).constant(base + ANSWER).constant(4).call(readBlob).drop();
    code.constant(base + ANSWER).constant(2).call(emit).drop();
    // What the host wrote is what it did: the sampled token and the tool's answer.
    code.constant(base + OUT).load().constant(base + ANSWER).load().raw(0x73);
    module.memory(2, 2);
    int run = module.function("run", 0, 4, code);
    // generate(n): run() from n calls within each other.
    final int deep = run + 1;
    Code within = new Code().get(0).raw(0x45, 0x04, 0x7f).call(run);
    within.raw(0x05).get(0).constant(1).raw(0x6b).call(deep).raw(0x0b);
    module.function("generate", 1, 0, within);
    module.function("load_model", 0, 0, new Code().constant(0));
    return module.build();
  }
}

package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Guests that constrain their output by a grammar on the host, and those that talk to their caller.
@Timeout(120)
final class GrammarGuestTest {
  private static final String PROMPT = "<|user|>What is the capital of France?</s><|assistant|>";
  private static final int REQUEST = 0;
  private static final int OUT = 128;
  private static final int TEXT = 1024;
  private static final int IDS = 8192;

  /// Arguments: model, prompt, grammar. Takes `steps` steps under the grammar and returns the matcher's
  /// status.
  private static byte[] constrained(int kind, int steps) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int open = module.importFunction("realm_host", "model_open", 2);
    int tokenize = module.importFunction("realm_host", "tokenize", 6);
    int newSequence = module.importFunction("realm_host", "kv_new", 1);
    int step = module.importFunction("realm_host", "step", 2);
    int compile = module.importFunction("realm_host", "grammar_compile", 3);
    int newMatcher = module.importFunction("realm_host", "matcher_new", 2);
    int status = module.importFunction("realm_host", "matcher_status", 1);
    int model = 0;
    int count = 1;
    int matcher = 2;
    Code body = new Code();
    body.constant(0).constant(TEXT).constant(2048).call(argument).set(count);
    body.constant(TEXT).get(count).call(open).set(model);
    body.constant(2).constant(TEXT).constant(2048).call(argument).set(count);
    body.constant(kind).constant(TEXT).get(count).call(compile);
    body.get(model).call(newMatcher).set(matcher);
    body.constant(1).constant(TEXT).constant(2048).call(argument).set(count);
    body.get(model).constant(TEXT).get(count).constant(3).constant(IDS).constant(1000);
    body.call(tokenize).set(count);
    body.constant(REQUEST).get(model).call(newSequence).store();
    body.storeConstant(REQUEST + 4, IDS).storeLocal(REQUEST + 8, count);
    body.storeConstant(REQUEST + 12, OUT).storeConstant(REQUEST + 20, 2);
    body.storeLocal(REQUEST + 28, matcher);
    for (int i = 0; i < steps; i++) {
      body.constant(REQUEST).constant(1).call(step).drop();
      body.storeConstant(REQUEST + 4, OUT).storeConstant(REQUEST + 8, 1);
    }
    body.get(matcher).call(status);
    module.memory(1, 4).function("answer", 0, 3, body);
    return module.build();
  }

  private static CallResult run(byte[] guest, GuestOutput output, Object... arguments) {
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend();
        RealmRuntime runtime =
            new RealmRuntime(RuntimeConfig.of("sample", SampleModel.path(), backend))) {
      runtime.loadWasm(guest);
      return runtime.callFunction("answer", output, arguments);
    }
  }

  @Test
  void aGrammarDecidesWhatTheModelMaySay() {
    CallResult result =
        run(
            constrained(2, 16),
            GuestOutput.discard(),
            "sample",
            PROMPT,
            "^ ?The (city|town) is (Rome|Oslo)\\.$");
    assertThat(result.text()).matches("The (city|town) is (Rome|Oslo)\\.");
  }

  @Test
  void aJsonSchemaMakesAModelThatKnowsNoJsonWriteIt() {
    String schema =
        "{\"type\":\"object\",\"properties\":{\"capital\":{\"enum\":[\"Paris\",\"Rome\"]}},"
            + "\"required\":[\"capital\"]}";
    CallResult result = run(constrained(1, 40), GuestOutput.discard(), "sample", PROMPT, schema);
    assertThat(result.text()).matches("\\{\\s*\"capital\"\\s*:\\s*\"(Paris|Rome)\"\\s*}");
    assertThat(result.value() & 1).isEqualTo(1);
  }

  @Test
  void aMalformedGrammarIsTheGuestsToHandle() {
    CallResult result =
        run(constrained(0, 0), GuestOutput.discard(), "sample", PROMPT, "root ::= (");
    // matcher_new got an error number for a grammar, and matcher_status one for a matcher.
    assertThat((int) result.value()).isEqualTo(Errno.EBADF);
  }

  /// A guest whose `answer` forks a matcher, accepts a token in one and returns what both say must follow:
  /// bytes of the first * 1000 + bytes of the second.
  private static byte[] forking(int token) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int open = module.importFunction("realm_host", "model_open", 2);
    int compile = module.importFunction("realm_host", "grammar_compile", 3);
    int newMatcher = module.importFunction("realm_host", "matcher_new", 2);
    int fork = module.importFunction("realm_host", "matcher_fork", 1);
    int accept = module.importFunction("realm_host", "matcher_accept", 2);
    int forced = module.importFunction("realm_host", "matcher_forced", 3);
    int mask = module.importFunction("realm_host", "matcher_mask", 3);
    int model = 0;
    int matcher = 1;
    int other = 2;
    Code body = new Code();
    body.constant(0).constant(TEXT).constant(2048).call(argument).set(matcher);
    body.constant(TEXT).get(matcher).call(open).set(model);
    body.constant(1).constant(TEXT).constant(2048).call(argument).set(matcher);
    body.constant(2).constant(TEXT).get(matcher).call(compile);
    body.get(model).call(newMatcher).set(matcher);
    body.get(matcher).call(fork).set(other);
    body.get(other).constant(token).call(accept).drop();
    body.get(matcher).constant(TEXT).constant(0).call(forced).constant(1000).raw(0x6c);
    body.get(other).constant(TEXT).constant(0).call(forced).raw(0x6a);
    body.constant(1_000_000).get(other).constant(IDS).constant(64).call(mask).raw(0x6c).raw(0x6a);
    module.memory(1, 4).function("answer", 0, 3, body);
    return module.build();
  }

  @Test
  void forksOfAMatcherGoTheirOwnWays() {
    // " Paris" is one token of the sample model; 1792 tokens are 56 words of a mask.
    CallResult result = run(forking(1542), GuestOutput.discard(), "sample", "^ Paris( is|\\.)$");
    assertThat(result.value()).isEqualTo(56_006_000L);
  }
}

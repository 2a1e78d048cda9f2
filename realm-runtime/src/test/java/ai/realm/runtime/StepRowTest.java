package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.engine.AdmissionException;
import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/// What a guest's request of a step may say, by what the step returns.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class StepRowTest extends SampleFixture {
  private static final int REQUEST = 0;
  private static final int OUT = 128;
  private static final int TEXT = 1024;
  private static final int IDS = 8192;
  private static final int CONTEXT = 48;

  private static final int ALL = 1;
  private static final int NO_END = 16;

  /// Steps of `count` tokens on a sequence of the first model, with a matcher and a sampler of the second; returns
  /// what the last one returned. Arguments: both models' names, a regular expression, a sampler's settings.
  private static byte[] stepping(int flags, boolean matcher, boolean sampler, int... counts) {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int open = module.importFunction("realm_host", "model_open", 2);
    int newSequence = module.importFunction("realm_host", "kv_new", 1);
    int step = module.importFunction("realm_host", "step", 2);
    int compile = module.importFunction("realm_host", "grammar_compile", 3);
    int newMatcher = module.importFunction("realm_host", "matcher_new", 2);
    int newSampler = module.importFunction("realm_host", "sampler_new", 3);
    int length = 0;
    int other = 1;
    int result = 2;
    Code body = new Code();
    body.constant(0).constant(TEXT).constant(2048).call(argument).set(length);
    body.constant(REQUEST).constant(TEXT).get(length).call(open).call(newSequence).store();
    body.constant(1).constant(TEXT).constant(2048).call(argument).set(length);
    body.constant(TEXT).get(length).call(open).set(other);
    body.storeConstant(REQUEST + 4, IDS).storeConstant(REQUEST + 12, OUT);
    body.storeConstant(REQUEST + 20, flags);
    if (matcher) {
      body.constant(2).constant(TEXT).constant(2048).call(argument).set(length);
      body.constant(REQUEST + 28);
      body.constant(2).constant(TEXT).get(length).call(compile).get(other).call(newMatcher).store();
    }
    if (sampler) {
      body.constant(3).constant(TEXT).constant(2048).call(argument).set(length);
      body.constant(REQUEST + 60);
      body.get(other).constant(TEXT).get(length).call(newSampler).store();
    }
    for (int count : counts) {
      body.storeConstant(REQUEST + 8, count);
      body.constant(REQUEST).constant(1).call(step).set(result);
    }
    body.get(result);
    module.memory(1, 4).function("answer", 0, 3, body);
    return module.build();
  }

  private int run(byte[] guest, String other, String regex) {
    RuntimeConfig config =
        RuntimeConfig.builder(backend)
            .model("one", SampleModel.path())
            .model("two", SampleModel.path())
            .maxContext(CONTEXT)
            .memory64Bytes(1 << 20)
            .build();
    try (RealmRuntime runtime = new RealmRuntime(config)) {
      runtime.loadWasm(guest);
      return (int) runtime.callFunction("answer", "one", other, regex, "{\"top_k\":3}").value();
    }
  }

  @Test
  void matchersAndSamplersAreThoseOfTheSequencesModel() {
    assertThat(run(stepping(0, true, true, 1), "one", "a|b")).isZero();
    assertThat(run(stepping(0, true, false, 1), "two", "a|b")).isEqualTo(Errno.EINVAL);
    assertThat(run(stepping(0, false, true, 1), "two", "a|b")).isEqualTo(Errno.EINVAL);
  }

  @Test
  void aSequenceIsNoLongerThanTheConfigurationAllows() {
    assertThat(run(stepping(0, false, false, 40, 8), "one", "")).isZero();
    assertThatThrownBy(() -> run(stepping(0, false, false, 40, 9), "one", ""))
        .isInstanceOfSatisfying(
            AdmissionException.class, e -> assertThat(e.code()).isEqualTo("CONTEXT_FULL"))
        .hasMessageContaining("context of 48 tokens: the sequence has 40");
    assertThat(run(stepping(0, false, false, CONTEXT + 1), "one", "")).isEqualTo(Errno.EMSGSIZE);
    assertThat(run(stepping(0, false, false, 0), "one", "")).isEqualTo(Errno.EINVAL);
  }

  @Test
  void noEndGoesTogetherWithAMatcher() {
    assertThat(run(stepping(NO_END, true, false, 1, 1), "one", "a*")).isZero();
    // Nothing but the end can follow: then it ends.
    assertThat(run(stepping(NO_END, true, false, 1, 1, 1), "one", "ab?")).isZero();
    assertThat(run(stepping(NO_END | ALL, true, false, 2), "one", "a*")).isEqualTo(Errno.EINVAL);
  }
}

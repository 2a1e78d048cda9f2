package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import ai.realm.runtime.HostParameters.Parameter;
import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/// A wrong argument of a host function: whoever calls the guest is told which, what was expected and what was
/// found, here as in a worker.
@ParameterizedClass
@MethodSource("isolations")
@Timeout(120)
final class WrongArgumentTest extends SampleFixture {
  private static final int VOCABULARY = 1792;
  private static final int CONTEXT = 48;
  private static final int PAGES = 300;
  private static final int TEXT = HostCaller.TEXT;
  private static final int IDS = 32_768;
  private static final int OUT = HostCaller.OUT;
  private static final int FAR = 262_144;

  /// No handle.
  private static final int NONE = 4711;

  // Fields of a request.
  private static final int N = 8;
  private static final int FLAGS = 20;
  private static final int MASK = 24;
  private static final int MATCHER = 28;
  private static final int TEMPERATURE = 32;
  private static final int TOP_K = 36;
  private static final int TOP_P = 40;
  private static final int MIN_P = 48;
  private static final int REPEAT_PENALTY = 52;
  private static final int SAMPLER = 60;

  private final Isolation isolation;
  private RealmRuntime runtime;
  private HostCaller guest;
  private int model;
  private int kv;

  WrongArgumentTest(Isolation isolation) {
    this.isolation = isolation;
  }

  static Stream<Isolation> isolations() {
    return Stream.of(Isolation.inProcess(), Isolation.worker());
  }

  @BeforeEach
  void start() {
    RuntimeConfig config = builder().model("two", SampleModel.path()).maxContext(CONTEXT).build();
    GuestTools tools =
        new GuestTools(Map.of("echo", text -> text, "long", text -> "x".repeat((1 << 20) + 1)));
    runtime =
        new RealmRuntime(config, ResourceLimits.unbounded(GuestLimits.DEFAULT), tools, isolation);
    Map<String, Integer> functions = new LinkedHashMap<>();
    runtime.loadWasm(HostCaller.guest(Map.of()));
    runtime.hostFunctions().forEach(f -> functions.put(f.name(), f.parameters()));
    guest = HostCaller.of(runtime, HostCaller.guest(functions, PAGES));
    model = guest.open("sample");
    kv = guest.call("kv_new", model);
    guest.poke(IDS, 1, 2, 3);
  }

  @AfterEach
  void end() {
    runtime.close();
  }

  private void assertInvalid(String reason, String function, Object... arguments) {
    assertError(Errno.EINVAL, reason, function, arguments);
  }

  private void assertTooLong(String reason, String function, Object... arguments) {
    assertError(Errno.EMSGSIZE, reason, function, arguments);
  }

  private void assertUnknown(String argument, String kind, String function, Object... arguments) {
    String reason = argument + ": expected the handle of an open " + kind + ", found " + NONE;
    assertError(Errno.EBADF, reason, function, arguments);
  }

  private void assertError(int errno, String reason, String function, Object... arguments) {
    CallResult result = guest.result(function, arguments);
    assertThat(result.value()).as(function).isEqualTo(errno);
    assertThat(result.error()).isEqualTo(function + ": " + reason);
  }

  @Test
  void ofTheCallItself() {
    assertTooLong("len: expected at most 16777216, found 16777217", "emit_text", 0, 16_777_217);
    assertTooLong("len: expected at most 1048576, found 1048577", "emit_event", 0, 0, 1_048_577);
    assertInvalid("len: expected at most 65536, found 65537", "random", 0, 65_537);
    assertInvalid("what: expected 0 to 2, found 3", "budget_left", 3);
    assertInvalid("what: expected 0 to 2, found -1", "budget_left", -1);
    assertInvalid("key_len: expected at most 1024, found 1025", "kvs_put", 0, 1025, 0, 1);
    assertTooLong("name_len: expected at most 1024, found 1025", "tool_call", 0, 1025, 0, 1);
    assertTooLong(
        "text_len: expected at most 1048576, found 1048577", "tool_call", 0, 4, 0, 1_048_577);
    assertTooLong(
        "the tool's answer: expected at most 1048576, found 1048577",
        "tool_call",
        TEXT,
        guest.text("long"),
        0,
        0);
    int blob = guest.call("tool_call", TEXT, guest.text("echo"), TEXT, 4);
    assertInvalid("offset: expected 0 to 4, found 5", "blob_read", blob, 5, FAR, 4);
    assertInvalid("offset: expected 0 to 4, found -1", "blob_read", blob, -1, FAR, 4);
    assertUnknown("blob", "blob", "blob_read", NONE, 0, FAR, 4);
    assertUnknown("blob", "blob", "blob_free", NONE);
  }

  @Test
  void ofModels() {
    int tooMany = (2 << 20) + 1;
    assertUnknown("model", "model", "model_close", NONE);
    assertUnknown("model", "model", "model_info", NONE, FAR, 16);
    assertUnknown("model", "model", "tokenize", NONE, 0, 0, 0, FAR, 4);
    assertTooLong(
        "text_len: expected at most 2097152, found 2097153",
        "tokenize",
        model,
        0,
        tooMany,
        0,
        FAR,
        4);
    assertInvalid("cap: expected at least 0, found -1", "tokenize", model, 0, 0, 0, FAR, -1);
    assertInvalid("flags: expected 0 to 3, found 4", "tokenize", model, 0, 0, 4, FAR, 4);
    guest.poke(TEXT, 0x61ff6161);
    assertInvalid(
        "text_ptr: expected UTF-8, found byte 0xff at 2", "tokenize", model, TEXT, 4, 0, FAR, 4);
    assertInvalid(
        "text_ptr: expected UTF-8, found byte 0xff at 2", "tokenize", model, TEXT, 3, 0, FAR, 4);
    assertUnknown("model", "model", "detokenize", NONE, IDS, 3, FAR, 16);
    guest.poke(IDS + 8, VOCABULARY);
    assertInvalid(
        "ids_ptr[2]: expected 0 to 1791, found 1792", "detokenize", model, IDS, 3, FAR, 16);
    assertTooLong(
        "n: expected at most 2097152, found 2097153", "detokenize", model, 0, tooMany, 0, 0);
    assertUnknown("model", "model", "token_bytes", NONE, 1, FAR, 16);
    assertInvalid(
        "token: expected 0 to 1791, found 1792", "token_bytes", model, VOCABULARY, FAR, 16);
    assertUnknown("model", "model", "token_flags", NONE, 1);
    assertInvalid("token: expected 0 to 1791, found -1", "token_flags", model, -1);
    assertUnknown("model", "model", "chat_template", NONE, 0, 0, FAR, 16);
    assertTooLong(
        "json_len: expected at most 2097152, found 2097153",
        "chat_template",
        model,
        0,
        tooMany,
        0,
        0);
  }

  @Test
  void ofConversations() {
    assertConversation("json: expected a value at 0, found the end", "");
    assertConversation("json: expected ']' at 3, found the end", "[{}");
    assertConversation("json: expected an array of messages, found another value", "{}");
    assertConversation("json[1]: expected an object, found another value", OK_AND.formatted("7"));
    assertConversation("json[1].role: expected a text, found none", OK_AND.formatted("{}"));
    assertConversation(
        "json[1].content: expected a text, found another value",
        OK_AND.formatted("{\"role\":\"user\",\"content\":null}"));
    String many = "[" + "1,".repeat(6000) + "1]";
    assertConversation("json[0]: expected an object, found another value", many);
  }

  private static final String OK_AND = "[{\"role\":\"user\",\"content\":\"x\"},%s]";

  private void assertConversation(String reason, String json) {
    assertInvalid(reason, "chat_template", model, TEXT, guest.text(json), FAR, 16);
  }

  @Test
  void ofSequences() {
    assertThat(guest.step(kv, IDS, 3, 0)).isZero();
    assertUnknown("model", "model", "kv_new", NONE);
    assertUnknown("kv", "sequence", "kv_fork", NONE);
    assertUnknown("kv", "sequence", "kv_len", NONE);
    assertUnknown("kv", "sequence", "kv_truncate", NONE, 0);
    assertInvalid("len: expected 0 to 3, found 40", "kv_truncate", kv, 40);
    assertInvalid("len: expected 0 to 3, found -1", "kv_truncate", kv, -1);
    assertUnknown("kv", "sequence", "kv_text", NONE, 1, FAR, 16);
    assertInvalid("token: expected 0 to 1791, found 1792", "kv_text", kv, VOCABULARY, FAR, 16);
    assertUnknown("kv", "sequence", "kv_free", NONE);
    assertUnknown("kv", "sequence", "kv_save", NONE, TEXT, 4);
    assertInvalid("name_len: expected 1 to 1024, found 0", "kv_save", kv, TEXT, 0);
    assertUnknown("model", "model", "kv_open", NONE, TEXT, 4);
    assertInvalid("name_len: expected 1 to 1024, found 1025", "kv_open", model, TEXT, 1025);
    assertUnknown("kv", "sequence", "logits_read", NONE, 0, FAR, 16);
    assertInvalid(
        "kv: expected a last step with the flag LOGITS, found none", "logits_read", kv, 0, FAR, 4);
    assertThat(guest.step(kv, IDS, 3, HostCaller.LOGITS | HostCaller.ALL)).isZero();
    assertInvalid("output: expected 0 to 2, found 3", "logits_read", kv, 3, FAR, 4);
    assertInvalid("output: expected 0 to 2, found -1", "logits_read", kv, -1, FAR, 4);
    assertThat(guest.step(kv, IDS, 3, HostCaller.LOGITS | HostCaller.NONE)).isZero();
    assertInvalid(
        "kv: expected a last step that gave outputs, found none", "logits_read", kv, 0, FAR, 4);
  }

  @Test
  void ofGrammarsAndSamplers() {
    int tooMany = (1 << 20) + 1;
    assertInvalid("kind: expected 0 to 3, found 4", "grammar_compile", 4, TEXT, 0);
    assertTooLong("len: expected at most 1048576, found 1048577", "grammar_compile", 0, 0, tooMany);
    assertUnknown("grammar", "grammar", "grammar_free", NONE);
    int grammar = guest.call("grammar_compile", 2, TEXT, guest.text("[0-9]+"));
    assertUnknown("grammar", "grammar", "matcher_new", NONE, model);
    assertUnknown("model", "model", "matcher_new", grammar, NONE);
    int matcher = guest.call("matcher_new", grammar, model);
    assertInvalid("token: expected 0 to 1791, found 1792", "matcher_accept", matcher, VOCABULARY);
    guest.tokenize(model, "x", IDS);
    int notAllowed = guest.peek(IDS + 4);
    assertInvalid(
        "token: expected one that the grammar allows here, found " + notAllowed,
        "matcher_accept",
        matcher,
        notAllowed);
    assertInvalid("cap: expected at least 0, found -1", "matcher_mask", matcher, FAR, -1);
    for (String function : List.of("fork", "status", "free")) {
      assertUnknown("matcher", "matcher", "matcher_" + function, NONE);
    }
    for (String function : List.of("forced", "forced_tokens", "mask")) {
      assertUnknown("matcher", "matcher", "matcher_" + function, NONE, FAR, 4);
    }
    assertUnknown("matcher", "matcher", "matcher_accept", NONE, 1);
    assertUnknown("model", "model", "sampler_new", NONE, TEXT, 2);
    assertTooLong(
        "json_len: expected at most 65536, found 65537", "sampler_new", model, TEXT, 65_537);
    assertUnknown("sampler", "sampler", "sampler_free", NONE);
  }

  /// A request of one token of the sequence, with some fields changed: pairs of offset and value.
  private void request(int index, int sequence, int... changes) {
    int[] fields = new int[StepRow.BYTES / Integer.BYTES];
    fields[0] = sequence;
    fields[1] = IDS;
    fields[2] = 1;
    fields[3] = OUT;
    for (int i = 0; i < changes.length; i += 2) {
      fields[changes[i] / 4] = changes[i + 1];
    }
    guest.poke(HostCaller.REQUEST + StepRow.BYTES * index, fields);
  }

  /// A step of two requests, the second with some fields changed.
  private void assertRequest(int errno, String reason, int... changes) {
    request(0, guest.call("kv_new", model));
    request(1, kv, changes);
    String expected = "requests[1]." + reason;
    assertError(errno, expected, "step", HostCaller.REQUEST, 2);
    assertError(errno, expected, "step_submit", HostCaller.REQUEST, 2);
  }

  private void assertInvalidRequest(String reason, int... changes) {
    assertRequest(Errno.EINVAL, reason, changes);
  }

  private static int bits(double value) {
    return Float.floatToIntBits((float) value);
  }

  @Test
  void ofSteps() {
    request(0, kv);
    for (String function : List.of("step", "step_submit")) {
      assertInvalid("n: expected 1 to 64, found 0", function, HostCaller.REQUEST, 0);
      assertInvalid("n: expected 1 to 64, found 65", function, HostCaller.REQUEST, 65);
    }
    assertUnknown("ticket", "ticket", "step_wait", NONE, 0);
    assertInvalidRequest("n: expected 1 to 48, found 0", N, 0);
    assertRequest(Errno.EMSGSIZE, "n: expected 1 to 48, found 49", N, CONTEXT + 1);
    assertInvalidRequest("flags: expected 0 to 31, found 32", FLAGS, 32);
    assertInvalidRequest("temperature: expected 0 to 100, found -1", TEMPERATURE, bits(-1));
    assertInvalidRequest("temperature: expected 0 to 100, found NaN", TEMPERATURE, bits(0.0 / 0));
    assertInvalidRequest("top_k: expected 0 to 2147483647, found -1", TOP_K, -1);
    assertInvalidRequest("top_p: expected 0 to 1, found 1.7", TOP_P, bits(1.7));
    assertInvalidRequest("min_p: expected 0 to 1, found Infinity", MIN_P, bits(1 / 0.0));
    assertInvalidRequest(
        "repeat_penalty: expected 0.01 to 100, found -0.5", REPEAT_PENALTY, bits(-0.5));
  }

  @Test
  void ofWhatARequestNames() {
    int second = guest.call("model_open", TEXT, guest.text("two"));
    final int grammar = guest.call("grammar_compile", 2, TEXT, guest.text("[0-9]+"));
    final int matcher = guest.call("matcher_new", grammar, model);
    assertRequest(Errno.EBADF, "kv: expected the handle of an open sequence, found 4711", 0, NONE);
    assertRequest(
        Errno.EBADF,
        "matcher: expected the handle of an open matcher or 0, found 4711",
        MATCHER,
        NONE);
    assertRequest(
        Errno.EBADF,
        "sampler: expected the handle of an open sampler or 0, found 4711",
        SAMPLER,
        NONE);
    assertInvalidRequest(
        "matcher: expected one of the sequence's model, found one of another",
        MATCHER,
        guest.call("matcher_new", grammar, second));
    assertInvalidRequest(
        "sampler: expected one of the sequence's model, found one of another",
        SAMPLER,
        guest.call("sampler_new", second, TEXT, guest.text("{}")));
    assertInvalidRequest(
        "mask_ptr: expected 0 beside a matcher, found 262144", MASK, FAR, MATCHER, matcher);
    assertInvalidRequest("mask_ptr: expected 0 beside NO_END, found 262144", MASK, FAR, FLAGS, 16);
    assertInvalidRequest(
        "flags: expected one output with a mask, a matcher or NO_END, found 2 outputs by flags 1",
        MATCHER,
        matcher,
        N,
        2,
        FLAGS,
        HostCaller.ALL);
    request(0, guest.call("kv_new", model), MATCHER, matcher);
    request(1, kv, MATCHER, matcher);
    assertInvalid(
        "requests[1].matcher: expected one of its own, found that of requests[0]",
        "step",
        HostCaller.REQUEST,
        2);
    request(0, kv);
    request(1, kv);
    assertInvalid(
        "requests[1].kv: expected a sequence of its own, found that of requests[0]",
        "step",
        HostCaller.REQUEST,
        2);
    request(1, guest.call("kv_new", second));
    assertInvalid(
        "requests[0].kv: expected a sequence of the model of requests[1], found one of another",
        "step",
        HostCaller.REQUEST,
        2);
    guest.poke(IDS + 8, VOCABULARY);
    assertInvalidRequest("tokens_ptr[2]: expected 0 to 1791, found 1792", N, 3);
  }

  @Test
  void ofEmbeddings() {
    assertUnknown("model_or_kv", "model or sequence", "embed", NONE, IDS, 3, 0, FAR, 4);
    assertInvalid("n: expected 1 to 48, found 0", "embed", model, IDS, 0, 0, FAR, 4);
    assertTooLong("n: expected 1 to 48, found 49", "embed", kv, IDS, CONTEXT + 1, 0, FAR, 4);
    assertInvalid("flags: expected 0 to 3, found 4", "embed", kv, IDS, 3, 4, FAR, 4);
    guest.poke(IDS + 4, -7);
    for (int handle : new int[] {model, kv}) {
      assertInvalid(
          "tokens_ptr[1]: expected 0 to 1791, found -7", "embed", handle, IDS, 3, 0, FAR, 4);
    }
  }

  @Test
  void ofMatricesAndLayers() {
    for (String function : List.of("candle_matmul", "candle_matmul_transposed")) {
      assertProduct("m: expected at least 1, found 0", function, 4, 4, 0, 2, 2);
      assertProduct("k: expected at least 1, found -2", function, 4, 4, 2, -2, 2);
      assertProduct("n: expected at least 1, found 0", function, 4, 4, 2, 2, 0);
      int large = 1 << 13;
      assertProduct(
          "m * k: expected at most 16777216, found 67108864", function, 4, 4, large, large, 1);
      assertProduct(
          "k * n: expected at most 16777216, found 67108864", function, 4, 4, 1, large, large);
      assertProduct(
          "m * n: expected at most 16777216, found 67108864", function, 4, 4, large, 1, large);
      int most = 1 << 12;
      assertProduct(
          "m * n * k: expected at most 4294967296, found 68719476736",
          function,
          4,
          4,
          most,
          most,
          most);
      assertProduct("a_len: expected m * k = 6, found 5", function, 5, 12, 2, 3, 4);
      assertProduct("b_len: expected k * n = 12, found 13", function, 6, 13, 2, 3, 4);
    }
    for (String function : List.of("memory64_store_layer", "memory64_load_layer")) {
      assertInvalid("model_len: expected at most 1024, found 1025", function, 0, 1025, 0, 0, 4);
    }
  }

  private void assertProduct(String reason, String function, int a, int b, int m, int k, int n) {
    assertInvalid(reason, function, 0, a, 0, b, m, k, n, FAR);
  }

  /// No function may answer with a number alone.
  @Test
  void everyRefusedArgumentHasItsName() {
    SplittableRandom random = new SplittableRandom(11);
    int[] lengths = {0, 1, 2, 64, 65, 1025, 65_537, (1 << 20) + 1};
    int[] others = {-1, 0, 1, 2, 7, NONE, VOCABULARY, Integer.MAX_VALUE, Integer.MIN_VALUE};
    int named = 0;
    for (HostFunction function : List.copyOf(runtime.hostFunctions())) {
      List<Parameter> parameters = HostParameters.of(function.name()).list();
      OneOfEach things = new OneOfEach(guest.things());
      for (int i = 0; i < 40; i++) {
        Object[] arguments = new Object[parameters.size()];
        for (int k = 0; k < arguments.length; k++) {
          Parameter parameter = parameters.get(k);
          int[] values = k > 0 && parameters.get(k - 1).isPointer() ? lengths : others;
          arguments[k] =
              parameter.isPointer()
                  ? random.nextInt(2) * OneOfEach.REQUEST
                  : i % 4 > 0 && OneOfEach.isHandle(parameter)
                      ? things.of(parameter)
                      : values[random.nextInt(values.length)];
        }
        try {
          CallResult result = guest.result(function.name(), arguments);
          int value = (int) result.value();
          if (value == Errno.EINVAL || value == Errno.EBADF || value == Errno.EMSGSIZE) {
            named++;
            assertThat(result.error())
                .startsWith(function.name() + ": ")
                .contains(": expected ", ", found ");
          }
        } catch (GuestTrapException e) {
          things = new OneOfEach(guest.things());
        } catch (RealmException e) {
          // A refusal with a reason of its own.
          assertThat(e.getMessage()).isNotEmpty();
        }
      }
    }
    assertThat(named).isGreaterThan(300);
  }

  /// The reason is that of the host function that failed last, and of the call that it failed in.
  @Test
  void aReasonLastsUntilTheNextFailure() {
    assertInvalid("what: expected 0 to 2, found 9", "budget_left", 9);
    CallResult none = guest.result("model_open", TEXT, guest.text("no such model"));
    assertThat(none.error()).isEqualTo("model_open: " + Errno.describe(Errno.ENOENT));
    assertThat(guest.result("poke", 0, 1).error()).isEmpty();
    assertThatThrownBy(() -> guest.result("budget_left", 9).orThrow())
        .isInstanceOf(GuestErrorException.class)
        .hasMessage("guest: budget_left: what: expected 0 to 2, found 9");
  }

  /// A recording has the number alone, as it had before: so a replay ends as the run did.
  @Test
  void recordingsHaveNoReasons(@TempDir Path folder) throws IOException {
    byte[] wasm = HostCaller.guest(Map.of("budget_left", 1));
    Path file = folder.resolve("failing.recording");
    GuestRecorder recorder = new GuestRecorder(runtime, wasm);
    assertThat(recorder.call("budget_left", 9).error())
        .isEqualTo("budget_left: what: expected 0 to 2, found 9");
    recorder.write(file);
    assertThat(Files.readString(file)).doesNotContain("expected", "refused");
    assertThat(GuestReplay.run(wasm, file, backend).difference()).isEmpty();
  }
}

package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.engine.grammar.Grammar;
import ai.realm.engine.grammar.Matcher;
import ai.realm.engine.sampling.DryBreakers;
import ai.realm.testing.sample.SampleModel;
import ai.realm.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import run.endive.wasm.types.MemoryLimits;

/// What guests make the host hold behind their handles and for their calls is charged to their realm.
@Timeout(120)
final class HostMemoryTest {
  private static final int HOST_BYTES = 512 << 10;
  private static final int TEXT = 1024;
  private static final int ANSWER_BYTES = 8000;
  private static Backend backend;

  @TempDir private Path folder;
  private Memory64Manager memory64;
  private ModelCatalog models;
  private Tenant tenant;
  private Tenant neighbour;

  /// A realm with a running guest, whose part the test plays.
  private static final class Tenant implements AutoCloseable {
    final Realm realm;
    final GuestState state;
    final HostFunctions functions;
    final GuestMemory memory;
    final int model;

    Tenant(String name, ModelCatalog models, Memory64Manager memory64) {
      GuestTools tools = new GuestTools(Map.of("answer", text -> "y".repeat(ANSWER_BYTES)));
      ResourceLimits limits = ResourceLimits.builder().hostBytes(HOST_BYTES).build();
      this.realm = new Realm(new TenantId(name), limits, models, memory64, tools);
      this.state = new GuestState(realm);
      this.functions = new HostFunctions(state);
      this.memory = new GuestMemory(new FlatMemory(new MemoryLimits(4, 4), realm.memory()));
      state.begin(new Call(List.of(), GuestOutput.discard(), realm));
      this.model = call("model_open", TEXT, text("sample"));
    }

    int call(String name, int... arguments) {
      return callWith(memory, name, arguments);
    }

    int callWith(GuestMemory memory, String name, int... arguments) {
      HostFunction function = functions.find(name);
      if (function == null) {
        throw new AssertionError("no host function " + name);
      }
      return function.body().call(memory, arguments);
    }

    int text(String text) {
      return memory.put(text.getBytes(StandardCharsets.UTF_8), TEXT, 60_000);
    }

    int grammar(String source) {
      return call("grammar_compile", 2, TEXT, text(source));
    }

    /// A new object behind a handle: `i` tells it from the others.
    int open(String kind, int i) {
      return switch (kind) {
        case "model" -> call("model_open", TEXT, text("sample"));
        case "grammar" -> grammar("a{" + i + "}(bc|de)*x{3}");
        case "matcher" -> {
          int grammar = grammar("a{9}");
          int matcher = grammar < 0 ? grammar : call("matcher_new", grammar, model);
          call("grammar_free", grammar);
          yield matcher;
        }
        case "sampler" ->
            call("sampler_new", model, TEXT, text("{\"temperature\":1,\"seed\":" + i + "}"));
        case "blob" -> call("tool_call", TEXT, text("answer"), 0, 1);
        default -> throw new AssertionError(kind);
      };
    }

    void free(String kind, int handle) {
      assertThat(call(kind + (kind.equals("model") ? "_close" : "_free"), handle)).isZero();
    }

    long used() {
      return realm.hostMemory().used();
    }

    String refusal() {
      var reason = state.call().refusal(Errno.EDQUOT);
      return reason == null ? "none" : reason.code();
    }

    @Override
    public void close() {
      state.call().finish();
      state.close();
      assertThat(used()).as("after all is closed").isZero();
      realm.close();
    }
  }

  @BeforeAll
  static void openBackend() {
    backend = Backends.open("auto", BackendOptions.DEFAULT).backend();
  }

  @AfterAll
  static void closeBackend() {
    backend.close();
  }

  @BeforeEach
  void open() {
    memory64 = new Memory64Manager(folder, 1 << 20, 1 << 22);
    models = new ModelCatalog(RuntimeConfig.of("sample", SampleModel.path(), backend));
    tenant = new Tenant("a", models, memory64);
    neighbour = new Tenant("b", models, memory64);
  }

  @AfterEach
  void close() {
    tenant.close();
    neighbour.close();
    models.close();
    memory64.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"grammar", "matcher", "sampler", "blob"})
  void everyKindOfHandleIsBoundedByBytesAndGivesThemBack(String kind) {
    long before = tenant.used();
    long beside = neighbour.used();
    List<Integer> handles = new ArrayList<>();
    int last = 1;
    for (int i = 1; last > 0; i++) {
      last = tenant.open(kind, i);
      assertThat(tenant.used()).isLessThanOrEqualTo(HOST_BYTES);
      if (last > 0) {
        handles.add(last);
      }
    }
    assertThat(last).isEqualTo(Errno.EDQUOT);
    assertThat(tenant.refusal()).isEqualTo("HOST_MEMORY_LIMIT");
    assertThat(handles).hasSizeBetween(10, 1000);
    assertThat(neighbour.used()).isEqualTo(beside);
    assertThat(neighbour.open(kind, 1)).isPositive();

    tenant.free(kind, handles.removeLast());
    tenant.free(kind, handles.removeLast());
    int again = tenant.open(kind, 1);
    assertThat(again).as("after two were freed").isPositive();
    handles.add(again);
    handles.forEach(handle -> tenant.free(kind, handle));
    assertThat(tenant.used()).isEqualTo(before);
  }

  @Test
  void matchersAndMasksThatGrowStayWithinTheBound() {
    List<Integer> matchers = new ArrayList<>();
    SplittableRandom random = new SplittableRandom(5);
    int grammar = tenant.call("grammar_compile", 3, 0, 0);
    int refused = 0;
    for (int i = 0; i < 1000 && refused < 50; i++) {
      int matcher = tenant.call("matcher_new", grammar, tenant.model);
      if (matcher < 0) {
        refused++;
        continue;
      }
      matchers.add(matcher);
      refused += follow(matcher, random);
    }
    assertThat(refused).as("answers EDQUOT").isPositive();
    assertThat(tenant.refusal()).isEqualTo("HOST_MEMORY_LIMIT");
    // What is refused is refused for now: with the others gone this one goes on.
    int last = matchers.removeLast();
    matchers.forEach(matcher -> tenant.free("matcher", matcher));
    assertThat(tenant.call("matcher_mask", last, 32_768, 1000)).isEqualTo(56);
    tenant.free("matcher", last);
    tenant.free("grammar", grammar);
  }

  /// Lets a matcher follow random tokens; returns how often it was refused.
  private int follow(int matcher, SplittableRandom random) {
    int refused = 0;
    for (int step = 0; step < 30; step++) {
      int words = tenant.call("matcher_mask", matcher, 32_768, 1000);
      assertThat(tenant.used()).isLessThanOrEqualTo(HOST_BYTES);
      if (words < 0) {
        assertThat(words).isEqualTo(Errno.EDQUOT);
        refused++;
        continue;
      }
      int token = allowed(words, random);
      int error = tenant.call("matcher_accept", matcher, token);
      refused += error < 0 ? 1 : 0;
      assertThat(error).isIn(0, Errno.EDQUOT);
      assertThat(tenant.used()).isLessThanOrEqualTo(HOST_BYTES);
    }
    return refused;
  }

  private int allowed(int words, SplittableRandom random) {
    int from = random.nextInt(32 * words);
    for (int i = 0; i < 32 * words; i++) {
      int token = (from + i) % (32 * words);
      if ((tenant.memory.getInt(32_768 + 4 * (token / 32)) >>> token % 32 & 1) != 0) {
        return token;
      }
    }
    throw new AssertionError("a mask without a token");
  }

  @Test
  void tokensThatASequenceKeepsForItsStepsAreCharged() {
    int request = 4096;
    int ids = 8192;
    int count =
        tenant.call("tokenize", tenant.model, TEXT, tenant.text("a b c ".repeat(50)), 3, ids, 1000);
    assertThat(count).isGreaterThan(100);
    long before = tenant.used();
    int kv = tenant.call("kv_new", tenant.model);
    int[] step = new int[16];
    step[0] = kv;
    step[1] = ids;
    step[2] = 100;
    step[3] = 16_384;
    step[5] = 1; // ALL
    tenant.memory.put(step, request, 16);
    assertThat(tenant.call("step", request, 1)).isZero();
    assertThat(tenant.used() - before).isBetween(1200L, 2000L);
    tenant.free("kv", kv);
    assertThat(tenant.used()).isEqualTo(before);
  }

  @Test
  void tokensThatASequenceKeepsOfAnEmbeddingAreCharged() {
    int ids = 8192;
    int count =
        tenant.call("tokenize", tenant.model, TEXT, tenant.text("a b c ".repeat(50)), 3, ids, 1000);
    assertThat(count).isGreaterThan(100);
    int kv = tenant.call("kv_new", tenant.model);
    int other = tenant.call("kv_new", tenant.model);
    long before = tenant.used();
    assertThat(tenant.call("embed", kv, ids, 100, 1, 32_768, 1000)).isPositive();
    assertThat(tenant.used() - before).isEqualTo(400);
    // The engine refuses what is not in the vocabulary, and the request keeps it all the same.
    tenant.memory.putInt(ids + 4 * 119, 1 << 30);
    assertThat(tenant.call("embed", other, ids, 120, 1, 32_768, 1000)).isEqualTo(Errno.EINVAL);
    assertThat(tenant.used() - before).isEqualTo(880);
    assertThat(tenant.call("embed", tenant.model, ids, 100, 1, 32_768, 1000)).isPositive();
    assertThat(tenant.used() - before).as("a text of its own is over").isEqualTo(880);
    tenant.free("kv", kv);
    tenant.free("kv", other);
    assertThat(tenant.used()).isLessThan(before);
  }

  @Test
  void samplersAreChargedForTheirSequenceBreakers() {
    List<String> breakers = IntStream.range(0, 64).mapToObj(i -> "e" + i).toList();
    long bytes = DryBreakers.of(tokenizer(), breakers).bytes();
    String settings =
        breakers.stream()
            .collect(
                Collectors.joining(
                    "\",\"", "{\"dry_multiplier\":1,\"dry_sequence_breakers\":[\"", "\"]}"));
    assertThat(bytes).isGreaterThan(32L * settings.length());
    long before = tenant.used();
    Thread.currentThread().interrupt();
    int stopped = tenant.call("sampler_new", tenant.model, TEXT, tenant.text(settings));
    assertThat(Thread.interrupted()).isTrue();
    assertThat(stopped).isEqualTo(Errno.ECANCELED);
    int sampler = tenant.call("sampler_new", tenant.model, TEXT, tenant.text(settings));
    assertThat(tenant.used() - before).isGreaterThan(bytes);
    tenant.free("sampler", sampler);
    assertThat(tenant.used()).isEqualTo(before);
  }

  private Tokenizer tokenizer() {
    return tenant.state.model(tenant.model).host().tokenizer();
  }

  @Test
  void textOfTokensIsNotLongerThanOtherTexts() {
    int longest = 0;
    for (int id = 0; id < tokenizer().vocabulary().size(); id++) {
      boolean longer = tokenizer().tokenBytes(id).length > tokenizer().tokenBytes(longest).length;
      longest = longer ? id : longest;
    }
    int most = (2 << 20) / tokenizer().tokenBytes(longest).length;
    int[] ids = new int[most + 1];
    Arrays.fill(ids, longest);
    int pages = (4 * ids.length >> 16) + 1;
    LinearMemory linear = new FlatMemory(new MemoryLimits(pages, pages), tenant.realm.memory());
    GuestMemory large = new GuestMemory(linear);
    large.put(ids, 0, ids.length);
    assertThat(tenant.callWith(large, "detokenize", tenant.model, 0, most, 0, 0))
        .isBetween(most, 2 << 20);
    assertThat(tenant.callWith(large, "detokenize", tenant.model, 0, most + 1, 0, 0))
        .isEqualTo(Errno.EMSGSIZE);
    linear.close();
  }

  @Test
  void budgetOfMemoryIsTheInstancesToo() {
    int left = tenant.call("budget_left", 2);
    assertThat(left).isEqualTo((64 << 20) - (4 << 16));
    assertThat(tenant.realm.memory().limit() - tenant.realm.memory().used()).isGreaterThan(left);
  }

  @Test
  void keysOfTheStoreAreBytes() {
    int value = 8192;
    for (int key = 200; key < 203; key++) {
      tenant.memory.putInt(TEXT, key);
      tenant.memory.putInt(value, 10 * key);
      assertThat(tenant.call("kvs_put", TEXT, 4, value, 4)).isZero();
    }
    for (int key = 200; key < 203; key++) {
      tenant.memory.putInt(TEXT, key);
      assertThat(tenant.call("kvs_get", TEXT, 4, value, 4)).isEqualTo(4);
      assertThat(tenant.memory.getInt(value)).isEqualTo(10 * key);
    }
  }

  @Test
  void aGrammarIsChargedOnceForAllThatUseIt() {
    long before = tenant.used();
    int first = tenant.grammar("(ab|cd|ef){40}");
    long one = tenant.used() - before;
    int second = tenant.grammar("(ab|cd|ef){40}");
    assertThat(tenant.used() - before - one).isEqualTo(HandleTable.HANDLE_BYTES);
    tenant.free("grammar", first);
    int matcher = tenant.call("matcher_new", second, tenant.model);
    tenant.free("grammar", second);
    assertThat(tenant.used() - before).as("its matcher has it").isGreaterThan(one);
    tenant.free("matcher", matcher);
    assertThat(tenant.used()).isEqualTo(before);
  }

  /// Another guest of the tenant's, which is ended while it is in a call.
  private GuestState ending() {
    GuestState state = new GuestState(tenant.realm);
    state.begin(new Call(List.of(), GuestOutput.discard(), tenant.realm));
    return state;
  }

  private GuestState.OpenModel model() {
    GuestState.OpenModel model = tenant.state.model(tenant.model);
    assertThat(model).isNotNull();
    return model;
  }

  private static void assertCancelled(ThrowingCallable late) {
    assertThatThrownBy(late)
        .isInstanceOfSatisfying(
            GuestTrapException.class, e -> assertThat(e.code()).isEqualTo("GUEST_CANCELLED"));
  }

  /// Else the tenant could never leave the engine.
  @Test
  void whatAGuestOpensWhileItIsEndedIsClosed() {
    GuestState state = ending();
    GuestState.OpenSequence sequence = state.openSequence(model());
    state.abandon();
    assertCancelled(() -> state.handle(sequence));
    assertThatCode(tenant.realm::close).doesNotThrowAnyException();
  }

  /// A sequence that is closed under a host function is no failure of the host.
  @Test
  void hostFunctionsOfAGuestThatIsEndedSayJustThat() {
    GuestState state = ending();
    HostFunctions functions = new HostFunctions(state);
    GuestState.OpenSequence sequence = state.openSequence(model());
    int handle = state.handle(sequence);
    HostFunction length = functions.find("kv_len");
    assertThat(length).isNotNull();
    functions.trace((function, memory, arguments, call) -> {
      state.abandon();
      sequence.sequence.truncate(0);
      return 0;
    });
    assertCancelled(() -> functions.call(length, tenant.memory, new int[] {handle}));
  }

  @Test
  void whoeverEndsTheGuestClosesWhatItHasOpenAlone() {
    GuestState state = ending();
    List<String> closed = new ArrayList<>();
    HeldObject object =
        new HeldObject() {
          @Override
          public long heldBytes() {
            return 0;
          }

          @Override
          public void close() {
            closed.add("closed");
          }
        };
    int handle = state.handle(object);
    state.abandon();
    assertThat(closed).hasSize(1);
    assertThat(state.handles().remove(handle)).as("left for the guest to close").isFalse();
  }

  @Test
  void masksOfAGrammarThatIsNotOpenAnyMoreAreNotCharged() {
    OpenGrammars grammars = tenant.realm.grammars();
    HostMemory memory = tenant.realm.hostMemory();
    long before = tenant.used();
    OpenGrammars.Lease lease = grammars.compile(Grammar.Kind.REGEX, "(ab|cd)*", memory);
    assertThat(lease).isNotNull();
    ModelHost host = model().host();
    Matcher matcher = Matcher.of(lease.grammar(), host.tokenTrie(), host.tokenizer());
    grammars.close(lease);
    matcher.mask(new long[(host.tokenizer().vocabulary().size() + 63) / 64]);
    assertThat(grammars.settle(lease, memory)).isTrue();
    assertThat(tenant.used()).isEqualTo(before);
  }

  /// A step that wants room for logits while the guest is ended.
  @Test
  void logitsOfAGuestThatIsEndedAreNotCharged() throws InterruptedException {
    MemoryBudget memory = tenant.realm.memory();
    long before = memory.used();
    GuestState state = ending();
    for (int i = 0; i < 500; i++) {
      KeptLogits logits = new KeptLogits(state);
      Thread guest =
          Thread.ofPlatform()
              .start(() -> {
                try {
                  for (int floats = 1; floats < 100; floats++) {
                    logits.room(floats);
                  }
                } catch (GuestTrapException e) {
                  // It was ended.
                }
              });
      logits.close();
      guest.join();
      assertThat(memory.used()).isEqualTo(before);
      assertThat(state.logits().used()).isZero();
      assertCancelled(() -> logits.room(1));
    }
  }

  @Test
  void grammarsThatNobodyHasOpenTakeAQuarterAtMost() {
    for (int i = 1; i < 200; i++) {
      int grammar = tenant.grammar("(ab|cd|ef){" + i + "}x");
      assertThat(grammar).isPositive();
      tenant.free("grammar", grammar);
      assertThat(tenant.realm.grammars().keptBytes()).isLessThanOrEqualTo(HOST_BYTES / 4);
    }
  }

  @Test
  void textOfACallIsChargedUntilItEnds() {
    long before = tenant.used();
    Call call = new Call(List.of(), GuestOutput.discard(), tenant.realm);
    String piece = "ein wenig Text, groß und klein \ud83d\ude00 ".repeat(40);
    for (int i = 0; i < 50; i++) {
      call.emit(piece);
    }
    assertThat(tenant.used() - before).isGreaterThan(50L * piece.length());
    assertThat(call.result(0).text()).isEqualTo(piece.repeat(50));
    assertThatThrownBy(
            () -> {
              for (int i = 0; i < 5000; i++) {
                call.emit(piece);
                assertThat(tenant.used()).isLessThanOrEqualTo(HOST_BYTES);
              }
            })
        .isInstanceOfSatisfying(
            GuestTrapException.class, e -> assertThat(e.code()).isEqualTo("HOST_MEMORY_LIMIT"));
    call.finish();
    assertThat(tenant.used()).isEqualTo(before);
    // A guest that did not stop in time.
    assertThatThrownBy(() -> call.emit(piece)).isInstanceOf(GuestTrapException.class);
    assertThat(tenant.used()).isEqualTo(before);
  }

  @Test
  void whatIsTooLongIsNotCopied() {
    MemoryBudget touched = new MemoryBudget(256L << 20);
    GuestMemory large =
        new GuestMemory(FlatMemory.chargedAsUsed(new MemoryLimits(2000, 2000), touched));
    int most = 100 << 20;
    assertThat(tenant.callWith(large, "log", 2, 0, most)).isZero();
    assertThat(tenant.callWith(large, "kvs_get", 0, most, 0, 0)).isEqualTo(Errno.ENOENT);
    assertThat(tenant.callWith(large, "tool_call", 0, 6, 0, most)).isEqualTo(Errno.EMSGSIZE);
    assertThat(tenant.callWith(large, "tool_call", 0, most, 0, 6)).isEqualTo(Errno.EMSGSIZE);
    // Memory that comes as it is used: a copy would have read all of it.
    assertThat(touched.used()).isLessThan(1 << 20);
  }

  @Test
  void argumentsOfACallAreBounded() {
    String most = "a".repeat(Call.MAX_ARGUMENT_BYTES);
    assertThat(Call.texts(most, 7, "é")).hasSize(3);
    for (Object[] texts :
        new Object[][] {
          {most + "a"}, {"é".repeat(Call.MAX_ARGUMENT_BYTES / 2 + 1)}, {most, most, "a"}
        }) {
      assertThatThrownBy(() -> Call.texts(texts))
          .isInstanceOfSatisfying(
              LimitException.class, e -> assertThat(e.code()).isEqualTo("ARGUMENT_LIMIT"));
    }
    RuntimeConfig config = RuntimeConfig.of("sample", SampleModel.path(), backend);
    try (RealmRuntime runtime = new RealmRuntime(config)) {
      HostCaller guest = HostCaller.of(runtime, HostCaller.guest(Map.of("abi_version", 0)));
      assertThatThrownBy(() -> guest.text(most + "a")).isInstanceOf(LimitException.class);
      assertThat(guest.call("abi_version")).as("the next call").isEqualTo(1);
    }
  }
}

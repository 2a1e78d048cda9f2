package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.error.RealmException;
import ai.realm.testing.log.LogRecords;
import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What tenant B learns of tenant A through what it is given and what the host writes (`reliability.md` S03,
/// S04, S08).
@Timeout(180)
final class TenantIsolationTest extends SampleFixture {
  private static final TenantId A = new TenantId("a");
  private static final TenantId B = new TenantId("b");
  private static final RealmPolicy FREE =
      RealmPolicy.of(ResourceLimits.unbounded(GuestLimits.DEFAULT));

  /// In prompts, guests and their logs.
  private static final String CANARY = "xyzzy-7c41f0-canary";

  /// In grammars and configurations, whose errors tell the tenant itself what was found.
  private static final String IN_GRAMMAR = "plugh-93ab5e-canary";

  private MultiRealmManager manager;

  @BeforeEach
  void open() {
    manager = manager(Map.of("sample", SampleModel.path()));
  }

  private MultiRealmManager manager(Map<String, Path> models) {
    RuntimeConfig.Builder config =
        RuntimeConfig.builder(backend).maxContext(512).sequences(16).memory64Bytes(1 << 20);
    models.forEach(config::model);
    return new MultiRealmManager(config.build(), DefaultGuest.bytes());
  }

  @AfterEach
  void close() {
    manager.close();
  }

  // ---- S03 --------------------------------------------------------------------------------------

  private record Seen(long value, String text, long promptTokens, long newTokens, Usage usage) {
    static Seen of(CallResult result, Usage u) {
      // All but times.
      Usage counts =
          new Usage(
              u.calls(),
              u.refused(),
              u.failed(),
              u.promptTokens(),
              u.newTokens(),
              u.steps(),
              u.hostCalls(),
              0,
              0,
              u.textBytes(),
              u.logBytes());
      return new Seen(
          result.value(), result.text(), result.promptTokens(), result.newTokens(), counts);
    }
  }

  private Seen seenByB(boolean cachedByA) {
    manager.create(A, FREE);
    manager.create(B, FREE);
    String prompt = "The fox and the river went " + "to the old house and ".repeat(20);
    String config = "{\"raw\":true,\"max_tokens\":12}";
    String asked = cachedByA ? prompt : "Nothing of the kind. ".repeat(20);
    manager.generate(A, "sample", asked, config, GuestOutput.discard());
    CallResult result = manager.generate(B, "sample", prompt, config, GuestOutput.discard());
    Seen seen = Seen.of(result, manager.status(B).usage());
    manager.remove(A);
    manager.remove(B);
    return seen;
  }

  @Test
  @DisplayName("S03: results and usage are the same whether a stranger asked the same before")
  void countsRevealNothingOfAStrangersCache() {
    assertThat(seenByB(true)).isEqualTo(seenByB(false));
  }

  // ---- S04 --------------------------------------------------------------------------------------

  /// A guest that logs its prompt, keeps it between calls and traps, as a careless tenant's might.
  private static byte[] careless() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int read = module.importFunction("realm_host", "arg_read", 3);
    int log = module.importFunction("realm_host", "log", 3);
    module.memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    module.function(
        "generate",
        1,
        0,
        new Code()
            .constant(1)
            .constant(0)
            .constant(1024)
            .call(read)
            .drop()
            .constant(1)
            .constant(0)
            .constant(200)
            .call(log)
            .drop()
            .unreachable()
            .constant(0));
    return module.build();
  }

  @Test
  @DisplayName(
      "S04: what a tenant said is in no stream, log record, error, status or other tenant's output")
  void aCanaryIsFoundNowhere() throws InterruptedException {
    PrintStream out = System.out;
    PrintStream err = System.err;
    ByteArrayOutputStream streams = new ByteArrayOutputStream();
    StringBuilder found = new StringBuilder();
    StringBuilder own = new StringBuilder();
    StringBuilder errors = new StringBuilder();
    LogRecords logged = LogRecords.open();
    try (logged;
        PrintStream captured = new PrintStream(streams, true, StandardCharsets.UTF_8)) {
      System.setOut(captured);
      System.setErr(captured);
      System.getLogger("ai.realm").log(System.Logger.Level.DEBUG, "looked at");
      manager.create(A, FREE);
      manager.create(B, FREE);
      plant(errors, own);
      for (int i = 0; i < 5; i++) {
        found.append(
            manager
                .generate(
                    B,
                    "sample",
                    "xyzzy",
                    "{\"raw\":true,\"max_tokens\":100,\"temperature\":1.5,\"seed\":" + i + "}",
                    GuestOutput.discard())
                .text());
      }
      ModelHost host = manager.model("sample", System.nanoTime()).host();
      found.append(manager.status()).append(host.engine().stats());
    } finally {
      System.setOut(out);
      System.setErr(err);
    }
    assertThat(logged.text()).as("log records are seen").contains("looked at");
    assertThat(own.toString()).as("the tenant's own log has it").contains(CANARY);
    assertThat(errors.toString()).as("errors there are").contains("Exception");
    assertThat(errors.toString()).doesNotContain(CANARY);
    for (String canary : List.of(CANARY, IN_GRAMMAR)) {
      assertThat(streams.toString(StandardCharsets.UTF_8)).doesNotContain(canary);
      assertThat(logged.text()).doesNotContain(canary);
      assertThat(found.toString()).doesNotContain(canary);
    }
  }

  /// Everything of A's that text can be in: prompts, grammars, configurations, logs, refused and failed
  /// calls. Errors go to `errors`, what is A's own to `own`.
  private void plant(StringBuilder errors, StringBuilder own) {
    List<String> configs =
        List.of(
            "{}",
            "{\"raw\":true,\"max_tokens\":20}",
            "{\"grammar\":\"root ::= \\\"" + IN_GRAMMAR + "\\\"\"}",
            "{\"grammar\":\"root ::= " + IN_GRAMMAR + "\"}",
            "{\"regex\":\"" + IN_GRAMMAR + "(\"}",
            "{\"json_schema\":\"{\\\"type\\\":\\\"" + IN_GRAMMAR + "\\\"}\"}",
            "{\"stop\":[\"" + IN_GRAMMAR + "\"]}",
            "{\"" + IN_GRAMMAR + "\":1}",
            "{\"max_tokens\":\"" + IN_GRAMMAR + "\"}",
            IN_GRAMMAR);
    GuestOutput output =
        new GuestOutput() {
          @Override
          public void text(String text) {
            own.append(text);
          }

          @Override
          public void log(int level, String line) {
            own.append(line);
          }
        };
    for (String config : configs) {
      attempt(errors, () -> manager.generate(A, "sample", CANARY, config, output));
      attempt(
          errors, () -> manager.generate(A, "sample", (CANARY + " ").repeat(400), config, output));
    }
    attempt(errors, () -> manager.deploy(A, CANARY.getBytes(StandardCharsets.UTF_8)));
    manager.deploy(A, careless());
    attempt(errors, () -> manager.generate(A, "sample", CANARY, "{}", output));
    attempt(errors, () -> manager.generate(A, "sample", CANARY, "{}", output));
    manager.undeploy(A);
  }

  private static void attempt(StringBuilder found, Runnable call) {
    try {
      call.run();
    } catch (RealmException | IllegalArgumentException | IllegalStateException e) {
      StringWriter trace = new StringWriter();
      e.printStackTrace(new PrintWriter(trace));
      found.append(trace).append('\n');
    }
  }

  // ---- S08 --------------------------------------------------------------------------------------

  private String seeded(TenantId tenant) {
    StringBuilder all = new StringBuilder();
    for (String config :
        List.of(
            "{\"max_tokens\":24,\"temperature\":1.3,\"seed\":7}",
            "{\"max_tokens\":24,\"temperature\":1.1,\"seed\":7,\"regex\":\"[a-z ]{5,20}\"}",
            "{\"max_tokens\":24,\"temperature\":1.2,\"seed\":9,\"repeat_penalty\":1.3}")) {
      all.append(
              manager
                  .generate(tenant, "sample", "Tell me a story.", config, GuestOutput.discard())
                  .text())
          .append('|');
    }
    return all.toString();
  }

  @Test
  @DisplayName("S08: seeds, grammars and penalties of a stranger change nothing")
  void randomAndGrammarStateIsUnshared() throws InterruptedException {
    manager.create(A, FREE);
    manager.create(B, FREE);
    String alone = seeded(B);
    AtomicBoolean over = new AtomicBoolean();
    List<Thread> noise = new ArrayList<>();
    List<Throwable> failures = new ArrayList<>();
    for (int t = 0; t < 3; t++) {
      int number = t;
      Thread thread =
          new Thread(() -> {
            for (int i = 0; !over.get(); i++) {
              // A grammar of its own each time: what is kept of them must not become B's.
              manager.generate(
                  A,
                  "sample",
                  "Tell me a story.",
                  "{\"max_tokens\":8,\"temperature\":1.4,\"seed\":%d,\"regex\":\"[a-z]{%d,%d}\"}"
                      .formatted(i, 1 + number, 2 + number + i % 7),
                  GuestOutput.discard());
            }
          });
      thread.setUncaughtExceptionHandler((which, e) -> failures.add(e));
      noise.add(thread);
      thread.start();
    }
    try {
      for (int i = 0; i < 5; i++) {
        assertThat(seeded(B)).isEqualTo(alone);
      }
    } finally {
      over.set(true);
      for (Thread thread : noise) {
        thread.join(30_000);
      }
    }
    assertThat(failures).isEmpty();
  }
}

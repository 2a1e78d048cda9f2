package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/// What has which part of a core in a worker (case F06).
@EnabledOnOs(OS.LINUX)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class WorkerPriorityTest extends SampleFixture {
  private static final TenantId TENANT = new TenantId("tenant");

  @Test
  void compilersStandBackAndGuestsDoNot() throws IOException {
    RuntimeConfig config = builder().maxContext(512).memory64Bytes(1 << 20).build();
    try (MultiRealmManager realms = new MultiRealmManager(config, DefaultGuest.bytes())) {
      RealmPolicy policy = RealmPolicy.of(ResourceLimits.unbounded(GuestLimits.DEFAULT));
      realms.create(TENANT, policy.withIsolation(Isolation.worker()));
      realms.deploy(TENANT, DefaultGuest.bytes());
      Map<String, Integer> nice = new HashMap<>();
      GuestOutput output =
          new GuestOutput() {
            @Override
            public void text(String piece) {
              nice.putAll(niceOfThreads(realms));
            }
          };
      realms.generate(TENANT, "sample", "Hello", "{\"max_tokens\": 1, \"min_tokens\": 1}", output);
      assertThat(nice)
          .containsKeys("C1 CompilerThre", "C2 CompilerThre", "VM Thread", "realm-guest-2");
      int own = WorkerProcess.nice(Files.readString(Path.of("/proc/self/stat")));
      // Of a host that was given another value, all have that.
      int compilers = own == 0 ? WorkerProcess.COMPILER_NICE : own;
      assertThat(nice)
          .allSatisfy((thread, n) ->
              assertThat(n).isEqualTo(thread.contains("Compiler") ? compilers : own));
    }
  }

  /// Of the tenant's worker, by the first 15 bytes of their names.
  private static Map<String, Integer> niceOfThreads(MultiRealmManager realms) {
    Workers.Slot slot = Objects.requireNonNull(realms.worker(TENANT));
    long pid = Objects.requireNonNull(slot.present()).pid();
    Map<String, Integer> nice = new HashMap<>();
    try (Stream<Path> threads = Files.list(Path.of("/proc/" + pid + "/task"))) {
      for (Path thread : threads.toList()) {
        String stat = Files.readString(thread.resolve("stat"));
        String name = stat.substring(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
        nice.put(name, WorkerProcess.nice(stat));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return nice;
  }
}

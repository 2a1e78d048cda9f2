package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/// Which part of a core a worker's compiler threads have (case F06).
@EnabledOnOs(OS.LINUX)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class WorkerPriorityTest extends SampleFixture {
  private static final TenantId TENANT = new TenantId("tenant");
  private static final String C1 = "C1 CompilerThre";
  private static final String C2 = "C2 CompilerThre";

  private static final RealmPolicy POLICY =
      RealmPolicy.of(ResourceLimits.unbounded(GuestLimits.DEFAULT));

  private MultiRealmManager open() {
    RuntimeConfig config = builder().maxContext(512).memory64Bytes(1 << 20).build();
    return new MultiRealmManager(config, DefaultGuest.bytes());
  }

  @Test
  void compilersStandBackWhereATenantDeploysFast() {
    try (MultiRealmManager realms = open()) {
      realms.create(TENANT, POLICY.withIsolation(Isolation.worker()));
      realms.deploy(TENANT, module(0));
      Map<String, Integer> before = niceOfThreads(realms);
      assertThat(before).containsKeys(C1, C2);
      for (int i = 1; i < 2 * DeploymentPace.MANY; i++) {
        realms.deploy(TENANT, module(i));
      }
      awaitNice(realms, C1);
      awaitNice(realms, C2);
      assertThat(before.get(C1)).isLessThan(CompilerThreads.NICE);
      assertThat(niceOfThreads(realms).get("VM Thread")).isEqualTo(before.get("VM Thread"));
      // What stood back still compiles.
      realms.generate(TENANT, "sample", "", "{}", GuestOutput.discard());
    }
  }

  @Test
  void compilersOfAGroupDoNotStandBackWhereManyDeployOnce() {
    try (MultiRealmManager realms = open()) {
      RealmPolicy policy = POLICY.withIsolation(Isolation.sharedWorker("group"));
      for (int i = 0; i < 2 * DeploymentPace.MANY; i++) {
        TenantId tenant = i == 0 ? TENANT : new TenantId("tenant-" + i);
        realms.create(tenant, policy);
        realms.deploy(tenant, module(i));
        // The answer comes after the commands before it.
        realms.generate(tenant, "sample", "", "{}", GuestOutput.discard());
      }
      Map<String, Integer> nice = niceOfThreads(realms);
      assertThat(nice.get(C1)).isEqualTo(nice.get("VM Thread"));
    }
  }

  /// The command is on its way while the module is loaded.
  private static void awaitNice(MultiRealmManager realms, String thread) {
    long giveUp = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    while (!Objects.equals(niceOfThreads(realms).get(thread), CompilerThreads.NICE)) {
      assertThat(System.nanoTime()).as(thread).isLessThan(giveUp);
      LockSupport.parkNanos(1_000_000);
    }
  }

  private static byte[] module(int number) {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("load_model", 0, 0, new Code().constant(1));
    module.function("generate", 1, 0, new Code().constant(number));
    return module.build();
  }

  /// Of the tenant's worker, by the first 15 bytes of their names.
  private static Map<String, Integer> niceOfThreads(MultiRealmManager realms) {
    Workers.Slot slot = Objects.requireNonNull(realms.worker(TENANT));
    long pid = Objects.requireNonNull(slot.present()).pid();
    Map<String, Integer> nice = new HashMap<>();
    try (Stream<Path> threads = Files.list(Path.of("/proc/" + pid + "/task"))) {
      for (Path thread : threads.toList()) {
        String stat;
        try {
          stat = Files.readString(thread.resolve("stat"));
        } catch (IOException e) {
          // It has ended.
          continue;
        }
        int end = stat.lastIndexOf(')');
        // Behind the name nice is the seventeenth field (proc(5)).
        String[] fields = stat.substring(end + 2).split(" ", -1);
        nice.put(stat.substring(stat.indexOf('(') + 1, end), Integer.parseInt(fields[16]));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return nice;
  }
}

package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.KvType;
import ai.realm.error.RealmException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class SavedSequenceGuestTest extends SampleFixture {
  private static final byte[] GUEST =
      HostCaller.guest(
          Map.of(
              "kv_new",
              1,
              "kv_len",
              1,
              "kv_free",
              1,
              "kv_truncate",
              2,
              "kv_save",
              3,
              "kv_open",
              3,
              "step",
              2,
              "step_submit",
              2,
              "step_wait",
              2));
  private static final int IDS = 32_768;
  private static final String PROMPT = "<|user|>What is the capital of France?</s><|assistant|>";

  @TempDir static Path folder;

  private RuntimeConfig config(SequenceStorage storage) {
    return builder().savedSequences(storage).build();
  }

  /// Realms of several tenants over one catalog, each with a guest.
  private final class Tenants implements AutoCloseable {
    final Memory64Manager memory64;
    final ModelCatalog models;
    final GuestEngine.Module module;
    final ResourceLimits limits;
    final Map<String, Realm> realms = new HashMap<>();
    final Map<String, GuestSession> sessions = new HashMap<>();

    Tenants(RuntimeConfig config, ResourceLimits limits) {
      this.limits = limits;
      memory64 = RealmRuntime.newMemory64(config);
      models = new ModelCatalog(config);
      module = new EndiveGuestEngine().load(GUEST, limits.guest());
    }

    HostCaller realm(String tenant) {
      Realm realm = new Realm(new TenantId(tenant), limits, models, memory64, GuestTools.NONE);
      GuestSession session = new GuestSession(realm, module);
      realms.put(tenant, realm);
      sessions.put(tenant, session);
      return new HostCaller(session::call);
    }

    void end(String tenant) {
      sessions.remove(tenant).close();
      realms.remove(tenant).close();
    }

    long rows(String tenant) {
      try {
        return models.find("sample", System.nanoTime()).host().engine().stats().rows();
      } catch (InterruptedException | TimeoutException e) {
        throw new AssertionError("the model is loaded", e);
      }
    }

    @Override
    public void close() {
      List.copyOf(realms.keySet()).forEach(this::end);
      models.close();
      memory64.close();
    }
  }

  private static int save(HostCaller guest, int kv, String name) {
    return guest.call("kv_save", kv, HostCaller.TEXT, guest.text(name));
  }

  private static int open(HostCaller guest, int model, String name) {
    return guest.call("kv_open", model, HostCaller.TEXT, guest.text(name));
  }

  Stream<SequenceStorage> storages() throws IOException {
    return Stream.of(
        SequenceStorage.inMemory(),
        SequenceStorage.inFolder(Files.createTempDirectory(folder, "kv").resolve("own"), 1 << 30));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("storages")
  void anotherRealmOfTheTenantGoesOnTokenForToken(SequenceStorage storage) {
    ResourceLimits limits = ResourceLimits.unbounded(GuestLimits.DEFAULT);
    try (Tenants tenants = new Tenants(config(storage), limits)) {
      HostCaller first = tenants.realm("a");
      int model = first.open("sample");
      int n = first.tokenize(model, PROMPT, IDS);
      int kv = first.call("kv_new", model);
      int token = first.greedy(kv, IDS, n, 1)[0];
      assertThat(save(first, kv, "after the prompt")).isZero();
      first.poke(IDS, token);
      int[] rest = first.greedy(kv, IDS, 1, 6);
      tenants.end("a");

      HostCaller second = tenants.realm("a");
      model = second.open("sample");
      long rows = tenants.rows("a");
      int opened = open(second, model, "after the prompt");
      assertThat(opened).isPositive();
      assertThat(second.call("kv_len", opened)).isEqualTo(n);
      second.poke(IDS, token);
      assertThat(second.greedy(opened, IDS, 1, 6)).isEqualTo(rest);
      // One row each: the prompt was not computed again.
      assertThat(tenants.rows("a") - rows).isEqualTo(6);
      // As often as one likes, and until it is forgotten.
      assertThat(open(second, model, "after the prompt")).isPositive();
      assertThat(save(second, 0, "after the prompt")).isZero();
      assertThat(save(second, 0, "after the prompt")).isEqualTo(Errno.ENOENT);
      assertThat(open(second, model, "after the prompt")).isEqualTo(Errno.ENOENT);
      assertThat(tenants.models.saved().used()).isZero();
    }
  }

  @ParameterizedTest
  @EnumSource(KvType.class)
  void filesOutliveTheProcessWithEveryKvType(KvType type) throws IOException {
    Path kept = Files.createTempDirectory(folder, "kv");
    RuntimeConfig config =
        builder()
            .maxContext(512)
            .kvType(type)
            .memory64Bytes(0)
            .savedSequences(SequenceStorage.inFolder(kept, 1 << 30))
            .build();
    int[] rest;
    int[] prompt;
    try (RealmRuntime runtime = new RealmRuntime(config)) {
      HostCaller guest = HostCaller.of(runtime, GUEST);
      int model = guest.open("sample");
      int n = guest.tokenize(model, PROMPT, IDS);
      prompt = guest.ints(IDS, n);
      int kv = guest.call("kv_new", model);
      guest.greedy(kv, IDS, n - 1, 1);
      assertThat(save(guest, kv, "../../etc/passwd\0")).isZero();
      guest.poke(IDS, prompt[n - 1]);
      rest = guest.greedy(kv, IDS, 1, 6);
    }
    try (Stream<Path> files = Files.walk(kept)) {
      assertThat(files.filter(Files::isRegularFile).map(f -> f.getFileName().toString()))
          .allMatch(name -> name.equals(".lock") || name.matches("[0-9a-f]{64}\\.kv"))
          .hasSize(2);
    }
    try (RealmRuntime runtime = new RealmRuntime(config)) {
      HostCaller guest = HostCaller.of(runtime, GUEST);
      int model = guest.open("sample");
      int opened = open(guest, model, "../../etc/passwd\0");
      guest.poke(IDS, prompt[prompt.length - 1]);
      assertThat(guest.greedy(opened, IDS, 1, 6)).isEqualTo(rest);
    }
    KvType other = type == KvType.F32 ? KvType.F16 : KvType.F32;
    RuntimeConfig changed = config.toBuilder().kvType(other).build();
    try (RealmRuntime runtime = new RealmRuntime(changed)) {
      HostCaller guest = HostCaller.of(runtime, GUEST);
      int model = guest.open("sample");
      assertThatThrownBy(() -> open(guest, model, "../../etc/passwd\0"))
          .isInstanceOfSatisfying(
              SavedSequenceException.class,
              e -> assertThat(e.code()).isEqualTo("SAVED_KV_MISMATCH"));
    }
  }

  @Test
  void guestsInAWorkerSaveAndOpenAsWell() {
    try (RealmRuntime runtime =
        new RealmRuntime(
            config(SequenceStorage.inMemory()),
            ResourceLimits.unbounded(GuestLimits.DEFAULT),
            GuestTools.NONE,
            Isolation.worker())) {
      HostCaller guest = HostCaller.of(runtime, GUEST);
      int model = guest.open("sample");
      int n = guest.tokenize(model, PROMPT, IDS);
      int kv = guest.call("kv_new", model);
      int token = guest.greedy(kv, IDS, n, 1)[0];
      assertThat(save(guest, kv, "name")).isZero();
      guest.poke(IDS, token);
      int[] rest = guest.greedy(kv, IDS, 1, 4);
      int opened = open(guest, model, "name");
      guest.poke(IDS, token);
      assertThat(guest.greedy(opened, IDS, 1, 4)).isEqualTo(rest);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("storages")
  void namesOfOthersAreNamesThatAreNotThere(SequenceStorage storage) {
    ResourceLimits limits = ResourceLimits.unbounded(GuestLimits.DEFAULT);
    try (Tenants tenants = new Tenants(config(storage), limits)) {
      HostCaller one = tenants.realm("a");
      HostCaller other = tenants.realm("b");
      int model = one.open("sample");
      int kv = one.call("kv_new", model);
      assertThat(save(one, kv, "name")).isZero();
      int foreign = other.open("sample");
      assertThat(open(other, foreign, "name")).isEqualTo(Errno.ENOENT);
      assertThat(open(other, foreign, "never saved")).isEqualTo(Errno.ENOENT);
      assertThat(save(other, 0, "name")).isEqualTo(Errno.ENOENT);
      assertThat(save(other, other.call("kv_new", foreign), "name")).isZero();
      tenants.models.saved().forget(new TenantId("a"));
      assertThat(open(one, model, "name")).isEqualTo(Errno.ENOENT);
      assertThat(open(other, foreign, "name")).isPositive();
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("storages")
  void savedBytesAreBoundedPerTenantAndInAll(SequenceStorage storage) {
    ResourceLimits limits = ResourceLimits.builder().savedKvBytes(3 * 1100).build();
    SequenceStorage small = new SequenceStorage(4 * 1100, storage.folder());
    try (Tenants tenants = new Tenants(config(small), limits)) {
      HostCaller one = tenants.realm("a");
      int kv = one.call("kv_new", one.open("sample"));
      for (String name : List.of("1", "2", "3")) {
        assertThat(save(one, kv, name)).isZero();
      }
      refused(one, kv, "4", "SAVED_KV_LIMIT");
      // In place of another as well: the old one counts until the new is there.
      refused(one, kv, "3", "SAVED_KV_LIMIT");
      HostCaller other = tenants.realm("b");
      int foreign = other.call("kv_new", other.open("sample"));
      assertThat(save(other, foreign, "1")).isZero();
      refused(other, foreign, "2", "SAVED_KV_FULL");
      assertThat(save(one, 0, "1")).isZero();
      assertThat(save(other, foreign, "2")).isZero();
      assertThat(save(one, 0, "2")).isZero();
      assertThat(save(one, kv, "3")).isZero();
      int n = one.tokenize(one.open("sample"), PROMPT, IDS);
      one.greedy(kv, IDS, n, 1);
      refused(one, kv, "a prompt's blocks", "SAVED_KV_LIMIT");
    }
  }

  private static void refused(HostCaller guest, int kv, String name, String code) {
    assertThatThrownBy(() -> save(guest, kv, name))
        .isInstanceOfSatisfying(LimitException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  /// A file is read onto the host's heap before the engine has it, and written from there.
  @Test
  void filesThatAreReadAndWrittenAreChargedToHostMemoryMeanwhile() throws IOException {
    Path kept = Files.createTempDirectory(folder, "kv");
    SequenceStorage storage = SequenceStorage.inFolder(kept, 1 << 30);
    try (Tenants tenants = new Tenants(config(storage), ResourceLimits.builder().build())) {
      HostCaller guest = tenants.realm("a");
      int model = guest.open("sample");
      int kv = guest.call("kv_new", model);
      guest.greedy(kv, IDS, guest.tokenize(model, PROMPT, IDS), 1);
      assertThat(save(guest, kv, "a prompt's blocks")).isZero();
    }
    ResourceLimits limits = ResourceLimits.builder().hostBytes(16 << 10).build();
    try (Tenants tenants = new Tenants(config(storage), limits)) {
      HostCaller guest = tenants.realm("a");
      int model = guest.open("sample");
      int kv = guest.call("kv_new", model);
      assertThat(save(guest, kv, "empty")).isZero();
      HostMemory memory = tenants.realms.get("a").hostMemory();
      long full = memory.used();
      assertThatThrownBy(() -> open(guest, model, "a prompt's blocks"))
          .isInstanceOfSatisfying(
              LimitException.class, e -> assertThat(e.code()).isEqualTo("HOST_MEMORY_LIMIT"));
      assertThat(memory.used()).isEqualTo(full);
      guest.greedy(kv, IDS, guest.tokenize(model, PROMPT, IDS), 1);
      assertThatThrownBy(() -> save(guest, kv, "too much"))
          .isInstanceOfSatisfying(
              LimitException.class, e -> assertThat(e.code()).isEqualTo("HOST_MEMORY_LIMIT"));
      assertThat(guest.call("kv_free", kv)).isZero();
      long before = memory.used();
      assertThat(memory.used()).isEqualTo(before);
      int opened = open(guest, model, "empty");
      assertThat(opened).isPositive();
      assertThat(guest.call("kv_free", opened)).isZero();
      assertThat(memory.used()).isEqualTo(before);
    }
  }

  @Test
  void saysWhatItCannotDo() {
    ResourceLimits limits = ResourceLimits.builder().maxKvBlocks(1).build();
    try (Tenants tenants = new Tenants(config(SequenceStorage.inMemory()), limits)) {
      HostCaller guest = tenants.realm("a");
      int model = guest.open("sample");
      int kv = guest.call("kv_new", model);
      int n = guest.tokenize(model, PROMPT, IDS);
      assertThat(guest.call("kv_save", kv, HostCaller.TEXT, 0)).isEqualTo(Errno.EINVAL);
      assertThat(guest.call("kv_save", kv, HostCaller.TEXT, 1025)).isEqualTo(Errno.EINVAL);
      assertThat(guest.call("kv_open", model, HostCaller.TEXT, 1025)).isEqualTo(Errno.EINVAL);
      assertThat(save(guest, 17, "name")).isEqualTo(Errno.EBADF);
      assertThat(save(guest, model, "name")).isEqualTo(Errno.EBADF);
      assertThat(open(guest, kv, "name")).isEqualTo(Errno.EBADF);
      guest.greedy(kv, IDS, n, 1);
      assertThat(save(guest, kv, "name")).isZero();
      assertThatThrownBy(() -> open(guest, model, "name"))
          .isInstanceOfSatisfying(
              RealmException.class, e -> assertThat(e.code()).isEqualTo("KV_LIMIT"));
      guest.call("kv_free", kv);
      assertThat(open(guest, model, "name")).isPositive();
    }
  }

  @Test
  void oneProcessUsesAFolder() throws IOException {
    Path kept = Files.createTempDirectory(folder, "kv");
    RuntimeConfig config = config(SequenceStorage.inFolder(kept, 1 << 20));
    try (RealmRuntime runtime = new RealmRuntime(config)) {
      assertThat(runtime.usage().calls()).isZero();
      assertThatThrownBy(() -> new RealmRuntime(config))
          .isInstanceOf(SavedSequenceException.class)
          .hasMessageContaining("no other process");
    }
    try (RealmRuntime runtime = new RealmRuntime(config)) {
      assertThat(runtime.usage().calls()).isZero();
    }
  }
}

package ai.realm.runtime;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.KvLayout;
import ai.realm.compute.KvType;
import ai.realm.digest.Sha256;
import ai.realm.engine.SavedSequence;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.ObjLongConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// G24: a file of a saved sequence that is cut, damaged, forged or foreign is refused by a typed error.
class SequenceFileTest {
  private static final KvLayout LAYOUT = new KvLayout(2, 1, 32, 32, 4, KvType.F16, 3);
  private static final int TOKENS = 11;
  private static final int CACHED = 9;
  private static final SavedKv.Key KEY =
      SavedKv.Key.of(new TenantId("a"), "name".getBytes(StandardCharsets.UTF_8));

  private final HostMemory memory = new HostMemory(new TenantId("a"), 1 << 20);
  private final HostMemory.Loan room = memory.new Loan();

  @TempDir Path folder;
  private byte[] model;
  private FolderShelf shelf;
  private Path file;
  private byte[] good;

  @BeforeEach
  void write() throws IOException {
    model = new byte[SavedKv.MODEL_BYTES];
    new Random(1).nextBytes(model);
    shelf = FolderShelf.open(folder);
    try (SequenceShelf.Prepared prepared = shelf.prepare(KEY, saved())) {
      prepared.commit();
    }
    file = folder.resolve(KEY.tenant()).resolve(KEY.name() + ".kv");
    good = Files.readAllBytes(file);
  }

  /// What has its name is there, and is counted: the interrupt that came meanwhile stays for the guest.
  @Test
  void interruptBehindTheRenamingDoesNotUndoIt() throws IOException {
    Files.delete(file);
    try (SequenceShelf.Prepared prepared = shelf.prepare(KEY, saved())) {
      Thread.currentThread().interrupt();
      try {
        prepared.commit();
        prepared.force();
      } finally {
        assertThat(Thread.interrupted()).isTrue();
      }
    }
    assertThat(Files.readAllBytes(file)).isEqualTo(good);
  }

  private SavedKv saved() {
    Random random = new Random(2);
    byte[][] blocks = new byte[3][(int) LAYOUT.blockBytes()];
    for (byte[] block : blocks) {
      random.nextBytes(block);
    }
    int[] tokens = random.ints(TOKENS, 0, 1000).toArray();
    return new SavedKv(model, new SavedSequence(LAYOUT, tokens, CACHED, blocks));
  }

  private SavedKv read(int context) {
    SavedKv read = shelf.read(KEY, new SavedKv.Expected(model, LAYOUT, context), room);
    assertThat(read).isNotNull();
    return read;
  }

  private void refuse(byte[] bytes, String code) {
    try {
      Files.write(file, bytes);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    assertThatThrownBy(() -> read(100))
        .isInstanceOfSatisfying(
            SavedSequenceException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  @Test
  void isReadAsItWasWritten() {
    SavedKv read = read(TOKENS);
    assertThat(read.model()).isEqualTo(model);
    assertThat(read.sequence().tokens()).isEqualTo(saved().sequence().tokens());
    assertThat(read.sequence().cached()).isEqualTo(CACHED);
    assertThat(read.sequence().blocks()).isDeepEqualTo(saved().sequence().blocks());
    assertThat(good).hasSize((int) (SequenceFile.HEADER + saved().sequence().bytes()));
    assertThat(folder.toFile().listFiles(f -> f.getName().endsWith(".part"))).isEmpty();
  }

  /// G01, G02, G15.
  @Test
  void cutFilesAreRefusedWhereverTheyEnd() {
    for (int n = 0; n <= SequenceFile.HEADER + 4 * TOKENS; n++) {
      refuse(Arrays.copyOf(good, n), "SAVED_KV_INVALID");
    }
    for (int block = 0; block < 3; block++) {
      int end = good.length - block * (int) LAYOUT.blockBytes();
      refuse(Arrays.copyOf(good, end - 1), "SAVED_KV_INVALID");
    }
    refuse(Arrays.copyOf(good, good.length + 1), "SAVED_KV_INVALID");
  }

  /// G26: each byte of the header, and bits all over the rest.
  @Test
  void everyChangedByteIsNoticed() {
    for (int at = 0; at < SequenceFile.HEADER; at++) {
      byte[] bytes = good.clone();
      bytes[at] ^= 0x41;
      refuse(bytes, "SAVED_KV_INVALID");
    }
    Random random = new Random(3);
    for (int i = 0; i < 300; i++) {
      byte[] bytes = good.clone();
      bytes[SequenceFile.HEADER + random.nextInt(bytes.length - SequenceFile.HEADER)] ^=
          (byte) (1 << random.nextInt(8));
      refuse(bytes, "SAVED_KV_INVALID");
    }
  }

  private static Arguments lie(String what, Consumer<ByteBuffer> change) {
    return Arguments.of(what, "SAVED_KV_INVALID", change);
  }

  private static Arguments number(String what, int at, long value) {
    return lie(
        what + " " + value,
        header -> {
          if (at == 120) {
            header.putLong(at, value);
          } else {
            header.putInt(at, (int) value);
          }
        });
  }

  /// G03 to G14, with a header's digest that fits.
  static Stream<Arguments> lies() {
    return Stream.of(
        lie("a GGUF", h -> h.put(0, "GGUF".getBytes(StandardCharsets.US_ASCII))),
        lie("swapped bytes", h -> h.putInt(8, Integer.reverseBytes(1))),
        number("version", 8, 0),
        number("version", 8, 2),
        number("version", 8, 99),
        number("header", 12, 0),
        number("header", 12, 1 << 30),
        number("layers", 84, -1),
        number("layers", 84, 0x7fff_ffff),
        number("heads", 88, 0),
        number("key length", 92, 0),
        number("value length", 96, -32),
        number("block size", 100, 0),
        number("KV type", 104, 3),
        number("KV type", 104, -1),
        number("state", 108, -1),
        number("tokens", 112, -1),
        number("tokens", 112, 101),
        number("tokens", 112, 0x7fff_ffff),
        number("tokens", 112, TOKENS - 1),
        number("positions", 116, -1),
        number("positions", 116, TOKENS + 1),
        number("positions", 116, 0),
        number("positions", 116, 0x7fff_ffff),
        number("bytes", 120, 0),
        number("bytes", 120, -1),
        number("bytes", 120, Long.MAX_VALUE),
        lie("another's", h -> h.put(128, new byte[32])),
        lie("other contents", h -> h.put(160, new byte[32])));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("lies")
  void forgedHeadersAreRefused(String what, String code, Consumer<ByteBuffer> change) {
    byte[] bytes = good.clone();
    change.accept(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN));
    sign(bytes);
    assertThatThrownBy(
            () -> {
              Files.write(file, bytes);
              read(100);
            })
        .as(what)
        .isInstanceOfSatisfying(
            SavedSequenceException.class,
            e -> assertThat(e.code()).isIn(code, "SAVED_KV_MISMATCH"));
  }

  private static void sign(byte[] bytes) {
    byte[] digest = Sha256.of(bytes, SequenceFile.HASHED);
    System.arraycopy(digest, 0, bytes, SequenceFile.HASHED, 32);
  }

  @Test
  void anotherModelAdapterStrengthOrLayoutIsAMismatch() {
    for (int at : new int[] {16, 48, 80}) {
      byte[] bytes = good.clone();
      bytes[at] ^= 1;
      sign(bytes);
      refuse(bytes, "SAVED_KV_MISMATCH");
    }
    byte[] bytes = good.clone();
    bytes[84] = 3;
    sign(bytes);
    refuse(bytes, "SAVED_KV_MISMATCH");
  }

  @Test
  void aFileUnderAnotherNameOrTenantIsRefused() throws IOException {
    for (SavedKv.Key other :
        new SavedKv.Key[] {
          SavedKv.Key.of(new TenantId("b"), "name".getBytes(StandardCharsets.UTF_8)),
          SavedKv.Key.of(new TenantId("a"), "other".getBytes(StandardCharsets.UTF_8))
        }) {
      Files.createDirectories(folder.resolve(other.tenant()));
      Files.write(folder.resolve(other.tenant()).resolve(other.name() + ".kv"), good);
      assertThatThrownBy(() -> shelf.read(other, new SavedKv.Expected(model, LAYOUT, 100), room))
          .isInstanceOf(SavedSequenceException.class)
          .hasMessageContaining("owner");
    }
  }

  /// G23.
  @Test
  void whatIsNoRegularFileIsRefused() throws IOException {
    Path elsewhere = folder.resolve("elsewhere");
    Files.write(elsewhere, good);
    Files.delete(file);
    Files.createSymbolicLink(file, elsewhere);
    assertThatThrownBy(() -> read(100)).hasMessageContaining("regular file");
    Files.delete(file);
    Files.createDirectory(file);
    assertThatThrownBy(() -> read(100)).hasMessageContaining("regular file");
  }

  @Test
  void longerThanTheContextIsRefusedBeforeItIsRead() {
    assertThatThrownBy(() -> read(TOKENS - 1)).hasMessageContaining("tokens to be 0 to 10");
  }

  @Test
  void whatAKilledProcessLeftIsDeletedAndTheRestIsCounted() throws IOException {
    shelf.close();
    Path part = file.resolveSibling("1234.part");
    Files.write(part, good);
    Files.write(folder.resolve("notes.txt"), good);
    Files.write(file.resolveSibling("notes.kv"), good);
    try (SavedSequences all = SavedSequences.open(SequenceStorage.inFolder(folder, 1 << 20))) {
      assertThat(all.used()).isEqualTo(SavedSequences.OVERHEAD + good.length);
      assertThat(part).doesNotExist();
      all.forget(new TenantId("a"));
      assertThat(all.used()).isZero();
      assertThat(file).doesNotExist();
    }
  }

  @Test
  void whatIsReadIsChargedBeforeItIsThere() {
    long bytes = saved().sequence().bytes();
    read(TOKENS);
    assertThat(memory.used()).isEqualTo(bytes);
    room.close();
    assertThat(memory.used()).isZero();
    memory.update(bytes - 1);
    assertThatThrownBy(() -> read(TOKENS))
        .isInstanceOfSatisfying(
            LimitException.class, e -> assertThat(e.code()).isEqualTo("HOST_MEMORY_LIMIT"));
    assertThat(memory.used()).isZero();
  }

  /// What has its name is forced to the disk while all tenants go on.
  @Test
  void nobodyElseWaitsForTheDisk() {
    SequenceShelf memoryShelf = SequenceShelf.inMemory();
    List<Long> seen = new ArrayList<>();
    AtomicReference<SavedSequences> all = new AtomicReference<>();
    SequenceShelf slow =
        new SequenceShelf() {
          @Override
          public Prepared prepare(SavedKv.Key key, SavedKv saved) {
            Prepared prepared = memoryShelf.prepare(key, saved);
            return new Prepared() {
              @Override
              public void commit() {
                prepared.commit();
              }

              @Override
              public void force() {
                seen.add(
                    CompletableFuture.supplyAsync(all.get()::used).orTimeout(20, SECONDS).join());
              }

              @Override
              public void close() {
                prepared.close();
              }
            };
          }

          @Override
          public boolean copies() {
            return memoryShelf.copies();
          }

          @Override
          public SavedKv read(SavedKv.Key key, SavedKv.Expected expected, HostMemory.Loan to) {
            return memoryShelf.read(key, expected, to);
          }

          @Override
          public void delete(SavedKv.Key key) {
            memoryShelf.delete(key);
          }

          @Override
          public void each(ObjLongConsumer<SavedKv.Key> to) {
            memoryShelf.each(to);
          }

          @Override
          public void close() {
            memoryShelf.close();
          }
        };
    try (SavedSequences sequences = new SavedSequences(1 << 20, slow)) {
      all.set(sequences);
      byte[] name = "name".getBytes(StandardCharsets.UTF_8);
      sequences.save(new TenantId("a"), name, 1 << 20, 100, this::saved, room);
      assertThat(seen).containsExactly(SavedSequences.OVERHEAD + 100);
    }
  }

  @Test
  void pathsOfTheHostAreNotTheTenants() throws IOException {
    Files.delete(file);
    Files.createDirectories(file.resolve("in the way"));
    try (SequenceShelf.Prepared prepared = shelf.prepare(KEY, saved())) {
      assertThatThrownBy(prepared::commit)
          .isInstanceOfSatisfying(
              SavedSequenceException.class, e -> assertThat(e.code()).isEqualTo("SAVED_KV_IO"))
          .message()
          .startsWith("saved sequences: expected to write a file, found: ")
          .doesNotContain(folder.toString());
    }
  }

  /// What goes to a disk is on the heap only while it is written: by as many calls as the tenant makes.
  @Test
  void theCopyThatIsWrittenIsCharged() {
    shelf.close();
    byte[] name = "other".getBytes(StandardCharsets.UTF_8);
    try (SavedSequences all = SavedSequences.open(SequenceStorage.inFolder(folder, 8 << 20))) {
      long used = all.used();
      TenantId tenant = new TenantId("a");
      assertThatThrownBy(() ->
              all.save(
                  tenant,
                  name,
                  8 << 20,
                  (1 << 20) + 1,
                  () -> {
                    throw new AssertionError("copied");
                  },
                  room))
          .isInstanceOfSatisfying(
              LimitException.class, e -> assertThat(e.code()).isEqualTo("HOST_MEMORY_LIMIT"));
      assertThat(all.used()).isEqualTo(used);
      all.save(
          tenant,
          name,
          8 << 20,
          1 << 20,
          () -> {
            assertThat(memory.used()).isEqualTo(1 << 20);
            return saved();
          },
          room);
      room.close();
      assertThat(memory.used()).isZero();
    }
  }

  @Test
  void aFailedWriteLeavesWhatWasThere() throws IOException {
    shelf.close();
    try (SavedSequences all = SavedSequences.open(SequenceStorage.inFolder(folder, 1 << 20))) {
      long used = all.used();
      byte[] name = "name".getBytes(StandardCharsets.UTF_8);
      assertThatThrownBy(() ->
              all.save(
                  new TenantId("a"),
                  name,
                  1 << 20,
                  100,
                  () -> {
                    throw new IllegalStateException("the copy failed");
                  },
                  room))
          .hasMessage("the copy failed");
      assertThat(all.used()).isEqualTo(used);
      assertThat(Files.readAllBytes(file)).isEqualTo(good);
    }
  }
}

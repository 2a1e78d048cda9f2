package ai.realm.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.cpu.PackedModel.HurriedStorage;
import ai.realm.compute.cpu.PackedModel.Result;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PackedFileTest {
  @TempDir Path folder = Path.of("");
  private @Nullable PackedModel opened;

  @BeforeEach
  void open() {
    opened = PackedModel.create(folder);
  }

  @AfterEach
  void close() {
    model().close();
  }

  private PackedModel model() {
    PackedModel known = opened;
    if (known == null) {
      throw new AssertionError("not open");
    }
    return known;
  }

  @Test
  void isWrittenByTheFirstLoadAndMappedByTheNext() throws IOException {
    Result plain = model().loadPlain();
    Result first = model().load(new PackedStorage(), model().layout(), null);
    first.isPacked();
    assertThat(first.notices()).singleElement().asString().contains("written");
    assertThat(model().files())
        .containsExactly("model.gguf", String.valueOf(model().packed().getFileName()));
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(model().packed())))
        .isEqualTo("rw-------");
    Result second = model().load();
    second.isMapped();
    assertThat(first.products()).isEqualTo(plain.products());
    assertThat(second.products()).isEqualTo(plain.products());
    assertThat(plain.products()).allMatch(Float::isFinite).anyMatch(value -> value != 0);
  }

  /// What is wrong with the file is said in one line, the model is right, and the file is made anew.
  private void isMadeAnew(String reason, List<Float> products) {
    Result result = model().load();
    assertThat(result.notices()).as(reason).hasSize(2);
    assertThat(result.notices().getFirst())
        .contains("not used and made anew: ")
        .containsPattern(reason);
    assertThat(result.notices().getLast()).contains("written");
    assertThat(result.products()).isEqualTo(products);
    result.isPacked();
  }

  @Test
  void aFlipInAnyByteOfTheHeaderIsNoticed() throws Exception {
    List<Float> products = model().load().products();
    byte[] good = Files.readAllBytes(model().packed());
    int header = PackedHeader.length(Arrays.copyOf(good, 32), good.length);
    assertThat(header).isEqualTo(4096);
    for (int i = 0; i < header; i++) {
      model().flip(i);
      isMadeAnew("expected .* found ", products);
      assertThat(Files.readAllBytes(model().packed())).isEqualTo(good);
    }
  }

  @Test
  void aFlipInThePanelsOfAnyMatrixIsNoticed() throws Exception {
    List<Float> products = model().load().products();
    byte[] good = Files.readAllBytes(model().packed());
    PackedHeader header = PackedHeader.decode(Arrays.copyOf(good, 4096), good.length);
    assertThat(header.entries()).hasSize(5);
    for (PackedHeader.Entry entry : header.entries()) {
      for (long at : new long[] {0, entry.bytes() / 2, entry.bytes() - 1}) {
        model().flip(entry.offset() + at);
        isMadeAnew("checksum of " + Pattern.quote(entry.name()), products);
      }
    }
    model().load().isMapped();
  }

  @Test
  void aTruncatedFileIsNoticed() throws IOException {
    List<Float> products = model().load().products();
    long size = Files.size(model().packed());
    List<Long> sizes = new ArrayList<>(List.of(0L, 1L, 31L, 32L, 33L));
    for (long page = 4096; page < size; page += 4096) {
      sizes.addAll(List.of(page - 1, page, page + 1));
    }
    sizes.add(size - 1);
    for (long left : sizes) {
      try (FileChannel channel = FileChannel.open(model().packed(), StandardOpenOption.WRITE)) {
        channel.truncate(left);
      }
      isMadeAnew("size: expected .* found " + left, products);
    }
    Files.write(model().packed(), new byte[1], StandardOpenOption.APPEND);
    isMadeAnew("size: expected " + size + " bytes, found " + (size + 1), products);
  }

  @Test
  void anotherLayoutIsNoticed() {
    PackedLayout other = new PackedLayout(model().layout().variant(), "00112233");
    List<Float> products = model().load(new HurriedStorage(), other, null).products();
    isMadeAnew("layout: expected .*, found .* 00112233", products);
  }

  @Test
  void anotherModelOfTheSameSizeAndTimeIsNoticed() throws IOException {
    model().load();
    FileTime modified = Files.getLastModifiedTime(model().path());
    model().write(2);
    Files.setLastModifiedTime(model().path(), modified);
    isMadeAnew("model: expected ", model().loadPlain().products());
    model().load().isMapped();
  }

  @Test
  void anotherModelWithTheSameStampIsNoticedByItsSamples() throws IOException {
    List<Float> products = model().load().products();
    ModelIdentity identity = model().identity();
    String other = "0".repeat(identity.digest().length());
    PackedHeader forged =
        new PackedHeader(
            model().layout().toString(), new ModelIdentity(identity.stamps(), other), List.of());
    Files.write(model().packed(), forged.encode());
    isMadeAnew("model's tensors: expected digest .*, found 0000", products);
  }

  @Test
  void aFileThatLacksAMatrixIsCompleted() throws IOException {
    List<Float> products = model().load().products();
    PackedHeader empty =
        new PackedHeader(model().layout().toString(), model().identity(), List.of());
    Files.write(model().packed(), empty.encode());
    Result result = model().load();
    assertThat(result.notices()).hasSize(2);
    assertThat(result.notices().getFirst()).contains("some missing or different");
    assertThat(result.products()).isEqualTo(products);
    model().load().isMapped();
  }

  @Test
  void aFileThatOthersMayWriteIsReplaced() throws IOException {
    List<Float> products = model().load().products();
    for (String rights : List.of("rw--w----", "rw-----w-", "rw-rw-rw-")) {
      Files.setPosixFilePermissions(model().packed(), PosixFilePermissions.fromString(rights));
      isMadeAnew("rights: expected nobody else to write, found " + rights, products);
    }
    model().load().isMapped();
  }

  @Test
  void aFileOfAnotherUserIsNotUsed() {
    model().load();
    PackedStorage strangers =
        new HurriedStorage() {
          @Override
          Object user() {
            return 4711;
          }
        };
    Result result = model().load(strangers, model().layout(), null);
    result.isPacked();
    assertThat(result.notices().getFirst()).contains("owner: expected this user, 4711, found ");
  }

  @Test
  void aLinkIsReplacedAndNotFollowed() throws IOException {
    List<Float> products = model().load().products();
    Path elsewhere = folder.resolve("elsewhere");
    Files.move(model().packed(), elsewhere);
    byte[] before = Files.readAllBytes(elsewhere);
    Files.createSymbolicLink(model().packed(), elsewhere);
    isMadeAnew("file: expected a regular one", products);
    assertThat(Files.isSymbolicLink(model().packed())).isFalse();
    assertThat(Files.readAllBytes(elsewhere)).isEqualTo(before);
  }

  @Test
  void liesInAnotherFolderWhereTheUserNamesOne() {
    Path other = folder.resolve("a/b");
    model().load(new HurriedStorage(), model().layout(), other).isPacked();
    model().load(new HurriedStorage(), model().layout(), other).isMapped();
    assertThat(Files.exists(model().packed())).isFalse();
  }

  @Test
  void theModelRunsWhereNothingCanBeWritten() throws IOException {
    List<Float> products = model().loadPlain().products();
    PackedStorage denied =
        new PackedStorage() {
          @Override
          Part create(Path target) throws IOException {
            throw new AccessDeniedException(target.toString());
          }
        };
    Path noFolder = Files.createFile(folder.resolve("file"));
    for (Result result :
        List.of(
            model().load(denied, model().layout(), null),
            model().load(new PackedStorage(), model().layout(), noFolder))) {
      assertThat(result.notices()).last().asString().contains("not written: ");
      assertThat(result.products()).isEqualTo(products);
    }
  }

  /// Fails at one step of writing, and at all later ones where the process is to have died.
  private static final class FailingStorage extends PackedStorage {
    private final int at;
    private final boolean dies;
    private int steps;

    FailingStorage(int at, boolean dies) {
      this.at = at;
      this.dies = dies;
    }

    private void step() throws IOException {
      int now = steps++;
      if (now == at || (dies && now > at)) {
        throw new IOException("No space left on device");
      }
    }

    @Override
    int write(Part part, ByteBuffer bytes) throws IOException {
      // In small pieces, the last of them partly written.
      ByteBuffer piece = bytes.slice(bytes.position(), Math.min(20_000, bytes.remaining()));
      try {
        step();
      } catch (IOException e) {
        super.write(part, piece.limit(piece.limit() / 2));
        throw e;
      }
      int written = super.write(part, piece);
      bytes.position(bytes.position() + written);
      return written;
    }

    @Override
    @Nullable Part create(Path target) throws IOException {
      step();
      return super.create(target);
    }

    @Override
    void force(Part part) throws IOException {
      step();
    }

    @Override
    void rename(Part part, Path target) throws IOException {
      step();
      super.rename(part, target);
    }

    @Override
    void forceFolder(Path target) throws IOException {
      step();
    }

    @Override
    void delete(Path path) throws IOException {
      if (dies && steps > at) {
        throw new IOException("dead");
      }
      super.delete(path);
    }
  }

  @Test
  void aFailureOrDeathAtAnyStepLeavesNoPartialFile() throws IOException {
    List<Float> products = model().loadPlain().products();
    FailingStorage counting = new FailingStorage(Integer.MAX_VALUE, false);
    model().load(counting, model().layout(), null);
    String packed = String.valueOf(model().packed().getFileName());
    assertThat(counting.steps).isGreaterThan(12);
    for (boolean dies : new boolean[] {false, true}) {
      for (int step = 0; step < counting.steps; step++) {
        Files.deleteIfExists(model().packed());
        Result result = model().load(new FailingStorage(step, dies), model().layout(), null);
        assertThat(result.products()).isEqualTo(products);
        assertThat(result.notices()).singleElement().asString().contains("not written: ");
        boolean named = step == counting.steps - 1;
        assertThat(Files.exists(model().packed())).as("step %d", step).isEqualTo(named);
        if (!dies) {
          assertThat(model().files())
              .isEqualTo(named ? Set.of("model.gguf", packed) : Set.of("model.gguf"));
        }
        Result next = model().load();
        assertThat(next.products()).isEqualTo(products);
        assertThat(model().files()).containsExactly("model.gguf", packed);
        model().load().isMapped();
      }
    }
  }

  @Test
  void manyLoadsAtOnceAllEndRight() throws Exception {
    List<Float> products = model().loadPlain().products();
    try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
      for (int round = 0; round < 5; round++) {
        Files.deleteIfExists(model().packed());
        List<Callable<Result>> loads = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
          loads.add(() -> {
            try (PackedModel own = PackedModel.existing(folder)) {
              return own.load();
            }
          });
        }
        for (Future<Result> result : threads.invokeAll(loads, 60, TimeUnit.SECONDS)) {
          assertThat(result.get().products()).isEqualTo(products);
        }
        model().load().isMapped();
      }
    }
  }
}

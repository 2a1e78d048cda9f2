package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Layers of tenants beside each other: bounds, space, failures of the disk, interrupts.
@Timeout(120)
final class TenantLayersTest {
  private static final TenantId A = new TenantId("a");
  private static final TenantId B = new TenantId("b");
  private static final long MIB = 1 << 20;

  @TempDir Path folder;

  /// The real file, watched, that fails at one operation.
  private final class WatchedDisk implements LayerDisk {
    private final LayerDisk disk;

    WatchedDisk() throws IOException {
      disk = LayerDisk.inFolder(folder);
    }

    private void operation() throws IOException {
      if (operations++ == failAt) {
        throw new IOException("No space left on device");
      }
      longest = Math.max(longest, disk.length());
    }

    @Override
    public long length() throws IOException {
      operation();
      return disk.length();
    }

    @Override
    public void truncate(long length) throws IOException {
      operation();
      disk.truncate(length);
    }

    @Override
    public void read(long at, byte[] to, int count) throws IOException {
      operation();
      disk.read(at, to, count);
    }

    @Override
    public void write(long at, byte[] from, int count) throws IOException {
      operation();
      disk.write(at, from, count);
    }

    @Override
    public void close() throws IOException {
      disk.close();
    }
  }

  private int operations;
  private int failAt = -1;
  private long longest;

  private Memory64Manager manager(long capacityBytes, long maxBytes) {
    return new Memory64Manager(WatchedDisk::new, capacityBytes, maxBytes);
  }

  private static void store(TenantLayers layers, String model, int layer, byte[] data) {
    layers.store(model, layer, data.length, from(data), LayerWait.FOR_EVER);
  }

  private static LayerFile.Bytes from(byte[] data) {
    return (offset, piece, n) -> System.arraycopy(data, (int) offset, piece, 0, n);
  }

  private static byte[] load(TenantLayers layers, String model, int layer) {
    byte[] data = new byte[(int) layers.size(model, layer)];
    LayerFile.Bytes into = (offset, piece, n) -> System.arraycopy(piece, 0, data, (int) offset, n);
    assertThat(layers.load(model, layer, data.length, into, LayerWait.FOR_EVER))
        .isEqualTo(data.length);
    return data;
  }

  private static byte[] filled(int bytes, int value) {
    byte[] data = new byte[bytes];
    Arrays.fill(data, (byte) value);
    return data;
  }

  private static void assertCode(Throwable failure, String code) {
    assertThat(failure)
        .isInstanceOfSatisfying(
            RealmException.class, e -> assertThat(e.code()).as(e.getMessage()).isEqualTo(code));
  }

  @Test
  void layersWithoutBytesAreBoundedAsWell() {
    try (Memory64Manager manager = manager(MIB, 100 * MIB);
        TenantLayers layers = manager.open(A, 10 * TenantLayers.OVERHEAD)) {
      for (int i = 0; i < 10; i++) {
        store(layers, "m", i, new byte[0]);
      }
      assertThatThrownBy(() -> store(layers, "m", 10, new byte[0]))
          .satisfies(e -> assertCode(e, "LAYER_LIMIT"));
      store(layers, "m", 3, new byte[0]);
      assertThat(layers.stats(LayerWait.FOR_EVER).layers()).isEqualTo(10);
    }
  }

  @Test
  void whoHasNoBoundMakesNoEndlessNumberOfLayersEither() {
    try (Memory64Manager manager = manager(0, 10 * TenantLayers.OVERHEAD);
        TenantLayers layers = manager.open(A, Long.MAX_VALUE)) {
      assertThatThrownBy(
              () -> {
                for (int i = 0; i < 11; i++) {
                  store(layers, "m", i, new byte[0]);
                }
              })
          .satisfies(e -> assertCode(e, "LAYER_LIMIT"));
    }
  }

  @Test
  void nothingIsCopiedForALayerThatDoesNotFit() {
    LayerFile.Bytes never =
        (offset, piece, n) -> {
          throw new AssertionError("copied");
        };
    try (Memory64Manager manager = manager(MIB, MIB);
        TenantLayers a = manager.open(A, MIB / 2);
        TenantLayers b = manager.open(B, MIB)) {
      assertThatThrownBy(() -> a.store("m", 0, MIB / 2, never, LayerWait.FOR_EVER))
          .satisfies(e -> assertCode(e, "LAYER_LIMIT"));
      store(a, "m", 0, new byte[(int) MIB / 4]);
      assertThatThrownBy(() -> b.store("m", 0, MIB - 8192, never, LayerWait.FOR_EVER))
          .satisfies(e -> assertCode(e, "LAYERS_FULL"));
    }
  }

  @Test
  void alternatingLayersUseTheSpaceOfThoseBefore() {
    long limit = MIB;
    SplittableRandom random = new SplittableRandom(7);
    byte[][] expected = new byte[4][];
    try (Memory64Manager manager = manager(0, 100 * MIB);
        TenantLayers layers = manager.open(A, limit)) {
      for (int i = 0; i < 2000; i++) {
        int layer = random.nextInt(expected.length);
        byte[] data = filled(random.nextInt(200_000), i);
        store(layers, "m", layer, data);
        expected[layer] = data;
        int other = random.nextInt(expected.length);
        if (expected[other] != null) {
          assertThat(load(layers, "m", other)).isEqualTo(expected[other]);
        }
      }
      // A layer and the one whose place it takes are there together for a moment.
      assertThat(longest).isPositive().isLessThanOrEqualTo(4 * 204_800 + 204_800);
      layers.clear();
      assertThat(manager.bytes()).isZero();
      store(layers, "m", 0, filled(10, 1));
      longest = 0;
      load(layers, "m", 0);
      assertThat(longest).as("bytes on the disk afterwards").isLessThanOrEqualTo(FileSpace.BLOCK);
    }
  }

  @Test
  void extentsInUseNeverOverlapAndTheFileEndsWithThem() {
    SplittableRandom random = new SplittableRandom(3);
    FileSpace space = new FileSpace();
    List<List<FileSpace.Extent>> used = new ArrayList<>();
    long most = 0;
    for (int i = 0; i < 3000; i++) {
      if (used.isEmpty() || random.nextInt(3) > 0 && used.size() < 20) {
        used.add(space.take(random.nextInt(10) * 3000L));
      } else {
        space.give(used.remove(random.nextInt(used.size())));
      }
      List<FileSpace.Extent> all =
          used.stream()
              .flatMap(List::stream)
              .sorted(Comparator.comparingLong(FileSpace.Extent::offset))
              .toList();
      long at = 0;
      long sum = 0;
      for (FileSpace.Extent extent : all) {
        assertThat(extent.offset()).isGreaterThanOrEqualTo(at);
        at = extent.offset() + extent.bytes();
        sum += extent.bytes();
      }
      most = Math.max(most, sum);
      assertThat(space.end()).isEqualTo(at);
      assertThat(at).as("no larger than what was in use at one time").isLessThanOrEqualTo(most);
    }
  }

  @Test
  void numbersOfATenantStayWhenAnotherWorks() {
    try (Memory64Manager manager = manager(MIB, 100 * MIB);
        TenantLayers a = manager.open(A, 4 * MIB);
        TenantLayers b = manager.open(B, 4 * MIB)) {
      for (int i = 0; i < 3; i++) {
        store(a, "m", i, filled(300_000, i));
      }
      load(a, "m", 0);
      Memory64Stats before = a.stats(LayerWait.FOR_EVER);
      assertThat(before).isEqualTo(new Memory64Stats(900_000, 3, 1, 0, 0, MIB));
      for (int i = 0; i < 12; i++) {
        store(b, "m", i, filled(300_000, 100 + i));
        load(b, "m", i / 2);
      }
      assertThat(a.stats(LayerWait.FOR_EVER)).isEqualTo(before);
      assertThat(manager.memoryBytes()).as("bytes in memory").isLessThanOrEqualTo(MIB);
      // What the other sees is what it would see alone.
      try (Memory64Manager quiet = manager(MIB, 100 * MIB);
          TenantLayers alone = quiet.open(B, 4 * MIB)) {
        for (int i = 0; i < 12; i++) {
          store(alone, "m", i, filled(300_000, 100 + i));
          load(alone, "m", i / 2);
        }
        assertThat(b.stats(LayerWait.FOR_EVER)).isEqualTo(alone.stats(LayerWait.FOR_EVER));
      }
      for (int i = 0; i < 12; i++) {
        assertThat(load(b, "m", i)).containsOnly(100 + i);
      }
      for (int i = 0; i < 3; i++) {
        assertThat(load(a, "m", i)).containsOnly(i);
      }
    }
  }

  @Test
  void whereverTheDiskFailsTheLayerBeforeIsThere() {
    int failures = 0;
    for (int at = 0; ; at++) {
      failAt = -1;
      try (Memory64Manager manager = manager(at % 2 == 0 ? 0 : 4 * MIB, 100 * MIB);
          TenantLayers layers = manager.open(A, 4 * MIB)) {
        store(layers, "m", 0, filled(600_000, 1));
        operations = 0;
        failAt = at;
        boolean failed = false;
        try {
          store(layers, "m", 0, filled(700_000, 2));
        } catch (LayerException e) {
          assertCode(e, "LAYER_IO");
          failed = true;
        }
        boolean reached = operations > at;
        failAt = -1;
        failures += failed ? 1 : 0;
        assertThat(load(layers, "m", 0)).hasSize(failed ? 600_000 : 700_000);
        assertThat(load(layers, "m", 0)).containsOnly(failed ? 1 : 2);
        assertThat(manager.bytes()).isEqualTo(failed ? 600_000 : 700_000);
        store(layers, "m", 0, filled(700_000, 3));
        assertThat(load(layers, "m", 0)).containsOnly(3);
        if (!reached) {
          break;
        }
      }
    }
    assertThat(failures).as("stores that failed").isGreaterThanOrEqualTo(3);
  }

  @Test
  void readsThatFailAreTypedAndTheLayerStays() {
    try (Memory64Manager manager = manager(0, 100 * MIB);
        TenantLayers layers = manager.open(A, 4 * MIB)) {
      store(layers, "m", 0, filled(600_000, 1));
      operations = 0;
      failAt = 2;
      assertThatThrownBy(() -> load(layers, "m", 0)).satisfies(e -> assertCode(e, "LAYER_IO"));
      assertThat(load(layers, "m", 0)).containsOnly(1);
    }
  }

  @Test
  void interruptEndsOneStoreAndHarmsNothingElse() {
    try (Memory64Manager manager = manager(0, 100 * MIB);
        TenantLayers a = manager.open(A, 8 * MIB);
        TenantLayers b = manager.open(B, 8 * MIB)) {
      store(a, "m", 0, filled(600_000, 1));
      LayerWait wait =
          new LayerWait(
              System.nanoTime() + TimeUnit.MINUTES.toNanos(1),
              () -> Thread.currentThread().isInterrupted());
      LayerFile.Bytes interrupting =
          (offset, piece, n) -> {
            Arrays.fill(piece, (byte) 2);
            Thread.currentThread().interrupt();
          };
      assertThatThrownBy(() -> a.store("m", 0, 600_000, interrupting, wait))
          .satisfies(e -> assertCode(e, "LAYER_CANCELLED"));
      assertThat(Thread.currentThread().isInterrupted()).as("the guest stops by it").isTrue();
      // Still interrupted: whoever's thread it is, the file stays open.
      store(b, "m", 0, filled(600_000, 3));
      assertThat(load(b, "m", 0)).containsOnly(3);
      assertThat(Thread.interrupted()).isTrue();
      assertThat(load(a, "m", 0)).containsOnly(1);
    }
  }

  @Test
  void whoWaitsLeavesAtTheDeadlineAndOthersDoNotWait() throws Exception {
    CountDownLatch storing = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    LayerFile.Bytes slow =
        (offset, piece, n) -> {
          storing.countDown();
          try {
            assertThat(goOn.await(60, TimeUnit.SECONDS)).isTrue();
          } catch (InterruptedException e) {
            throw new AssertionError(e);
          }
        };
    try (Memory64Manager manager = manager(0, 100 * MIB);
        TenantLayers a = manager.open(A, 8 * MIB);
        TenantLayers b = manager.open(B, 8 * MIB);
        ExecutorService threads = Executors.newSingleThreadExecutor()) {
      Future<?> first = threads.submit(() -> a.store("m", 0, 1000, slow, LayerWait.FOR_EVER));
      try {
        assertThat(storing.await(60, TimeUnit.SECONDS)).isTrue();
        store(b, "m", 0, filled(1000, 4));
        LayerWait brief = new LayerWait(System.nanoTime() + 20_000_000, () -> false);
        assertThatThrownBy(() -> a.store("m", 1, 1000, from(new byte[1000]), brief))
            .satisfies(e -> assertCode(e, "LAYER_CANCELLED"));
      } finally {
        goOn.countDown();
      }
      first.get(60, TimeUnit.SECONDS);
    }
  }

  @Test
  void manyThreadsGetExactlyTheBound() throws Exception {
    int fit = 100;
    try (Memory64Manager manager = manager(MIB / 2, 100 * MIB);
        TenantLayers layers = manager.open(A, fit * (TenantLayers.OVERHEAD + 10_000) + 9_000);
        ExecutorService threads = Executors.newFixedThreadPool(64)) {
      List<Future<Integer>> stored = new ArrayList<>();
      for (int t = 0; t < 64; t++) {
        int thread = t;
        stored.add(
            threads.submit(() -> {
              int mine = 0;
              for (int i = 0; i < 10; i++) {
                try {
                  store(layers, "m" + thread, i, filled(10_000, thread));
                  mine++;
                } catch (LimitException e) {
                  assertCode(e, "LAYER_LIMIT");
                }
              }
              return mine;
            }));
      }
      int sum = 0;
      for (Future<Integer> one : stored) {
        sum += one.get(60, TimeUnit.SECONDS);
      }
      assertThat(sum).isEqualTo(fit);
      assertThat(layers.stats(LayerWait.FOR_EVER).layers()).isEqualTo(fit);
      assertThat(manager.bytes()).isEqualTo(fit * 10_000L);
    }
  }

  @Test
  void manyTenantsGetExactlyTheHostsBound() throws Exception {
    int fit = 100;
    try (Memory64Manager manager = manager(MIB / 2, fit * 10_000L + 9_000);
        ExecutorService threads = Executors.newFixedThreadPool(64)) {
      List<TenantLayers> tenants = new ArrayList<>();
      List<Future<Integer>> stored = new ArrayList<>();
      for (int t = 0; t < 64; t++) {
        TenantLayers layers = manager.open(new TenantId("t" + t), MIB);
        tenants.add(layers);
        stored.add(
            threads.submit(() -> {
              int mine = 0;
              for (int i = 0; i < 10; i++) {
                try {
                  store(layers, "m", i, filled(10_000, i));
                  mine++;
                } catch (LimitException e) {
                  assertCode(e, "LAYERS_FULL");
                }
              }
              return mine;
            }));
      }
      int sum = 0;
      for (Future<Integer> one : stored) {
        sum += one.get(60, TimeUnit.SECONDS);
      }
      assertThat(sum).isEqualTo(fit);
      assertThat(manager.memoryBytes()).isLessThanOrEqualTo(MIB / 2);
      tenants.forEach(TenantLayers::close);
      assertThat(manager.bytes()).isZero();
      assertThat(manager.memoryBytes()).isZero();
    }
  }

  @Test
  void endWhileALayerIsStoredDoesNotWaitAndLeavesNothing() throws Exception {
    CountDownLatch storing = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    LayerFile.Bytes slow =
        (offset, piece, n) -> {
          storing.countDown();
          try {
            assertThat(goOn.await(60, TimeUnit.SECONDS)).isTrue();
          } catch (InterruptedException e) {
            throw new AssertionError(e);
          }
        };
    try (Memory64Manager manager = manager(MIB, 100 * MIB);
        ExecutorService threads = Executors.newSingleThreadExecutor()) {
      TenantLayers layers = manager.open(A, 8 * MIB);
      store(layers, "m", 0, filled(1000, 1));
      Future<?> second =
          threads.submit(() -> layers.store("m", 1, 600_000, slow, LayerWait.FOR_EVER));
      try {
        assertThat(storing.await(60, TimeUnit.SECONDS)).isTrue();
        layers.close();
      } finally {
        goOn.countDown();
      }
      assertThatThrownBy(() -> second.get(60, TimeUnit.SECONDS))
          .cause()
          .satisfies(e -> assertCode(e, "LAYER_CANCELLED"));
      assertThat(manager.bytes()).isZero();
      assertThat(manager.memoryBytes()).isZero();
    }
  }

  @Test
  void nothingIsLeftInTheFolderAndNothingIsStoredAfterTheEnd() throws IOException {
    try (Memory64Manager manager = manager(MIB, 100 * MIB)) {
      TenantLayers layers = manager.open(A, 8 * MIB);
      store(layers, "m", 0, filled(1000, 1));
      layers.close();
      assertThatThrownBy(() -> store(layers, "m", 0, new byte[1]))
          .satisfies(e -> assertCode(e, "LAYER_CANCELLED"));
      assertThat(manager.bytes()).isZero();
    }
    try (Stream<Path> left = Files.list(folder)) {
      assertThat(left).isEmpty();
    }
  }
}

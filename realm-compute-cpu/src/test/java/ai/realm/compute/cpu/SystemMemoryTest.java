package ai.realm.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.BackendOptions;
import ai.realm.compute.Buffer;
import ai.realm.compute.WeightMatrix;
import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import ai.realm.tensor.Tensor;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// On Linux memory is the system's, elsewhere the JVM's, and mapped weights are then used where they lie.
class SystemMemoryTest {
  private static final int COLS = 1024;
  private static final int ROWS = 1000;

  private static final boolean LINUX = System.getProperty("os.name").contains("Linux");

  @TempDir Path folder;

  @Test
  void memoryIsZeroedAlignedAndGivenBack() {
    OffHeap memory = SystemMemory.orJvm();
    assertThat(memory instanceof SystemMemory).isEqualTo(LINUX);
    for (int round = 0; round < 100; round++) {
      // 100 rounds of 1 GiB: more than there is if none were given back.
      try (Arena arena = Arena.ofShared()) {
        MemorySegment segment = memory.allocate(arena, (1L << 30) + 12_345);
        assertThat(segment.address() % (LINUX ? 1 << 21 : CpuBuffer.ALIGNMENT)).isZero();
        assertThat(segment.byteSize()).isEqualTo((1L << 30) + 12_345);
        long last = segment.byteSize() - 1;
        assertThat(segment.get(ValueLayout.JAVA_BYTE, last)).isZero();
        segment.set(ValueLayout.JAVA_BYTE, last, (byte) 7);
      }
    }
  }

  @Test
  void littleMemoryComesFromTheJvm() {
    try (Arena arena = Arena.ofShared()) {
      MemorySegment segment = SystemMemory.orJvm().allocate(arena, 100);
      assertThat(segment.byteSize()).isEqualTo(100);
      assertThat(segment.address() % CpuBuffer.ALIGNMENT).isZero();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {8, ROWS})
  void weightsOfAMappedFileAreComputedWithAfterTheFileWasTruncated(int rows) throws IOException {
    Path file = folder.resolve("weights");
    Random random = new Random(1);
    float[] values = new float[rows * COLS];
    try (Arena arena = Arena.ofShared();
        VectorBackend backend = new VectorBackend(new BackendOptions(2, false), false, false)) {
      MemorySegment made = arena.allocate((long) values.length * Float.BYTES);
      for (int i = 0; i < values.length; i++) {
        values[i] = random.nextFloat() - 0.5f;
        made.setAtIndex(ValueLayout.JAVA_FLOAT, i, values[i]);
      }
      Files.write(file, made.toArray(ValueLayout.JAVA_BYTE));
      MemorySegment mapped;
      try (FileChannel channel = FileChannel.open(file)) {
        mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      }
      Tensor tensor = new Tensor("w", GgmlType.F32, Shape.of(COLS, rows), mapped);
      try (WeightMatrix weights = backend.weights(tensor);
          RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw");
          Buffer x = backend.allocate(COLS);
          Buffer out = backend.allocate(rows)) {
        if (LINUX) {
          open.setLength(0);
        }
        float[] input = new float[COLS];
        input[3] = 2;
        backend.write(x, 0, input, 0, COLS);
        backend.matmul(out, weights, x, 1);
        float[] result = new float[rows];
        backend.read(out, 0, result, 0, rows);
        for (int r = 0; r < rows; r++) {
          assertThat(result[r]).as("row %d", r).isEqualTo(2 * values[r * COLS + 3]);
        }
      }
    }
  }
}

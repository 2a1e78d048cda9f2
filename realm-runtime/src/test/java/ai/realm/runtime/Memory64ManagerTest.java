package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class Memory64ManagerTest {
  private static final long GIB = 1L << 30;

  @TempDir Path folder;

  private static MemorySegment filled(int bytes, int value) {
    byte[] data = new byte[bytes];
    Arrays.fill(data, (byte) value);
    return MemorySegment.ofArray(data);
  }

  private static byte[] read(Memory64Manager memory, String model, int layer, int bytes) {
    byte[] data = new byte[bytes];
    memory.read(model, layer, 0, MemorySegment.ofArray(data));
    return data;
  }

  @Test
  void givesBackWhatWasStored() {
    try (Memory64Manager memory = new Memory64Manager(folder, 1000, 10_000)) {
      memory.store("a", 0, filled(100, 1));
      memory.store("a", 1, filled(200, 2));
      memory.store("b", 0, filled(300, 3));
      assertThat(read(memory, "a", 0, 100)).containsOnly(1);
      assertThat(read(memory, "a", 1, 200)).containsOnly(2);
      assertThat(read(memory, "b", 0, 300)).containsOnly(3);
      assertThat(memory.size("b", 0)).isEqualTo(300);
      assertThat(memory.size("b", 1)).isEqualTo(-1);
      assertThat(memory.stats()).isEqualTo(new Memory64Stats(600, 3, 3, 0, 0, 1000));
    }
  }

  @Test
  void layerUsedLongestAgoLeavesMemoryAndComesBackWhole() {
    try (Memory64Manager memory = new Memory64Manager(folder, 250, 10_000)) {
      memory.store("m", 0, filled(100, 1));
      memory.store("m", 1, filled(100, 2));
      read(memory, "m", 0, 100);
      memory.store("m", 2, filled(100, 3)); // takes the place of layer 1
      assertThat(memory.stats()).isEqualTo(new Memory64Stats(200, 3, 1, 0, 1, 250));
      assertThat(read(memory, "m", 0, 100)).containsOnly(1);
      assertThat(read(memory, "m", 1, 100)).containsOnly(2);
      assertThat(memory.stats().misses()).isEqualTo(1);
      assertThat(memory.stats().residentBytes()).isEqualTo(200);
    }
  }

  @Test
  void layerPastFourGibibytesIsReadAndWrittenInASparseFile() {
    try (Memory64Manager memory = new Memory64Manager(folder, 1 << 20, 20 * GIB)) {
      memory.reserve("large", 0, 6 * GIB);
      memory.reserve("large", 1, 6 * GIB);
      long far = 5 * GIB + 12_345;
      memory.write("large", 1, far, filled(64, 7));
      byte[] back = new byte[66];
      memory.read("large", 1, far - 1, MemorySegment.ofArray(back));
      assertThat(back[0]).isZero();
      assertThat(Arrays.copyOfRange(back, 1, 65)).containsOnly(7);
      assertThat(back[65]).isZero();
      MemorySegment last = MemorySegment.ofArray(new byte[8]);
      last.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, -1);
      memory.read("large", 0, 6 * GIB - 8, last);
      assertThat(last.get(ValueLayout.JAVA_LONG_UNALIGNED, 0)).isZero();
      assertThat(memory.stats().residentBytes()).isZero();
    }
  }

  @Test
  void layerStoredAgainReplacesTheOneBefore() {
    try (Memory64Manager memory = new Memory64Manager(folder, 1000, 300)) {
      memory.store("m", 0, filled(200, 1));
      memory.store("m", 0, filled(300, 2));
      assertThat(read(memory, "m", 0, 300)).containsOnly(2);
      assertThat(memory.stats().residentBytes()).isEqualTo(300);
    }
  }

  @Test
  void nothingOfARemovedLayerShowsUpInTheNext() {
    try (Memory64Manager memory = new Memory64Manager(folder, 0, 1000)) {
      memory.store("secret", 0, filled(100, 9));
      memory.remove("secret", 0);
      memory.reserve("next", 0, 100);
      assertThat(read(memory, "next", 0, 100)).containsOnly(0);
    }
  }

  @Test
  void boundsAreKept() {
    try (Memory64Manager memory = new Memory64Manager(folder, 1000, 250)) {
      memory.store("m", 0, filled(200, 1));
      assertThatThrownBy(() -> memory.store("m", 1, filled(100, 1)))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("at most 250 bytes in all");
      assertThatThrownBy(() -> memory.read("m", 0, 150, filled(51, 0)))
          .isInstanceOf(IndexOutOfBoundsException.class);
      assertThatThrownBy(() -> memory.read("m", 0, -1, filled(1, 0)))
          .isInstanceOf(IndexOutOfBoundsException.class);
      assertThatThrownBy(() -> memory.read("m", 1, 0, filled(1, 0)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("no layer 1");
    }
  }
}

package ai.realm.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.tensor.GgmlType;
import ai.realm.tensor.Shape;
import ai.realm.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

class ReadAheadTest {
  private static final int PANEL_BYTES = 65_536;
  private static final int THREADS = 2;

  @AutoClose private final Arena arena = Arena.ofShared();

  /// What was fetched: (address, bytes).
  private final List<List<Long>> fetched = new ArrayList<>();

  private final ReadAhead ahead = new ReadAhead(handle(), THREADS, weights -> PANEL_BYTES);

  @Test
  void fetchesTheFirstPanelsOfTheProductThatFollowedTheLastTime() {
    PackedWeights a = weights(8);
    PackedWeights b = weights(3);
    PackedWeights c = weights(5);
    begin(new PackedWeights[] {a}, 4, 8);
    // Thread 0 begins with b, thread 1 in the middle of c.
    begin(new PackedWeights[] {b, c}, 4, 8);
    begin(new PackedWeights[] {a}, 4, 8);

    drain(0);
    assertThat(fetched.getFirst()).containsExactly(b.address(), 4096L);
    // No further than the end of the matrix, or the most that is fetched.
    assertThat(fetched).hasSize((int) Math.min(3L * PANEL_BYTES, ReadAhead.MOST_BYTES) / 4096);
    fetched.clear();
    drain(1);
    assertThat(fetched.getFirst()).containsExactly(c.address() + PANEL_BYTES, 4096L);
  }

  @Test
  void fetchesNothingWhereItDoesNotKnowWhatFollows() {
    begin(new PackedWeights[] {weights(8)}, 4, 8);
    assertThat(ahead.idle(0)).isFalse();
    begin(new PackedWeights[] {weights(8)}, 4, 8);
    ahead.end();
    assertThat(ahead.idle(0)).isFalse();
    assertThat(fetched).isEmpty();
  }

  @Test
  void fetchesNothingForMatricesThatAreNotPacked() {
    PackedWeights a = weights(8);
    PackedWeights unpacked = new PackedWeights(tensor(8), GgmlType.F32);
    for (int step = 0; step < 2; step++) {
      begin(new PackedWeights[] {a}, 4, 8);
      begin(new PackedWeights[] {unpacked}, 4, 8);
      assertThat(ahead.idle(0)).isFalse();
    }
    assertThat(fetched).isEmpty();
  }

  private void begin(PackedWeights[] matrices, int... chunkEnd) {
    ahead.begin(matrices, matrices.length, chunkEnd, chunkEnd.length);
  }

  private void drain(int thread) {
    while (ahead.idle(thread)) {
      assertThat(fetched).hasSizeLessThan(1000);
    }
  }

  private PackedWeights weights(int panels) {
    PackedWeights weights = new PackedWeights(tensor(panels), GgmlType.F32);
    weights.panels(
        PackedWeights.Panels.of(
            arena, arena.allocate((long) panels * PANEL_BYTES, CpuBuffer.ALIGNMENT)));
    return weights;
  }

  private Tensor tensor(int panels) {
    Shape shape = Shape.of(32, 16L * panels);
    MemorySegment data = arena.allocate(shape.elements() * Float.BYTES);
    return new Tensor("w", GgmlType.F32, shape, data);
  }

  private void fetch(long address, long bytes) {
    fetched.add(List.of(address, bytes));
  }

  private MethodHandle handle() {
    try {
      return MethodHandles.lookup()
          .bind(this, "fetch", MethodType.methodType(void.class, long.class, long.class));
    } catch (ReflectiveOperationException e) {
      throw new AssertionError(e);
    }
  }
}

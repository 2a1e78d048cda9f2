package ai.realm.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvLayout;
import ai.realm.compute.KvType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class CpuMemoryTest {
  /// Relative error of a stored row: none, 11 bits of mantissa, half a step of 1/127.
  private static double tolerance(KvType type) {
    return switch (type) {
      case F32 -> 0;
      case F16 -> 0x1p-11;
      case Q8_0 -> 0.5 / 127 + 0x1p-10;
    };
  }

  @Test
  void naiveBackendIsFoundByName() {
    try (var backend = Backends.open("naive", BackendOptions.DEFAULT).backend()) {
      assertThat(backend).isInstanceOf(NaiveBackend.class);
    }
  }

  @Test
  void buffersAreAlignedZeroedAndViewsShareThem() {
    try (CpuBuffer buffer = CpuBuffer.allocate(33, OffHeap.JVM)) {
      assertThat(buffer.segment().address() % CpuBuffer.ALIGNMENT).isZero();
      Buffer view = buffer.view(30, 3);
      buffer.set(31, 7);
      assertThat(((CpuBuffer) view).get(1)).isEqualTo(7);
      assertThat(buffer.get(30)).isZero();
      assertThatExceptionOfType(IndexOutOfBoundsException.class)
          .isThrownBy(() -> buffer.view(31, 3));
    }
  }

  @ParameterizedTest
  @EnumSource(KvType.class)
  void keyAndValueRowsComeBackAsStored(KvType type) {
    KvLayout layout = new KvLayout(2, 3, 64, 32, 5, type);
    try (CpuKvStore kv = new CpuKvStore(layout, 4, OffHeap.JVM);
        CpuBuffer row = CpuBuffer.allocate(64, OffHeap.JVM)) {
      for (int i = 0; i < 64; i++) {
        row.set(i, (i - 20) * 0.37f);
      }
      float max = 43 * 0.37f;
      kv.storeRow(kv.keyOffset(3, 1, 2, 4), row.segment(), 0, 64);
      kv.storeRow(kv.valueOffset(3, 1, 2, 4), row.segment(), 32, 32);
      kv.copyBlock(3, 0);
      kv.clearBlock(3);
      float[] key = new float[64];
      float[] value = new float[32];
      kv.loadRow(kv.keyOffset(0, 1, 2, 4), key, 0, 64);
      kv.loadRow(kv.valueOffset(0, 1, 2, 4), value, 0, 32);
      for (int i = 0; i < 64; i++) {
        assertThat((double) key[i]).isCloseTo(row.get(i), within(max * tolerance(type)));
        assertThat((double) value[i % 32])
            .isCloseTo(row.get(32 + i % 32), within(max * tolerance(type)));
      }
      kv.loadRow(kv.keyOffset(3, 1, 2, 4), key, 0, 64);
      assertThat(key).containsOnly(0f);
    }
  }

  @ParameterizedTest
  @CsvSource({"4,0,0,0", "-1,0,0,0", "0,2,0,0", "0,0,3,0", "0,0,0,5", "0,0,-1,0"})
  void indicesOutsideTheLayoutAreRefused(int block, int layer, int head, int slot) {
    try (CpuKvStore kv = new CpuKvStore(new KvLayout(2, 3, 8, 8, 5, KvType.F16), 4, OffHeap.JVM)) {
      assertThatExceptionOfType(IndexOutOfBoundsException.class)
          .isThrownBy(() -> kv.keyOffset(block, layer, head, slot));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "0.1, 0.1124629160182849",
    "0.5, 0.5204998778130465",
    "1, 0.8427007929497149",
    "2, 0.9953222650189527",
    "2.9999, 0.9999778955735178",
    "3.5, 0.9999992569016276",
    "-1, -0.8427007929497149",
    "30, 1"
  })
  void errorFunctionHasItsTabulatedValues(double x, double expected) {
    // NIST DLMF 7.2; at 2.9999 the C library's erf.
    assertThat(ErrorFunction.erf(x)).isCloseTo(expected, within(1e-10));
  }
}

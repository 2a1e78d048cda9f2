package ai.realm.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class TaperedChunksTest {
  @Test
  void chunksCoverAllUnitsAndGetShorter() {
    for (int threads : new int[] {1, 2, 4, 7, 64}) {
      int[] ends = new int[TaperedChunks.most(threads)];
      for (int units : new int[] {1, 2, 5, 63, 64, 65, 1000, 128_256}) {
        int chunks = TaperedChunks.split(units, threads, ends);
        assertThat(chunks).isBetween(1, TaperedChunks.most(threads));
        assertThat(ends[chunks - 1]).isEqualTo(units);
        int before = Integer.MAX_VALUE;
        for (int i = 0; i < chunks; i++) {
          int size = ends[i] - (i == 0 ? 0 : ends[i - 1]);
          assertThat(size).isPositive();
          if (i < chunks - threads) {
            assertThat(size).isLessThanOrEqualTo(before);
            before = size;
          }
        }
      }
    }
  }

  @Test
  void theFirstRoundIsThreeQuartersOfTheWork() {
    int[] ends = new int[TaperedChunks.most(4)];
    TaperedChunks.split(1600, 4, ends);
    assertThat(ends[3]).isEqualTo(1200);
  }
}

package ai.realm.model;

import ai.realm.compute.Batch;
import java.util.Arrays;

/// Carries a recurrent layer's state from step to step through the KV blocks: a sequence's state after
/// position p lies in the block of p, so that forks and shared prefixes need no other bookkeeping.
///
/// @param offset where this layer's state begins among the floats of a block
/// @param size floats of it
record RunningState(int offset, int size) {
  /// Loads the state before the first row of sequence `sequence`: zeros for a new one.
  void load(Step s, int sequence, float[] state) {
    Batch batch = s.batch();
    int position = batch.firstPosition(sequence);
    if (position == 0) {
      Arrays.fill(state, 0, size, 0);
    } else {
      s.kv().readState(block(s, sequence, position - 1), offset, state, size);
    }
  }

  /// Stores the state after row `i` of sequence `sequence` where it must outlive the step: at the last
  /// row, and where a block is full.
  void store(Step s, int sequence, int i, float[] state) {
    Batch batch = s.batch();
    int position = batch.firstPosition(sequence) + i;
    int blockSize = s.kv().layout().blockSize();
    if (i == batch.rows(sequence) - 1 || (position + 1) % blockSize == 0) {
      s.kv().writeState(block(s, sequence, position), offset, state, size);
    }
  }

  private static int block(Step s, int sequence, int position) {
    return s.batch().blockTable(sequence)[position / s.kv().layout().blockSize()];
  }
}

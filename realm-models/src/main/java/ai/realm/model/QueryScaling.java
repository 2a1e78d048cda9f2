package ai.realm.model;

import ai.realm.compute.Buffer;

/// Queries that grow with their position, against attention that thins out over long contexts (Llama 4,
/// Mistral 3): times `1 + strength · ln(1 + ⌊position / period⌋)`.
///
/// @param period the context that the model was first trained with
record QueryScaling(float strength, int period) {
  /// Shapes: q (rows, width).
  void apply(Step s, Buffer q, int width) {
    int n = 0;
    int[] rows = s.scratchRows();
    float[] extra = s.scratchFactors();
    for (int i = 0; i < s.rows(); i++) {
      int periods = s.batch().positions()[i] / period;
      if (periods > 0) {
        rows[n] = i;
        extra[n] = (float) (strength * Math.log(1.0 + periods));
        n++;
      }
    }
    if (n > 0) {
      Buffer late = s.buffer(Step.Slot.ATTENDED, width);
      s.backend.gatherRows(late, q, rows, n, width);
      s.backend.scatterAddRows(q, late, rows, extra, n, width);
    }
  }
}

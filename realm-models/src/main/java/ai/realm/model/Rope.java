package ai.realm.model;

import ai.realm.compute.Buffer;
import ai.realm.compute.RopeStyle;

/// Rotary position embedding of one kind of layer (Su et al., "RoFormer", 2021), scaling included.
///
/// @param index which of a step's tables of cosines and sines
/// @param dims how many elements of a head rotate
/// @param style which elements rotate together
/// @param frequencies radians per position, (dims / 2)
/// @param magnitude factor on the rotated elements (YaRN, LongRoPE)
@SuppressWarnings("ArrayRecordComponent") // never compared, never changed
record Rope(int index, int dims, RopeStyle style, float[] frequencies, float magnitude) {
  /// Rotates the first `dims` elements of each head. Shapes: x (n, heads · headLength).
  void apply(Step s, Buffer x, int n, int heads, int headLength) {
    s.backend.rope(x, n, heads, headLength, s.ropeTable(this), dims, style);
  }
}

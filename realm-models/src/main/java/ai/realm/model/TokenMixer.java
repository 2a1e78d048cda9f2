package ai.realm.model;

import ai.realm.compute.Buffer;

/// The sublayer in which rows of a sequence see each other.
interface TokenMixer {
  /// `y = mix(h)`. Shapes: h, y (rows, width); `y` is not `h`.
  void apply(Step s, Buffer y, Buffer h);
}

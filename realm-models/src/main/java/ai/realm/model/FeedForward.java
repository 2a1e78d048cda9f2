package ai.realm.model;

import ai.realm.compute.Buffer;

/// The sublayer that transforms each row by itself.
interface FeedForward {
  /// `y = f(h)`. Shapes: h, y (rows, width); `y` is not `h`.
  void apply(Step s, Buffer y, Buffer h);
}

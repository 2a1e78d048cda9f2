package ai.realm.template;

/// What one render may use. A template comes with a model file, and so from a stranger.
final class Limits {
  private static final int MAX_STEPS = 4_000_000;
  private static final int MAX_SIZE = 16 << 20;
  private static final int MAX_DEPTH = 100;

  private int steps;

  /// Counts a unit of work.
  void step() {
    if (++steps > MAX_STEPS) {
      throw TemplateException.limit("expected at most " + MAX_STEPS + " steps");
    }
  }

  /// Checks the length of a text or list before it is made.
  void size(long length) {
    if (length > MAX_SIZE) {
      throw TemplateException.limit(
          "expected texts and lists of at most " + MAX_SIZE + " elements, found " + length);
    }
  }

  /// Checks how deep calls or values are nested.
  void depth(int depth) {
    if (depth > MAX_DEPTH) {
      throw TemplateException.limit(
          "expected calls and values nested at most " + MAX_DEPTH + " deep");
    }
  }
}

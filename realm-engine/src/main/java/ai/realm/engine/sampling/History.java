package ai.realm.engine.sampling;

/// One sequence as samplers see it: its own tokens up to the place that is sampled, prompt included, and
/// what [Mirostat] learned along them. Part of the sequence, not of a sampler: so it is forked and truncated with the
/// sequence, and the same whichever samplers the steps before had. The tokens are looked at where they lie.
public final class History {
  private int[] tokens = new int[0];
  private int size;
  private final MirostatPath path;

  /// Of an empty sequence.
  public History() {
    this(new MirostatPath());
  }

  private History(MirostatPath path) {
    this.path = path;
  }

  /// Looks at other tokens.
  ///
  /// @param ids the tokens, from index 0; not copied
  /// @param count how many precede what is sampled
  public History show(int[] ids, int count) {
    if (count < 0 || count > ids.length) {
      throw new IllegalArgumentException(
          "history: expected 0 to %d tokens, found %d".formatted(ids.length, count));
    }
    tokens = ids;
    size = count;
    return this;
  }

  /// The history of a sequence of that length that goes on from here by itself.
  public History fork(int length) {
    return new History(path.copy(length));
  }

  /// The tokens from `length` on may change.
  public void truncate(int length) {
    path.truncate(length);
  }

  int size() {
    return size;
  }

  int token(int index) {
    return tokens[index];
  }

  MirostatPath path() {
    return path;
  }

  /// The token `back` places before the last; 0 is the last.
  int fromEnd(int back) {
    return tokens[size - 1 - back];
  }
}

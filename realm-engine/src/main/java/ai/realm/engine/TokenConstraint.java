package ai.realm.engine;

/// What may come next in a sequence: a mask from a guest, or a grammar's matcher. Called by the engine
/// thread while a step that carries it is in flight, by its owner at other times.
public interface TokenConstraint {
  /// Fills `allowed`: bit `t % 64` of word `t / 64` is set when token t may come next.
  void mask(long[] allowed);

  /// Advances over a token that was sampled under this constraint.
  void accept(int token);
}

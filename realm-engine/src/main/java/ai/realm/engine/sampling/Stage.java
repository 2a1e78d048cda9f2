package ai.realm.engine.sampling;

/// One step between logits and the draw: changes logits or drops candidates. At least one candidate
/// remains.
interface Stage {
  void apply(Candidates c);
}

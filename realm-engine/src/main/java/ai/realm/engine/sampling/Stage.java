package ai.realm.engine.sampling;

/// One step between logits and the draw: changes logits or drops candidates. At least one candidate
/// remains. Keeps nothing from one choice to the next: the sequence does.
interface Stage {
  void apply(Candidates c, History history);
}

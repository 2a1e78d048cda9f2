package ai.realm.engine.sampling;

import java.util.HashMap;
import java.util.Map;

/// Makes recent tokens less likely: `repeat` divides positive and multiplies negative logits (Keskar et
/// al. 2019), `frequency` subtracts per occurrence, `presence` once.
record Penalties(int lastN, float repeat, float frequency, float presence, History history)
    implements Stage {
  @Override
  public void apply(Candidates c) {
    if (lastN == 0 || (repeat == 1 && frequency == 0 && presence == 0)) {
      return;
    }
    int n = lastN < 0 ? history.size() : Math.min(lastN, history.size());
    Map<Integer, Integer> counts = new HashMap<>();
    for (int i = 0; i < n; i++) {
      counts.merge(history.fromEnd(i), 1, Integer::sum);
    }
    for (int i = 0; i < c.size && !counts.isEmpty(); i++) {
      Integer count = counts.get(c.ids[i]);
      if (count != null) {
        float l = c.logits[i];
        l = l <= 0 ? l * repeat : l / repeat;
        c.logits[i] = l - (count * frequency + presence);
      }
    }
    c.sorted = 0;
  }
}

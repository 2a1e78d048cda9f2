package ai.realm.template;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Variables visible at one place. Loops, macros, `with` and blocks open an inner scope; what they set
/// ends with them.
final class Scope {
  private final @Nullable Scope outer;
  private final Map<String, @Nullable Object> variables = new HashMap<>();

  Scope(@Nullable Scope outer) {
    this.outer = outer;
  }

  void set(String name, @Nullable Object value) {
    variables.put(name, value);
  }

  /// The value of a name, or [Undefined].
  @Nullable Object get(String name) {
    for (Scope s = this; s != null; s = s.outer) {
      Object v = s.variables.get(name);
      if (v != null || s.variables.containsKey(name)) {
        return v;
      }
    }
    return new Undefined(name);
  }
}

package ai.realm.template;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A value that a template can call: a global function, a bound method, a macro.
@FunctionalInterface
interface Callable {
  @Nullable Object call(List<@Nullable Object> arguments, Map<String, @Nullable Object> named);
}

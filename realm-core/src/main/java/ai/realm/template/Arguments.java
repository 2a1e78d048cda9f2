package ai.realm.template;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Arguments of a filter or method, by position or name.
///
/// @param what whose they are, for messages
record Arguments(
    String what, List<@Nullable Object> positional, Map<String, @Nullable Object> named) {

  int count() {
    return positional.size() + named.size();
  }

  boolean has(int i, String name) {
    return i < positional.size() || named.containsKey(name);
  }

  @Nullable Object get(int i, String name, @Nullable Object absent) {
    return i < positional.size()
        ? positional.get(i)
        : named.containsKey(name) ? named.get(name) : absent;
  }

  @Nullable Object require(int i, String name) {
    if (!has(i, name)) {
      throw TemplateException.value(what + ": expected an argument " + name);
    }
    return get(i, name, null);
  }

  String string(int i, String name) {
    Object v = Values.plain(require(i, name));
    if (v instanceof String s) {
      return s;
    }
    throw TemplateException.value(
        "%s: expected a string as %s, found %s".formatted(what, name, Values.typeName(v)));
  }

  String string(int i, String name, String absent) {
    return has(i, name) ? string(i, name) : absent;
  }

  long integer(int i, String name, long absent) {
    return has(i, name) ? Numbers.integer(get(i, name, null)) : absent;
  }

  boolean flag(int i, String name, boolean absent) {
    return has(i, name) ? Values.truth(get(i, name, null)) : absent;
  }
}

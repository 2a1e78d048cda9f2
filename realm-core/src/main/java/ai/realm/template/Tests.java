package ai.realm.template;

import java.math.BigInteger;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Jinja's tests: `value is name(arguments)`.
final class Tests {
  private static final Set<String> NAMES =
      Set.of(
          "boolean",
          "callable",
          "!=",
          "<",
          "<=",
          "==",
          ">",
          ">=",
          "defined",
          "divisibleby",
          "eq",
          "equalto",
          "escaped",
          "even",
          "false",
          "filter",
          "float",
          "ge",
          "greaterthan",
          "gt",
          "in",
          "integer",
          "iterable",
          "le",
          "lessthan",
          "lower",
          "lt",
          "mapping",
          "ne",
          "none",
          "number",
          "odd",
          "sameas",
          "sequence",
          "string",
          "test",
          "true",
          "undefined",
          "upper");

  private final Interpreter interpreter;

  Tests(Interpreter interpreter) {
    this.interpreter = interpreter;
  }

  boolean has(String name) {
    return NAMES.contains(name);
  }

  boolean holds(String name, @Nullable Object v, List<@Nullable Object> arguments) {
    return switch (name) {
      case "defined" -> !(v instanceof Undefined);
      case "undefined" -> v instanceof Undefined;
      case "none" -> v == null;
      case "boolean" -> v instanceof Boolean;
      case "true" -> v instanceof Boolean b && b;
      case "false" -> v instanceof Boolean b && !b;
      case "integer" -> v instanceof Long || v instanceof BigInteger;
      case "float" -> v instanceof Double;
      case "number" -> Numbers.isNumber(v);
      case "string" -> Values.plain(v) instanceof String;
      case "mapping" -> v instanceof Map<?, ?>;
      case "sequence", "iterable" ->
          (!(v instanceof Values.Generator) || name.equals("iterable"))
              && (Values.plain(v) instanceof String
                  || v instanceof List<?>
                  || v instanceof Map<?, ?>
                  || v instanceof Undefined);
      case "callable" -> v instanceof Callable;
      case "escaped" -> v instanceof Values.Markup;
      case "odd" -> Math.floorMod(Numbers.integer(defined(v)), 2L) == 1;
      case "even" -> Math.floorMod(Numbers.integer(defined(v)), 2L) == 0;
      case "divisibleby" -> {
        long divisor = Numbers.integer(argument(name, arguments));
        if (divisor == 0) {
          throw TemplateException.value("integer modulo by zero");
        }
        yield Numbers.integer(defined(v)) % divisor == 0;
      }
      case "lower" -> isCased(v, false);
      case "upper" -> isCased(v, true);
      case "in" -> Values.contains(argument(name, arguments), v);
      case "eq", "equalto", "==" -> Values.equal(v, argument(name, arguments));
      case "ne", "!=" -> !Values.equal(v, argument(name, arguments));
      case "lt", "lessthan", "<" -> Values.order(v, argument(name, arguments)) < 0;
      case "le", "<=" -> Values.order(v, argument(name, arguments)) <= 0;
      case "gt", "greaterthan", ">" -> Values.order(v, argument(name, arguments)) > 0;
      case "ge", ">=" -> Values.order(v, argument(name, arguments)) >= 0;
      case "sameas" -> {
        Object other = argument(name, arguments);
        yield v == other
            || (v instanceof Boolean && v.equals(other))
            || (v instanceof Long && v.equals(other))
            || (v instanceof String && v.equals(other));
      }
      case "filter" -> v instanceof String s && interpreter.hasFilter(s);
      case "test" -> v instanceof String s && has(s);
      default -> throw TemplateException.value("No test named '" + name + "'");
    };
  }

  private static @Nullable Object argument(String name, List<@Nullable Object> arguments) {
    if (arguments.isEmpty()) {
      throw TemplateException.value("test " + name + ": expected an argument");
    }
    return arguments.getFirst();
  }

  private static @Nullable Object defined(@Nullable Object v) {
    if (v instanceof Undefined u) {
      throw u.error();
    }
    return v;
  }

  private boolean isCased(@Nullable Object v, boolean upper) {
    String s = Values.string(v, interpreter.limits);
    boolean cased = false;
    for (int c : s.codePoints().toArray()) {
      if (upper ? Character.isLowerCase(c) : Character.isUpperCase(c)) {
        return false;
      }
      cased |= Character.isLowerCase(c) || Character.isUpperCase(c);
    }
    return cased;
  }
}

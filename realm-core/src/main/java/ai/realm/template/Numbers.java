package ai.realm.template;

import java.math.BigInteger;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Python's numbers as templates need them: integers of 64 bits and floats; larger integers are carried
/// and printed, not computed with.
final class Numbers {
  private Numbers() {}

  static boolean isNumber(@Nullable Object v) {
    return v instanceof Number || v instanceof Boolean;
  }

  static boolean isInteger(@Nullable Object v) {
    return v instanceof Long || v instanceof BigInteger || v instanceof Boolean;
  }

  static long integer(@Nullable Object v) {
    return switch (v) {
      case Long n -> n;
      case Boolean b -> b ? 1 : 0;
      case BigInteger n ->
          throw TemplateException.value(
              "expected an integer of 64 bits to compute with, found " + n);
      case null, default ->
          throw TemplateException.value("expected an integer, found " + Values.typeName(v));
    };
  }

  static double number(@Nullable Object v) {
    return switch (v) {
      case Double d -> d;
      case BigInteger n -> n.doubleValue();
      case null, default -> integer(v);
    };
  }

  static Object arithmetic(String operator, @Nullable Object a, @Nullable Object b) {
    try {
      if (isInteger(a) && isInteger(b) && !operator.equals("/")) {
        long x = integer(a);
        long y = integer(b);
        return switch (operator) {
          case "+" -> Math.addExact(x, y);
          case "-" -> Math.subtractExact(x, y);
          case "*" -> Math.multiplyExact(x, y);
          case "//" -> Math.floorDiv(x, y);
          case "%" -> Math.floorMod(x, y);
          default -> power(x, y);
        };
      }
    } catch (ArithmeticException e) {
      throw TemplateException.value("integer " + e.getMessage() + " in " + operator);
    }
    double x = number(a);
    double y = number(b);
    if (y == 0 && (operator.equals("/") || operator.equals("//") || operator.equals("%"))) {
      throw TemplateException.value("division by zero");
    }
    return switch (operator) {
      case "+" -> x + y;
      case "-" -> x - y;
      case "*" -> x * y;
      case "/" -> x / y;
      case "//" -> Math.floor(x / y);
      case "%" -> x - Math.floor(x / y) * y;
      default -> Math.pow(x, y);
    };
  }

  private static Object power(long base, long exponent) {
    if (exponent < 0) {
      return Math.pow(base, exponent);
    }
    long result = 1;
    for (long i = 0; i < exponent; i++) {
      if (base == 0 || base == 1) {
        return exponent == 0 ? 1L : base;
      }
      if (base == -1) {
        return exponent % 2 == 0 ? 1L : -1L;
      }
      result = Math.multiplyExact(result, base);
    }
    return result;
  }

  /// `a == b` of two numbers.
  static boolean equal(@Nullable Object a, @Nullable Object b) {
    if (a instanceof BigInteger || b instanceof BigInteger) {
      return isInteger(a) && isInteger(b) ? Objects.equals(a, b) : number(a) == number(b);
    }
    return isInteger(a) && isInteger(b) ? integer(a) == integer(b) : number(a) == number(b);
  }

  /// `a < b`, `a == b`, `a > b` of two numbers as −1, 0, 1.
  static int order(@Nullable Object a, @Nullable Object b) {
    return a instanceof Long n && b instanceof Long m
        ? Long.compare(n, m)
        : Double.compare(number(a), number(b));
  }
}

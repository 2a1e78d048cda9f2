package ai.realm.engine.grammar;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Numbers between bounds, as digits. A range of whole numbers splits at the first digit where its ends
/// differ; divisibility is followed by the remainder so far.
final class NumberRules {
  private static final int MAX_DIVISOR = 250;

  /// Few enough that a reader with doubles sees the number on the right side of a bound.
  private static final int FRACTION_DIGITS = 8;

  /// Bounds; absent ones are null.
  record Range(
      @Nullable BigDecimal min,
      boolean minExcluded,
      @Nullable BigDecimal max,
      boolean maxExcluded) {
    static final Range ALL = new Range(null, false, null, false);

    boolean isAll() {
      return min == null && max == null;
    }

    boolean contains(BigDecimal value) {
      BigDecimal low = min;
      BigDecimal high = max;
      int below = low == null ? 1 : value.compareTo(low);
      int above = high == null ? -1 : value.compareTo(high);
      return (minExcluded ? below > 0 : below >= 0) && (maxExcluded ? above < 0 : above <= 0);
    }

    Range atLeast(BigDecimal bound, boolean excluded) {
      BigDecimal low = min;
      int order = low == null ? 1 : bound.compareTo(low);
      return order > 0 || order == 0 && excluded
          ? new Range(bound, excluded, max, maxExcluded)
          : this;
    }

    Range atMost(BigDecimal bound, boolean excluded) {
      BigDecimal high = max;
      int order = high == null ? -1 : bound.compareTo(high);
      return order < 0 || order == 0 && excluded
          ? new Range(min, minExcluded, bound, excluded)
          : this;
    }

    boolean isDisjointFrom(Range other) {
      return endsBefore(other) || other.endsBefore(this);
    }

    private boolean endsBefore(Range other) {
      BigDecimal high = max;
      BigDecimal low = other.min;
      if (high == null || low == null) {
        return false;
      }
      int order = high.compareTo(low);
      return order < 0 || order == 0 && (maxExcluded || other.minExcluded);
    }
  }

  private record Remainder(int digits, int remainder, int divisor) {}

  private final JsonRules json;
  private final Map<Remainder, Expr> byRemainder = new HashMap<>();

  NumberRules(JsonRules json) {
    this.json = json;
  }

  /// Whole numbers in a range that a divisor divides.
  Expr integers(Range range, @Nullable BigDecimal multipleOf) {
    if (range.isAll() && multipleOf == null) {
      return json.integer();
    }
    BigInteger cap = BigInteger.TEN.pow(JsonRules.MAX_DIGITS).subtract(BigInteger.ONE);
    BigInteger low = lowest(range);
    BigInteger high = highest(range);
    if (low == null) {
      low =
          high == null
              ? cap.negate()
              : cap.negate().min(high.abs().multiply(BigInteger.TEN).negate());
    }
    if (high == null) {
      high = cap.max(low.abs().multiply(BigInteger.TEN));
    }
    BigInteger divisor = wholeDivisor(multipleOf);
    List<Expr> all = new ArrayList<>();
    if (low.signum() < 0) {
      BigInteger least = high.signum() < 0 ? high.negate() : BigInteger.ONE;
      magnitudes(Expr.text("-"), least, low.negate(), divisor, all);
    }
    if (high.signum() >= 0) {
      magnitudes(Expr.EMPTY, low.max(BigInteger.ZERO), high, divisor, all);
    }
    return Expr.choice(all);
  }

  private static @Nullable BigInteger lowest(Range range) {
    BigDecimal min = range.min();
    if (min == null) {
      return null;
    }
    BigInteger up = min.setScale(0, RoundingMode.CEILING).toBigInteger();
    boolean excluded = range.minExcluded() && new BigDecimal(up).compareTo(min) == 0;
    return excluded ? up.add(BigInteger.ONE) : up;
  }

  private static @Nullable BigInteger highest(Range range) {
    BigDecimal max = range.max();
    if (max == null) {
      return null;
    }
    BigInteger down = max.setScale(0, RoundingMode.FLOOR).toBigInteger();
    boolean excluded = range.maxExcluded() && new BigDecimal(down).compareTo(max) == 0;
    return excluded ? down.subtract(BigInteger.ONE) : down;
  }

  /// The least whole number that is a multiple of a divisor: only its multiples are made, which is
  /// narrower than asked for where the divisor is a fraction.
  private static BigInteger wholeDivisor(@Nullable BigDecimal multipleOf) {
    if (multipleOf == null) {
      return BigInteger.ONE;
    }
    BigDecimal plain = multipleOf.stripTrailingZeros();
    if (plain.scale() <= 0) {
      return plain.toBigInteger();
    }
    BigInteger unscaled = plain.unscaledValue();
    BigInteger scale = BigInteger.TEN.pow(plain.scale());
    return unscaled.divide(unscaled.gcd(scale));
  }

  /// Adds whole numbers from `low` to `high`, both at least 0, by length.
  private void magnitudes(
      Expr sign, BigInteger low, BigInteger high, BigInteger divisor, List<Expr> out) {
    if (low.compareTo(high) > 0) {
      return;
    }
    int longest = high.toString().length();
    for (int length = low.toString().length(); length <= longest; length++) {
      BigInteger floor = length == 1 ? BigInteger.ZERO : BigInteger.TEN.pow(length - 1);
      BigInteger ceiling = BigInteger.TEN.pow(length).subtract(BigInteger.ONE);
      String from = low.max(floor).toString();
      String to = high.min(ceiling).toString();
      out.add(Expr.sequence(sign, between(from, to, 0, true, true, 0, divisor)));
    }
  }

  /// Digits from place `at` on, where those before equal `from`'s (`tightLow`) or `to`'s (`tightHigh`).
  private Expr between(
      String from,
      String to,
      int at,
      boolean tightLow,
      boolean tightHigh,
      int remainder,
      BigInteger divisor) {
    int left = from.length() - at;
    boolean divides = divisor.equals(BigInteger.ONE);
    if (left == 0) {
      return remainder == 0 ? Expr.EMPTY : Expr.NOTHING;
    }
    if (!tightLow && !tightHigh) {
      return divides ? JsonRules.digits(left, left) : free(left, remainder, divisor);
    }
    int low = tightLow ? from.charAt(at) - '0' : 0;
    int high = tightHigh ? to.charAt(at) - '0' : 9;
    List<Expr> all = new ArrayList<>();
    for (int d = low; d <= high; d++) {
      boolean onLow = tightLow && d == low;
      boolean onHigh = tightHigh && d == high;
      int last = d;
      if (divides && !onLow && !onHigh) {
        last = tightHigh ? high - 1 : high;
      }
      int rest = divides ? 0 : next(remainder, d, divisor);
      all.add(
          Expr.sequence(
              Expr.chars('0' + d, '0' + last),
              between(from, to, at + 1, onLow, onHigh, rest, divisor)));
      d = last;
    }
    return Expr.choice(all);
  }

  private static int next(int remainder, int digit, BigInteger divisor) {
    return (remainder * 10 + digit) % small(divisor);
  }

  private static int small(BigInteger divisor) {
    if (divisor.bitLength() > 30 || divisor.intValue() > MAX_DIVISOR) {
      throw GrammarException.unsupported(
          "schema: multipleOf: expected a divisor of at most %d, found %s"
              .formatted(MAX_DIVISOR, divisor));
    }
    return divisor.intValue();
  }

  private Expr free(int digits, int remainder, BigInteger divisor) {
    if (digits == 0) {
      return remainder == 0 ? Expr.EMPTY : Expr.NOTHING;
    }
    Remainder key = new Remainder(digits, remainder, small(divisor));
    Expr known = byRemainder.get(key);
    if (known != null) {
      return known;
    }
    int rule = json.rules().declare("multiple", true);
    Expr ref = new Expr.Ref(rule);
    byRemainder.put(key, ref);
    List<Expr> all = new ArrayList<>();
    for (int d = 0; d <= 9; d++) {
      all.add(
          Expr.sequence(
              Expr.chars('0' + d, '0' + d),
              free(digits - 1, next(remainder, d, divisor), divisor)));
    }
    json.rules().define(rule, Expr.choice(all));
    return ref;
  }

  /// Decimal numbers in a range, without exponents.
  Expr decimals(Range range, @Nullable BigDecimal multipleOf) {
    if (multipleOf != null) {
      return integers(range, multipleOf);
    }
    if (range.isAll()) {
      return json.number();
    }
    BigDecimal low = range.min();
    BigDecimal high = range.max();
    List<Expr> all = new ArrayList<>();
    if (low == null || low.signum() < 0) {
      boolean negative = high != null && high.signum() < 0;
      BigDecimal least = negative && high != null ? high.negate() : BigDecimal.ZERO;
      boolean leastExcluded = !negative || range.maxExcluded();
      all.add(
          Expr.sequence(
              Expr.text("-"),
              magnitude(
                  least, leastExcluded, low == null ? null : low.negate(), range.minExcluded())));
    }
    if (high == null || high.signum() >= 0) {
      boolean positive = low != null && low.signum() >= 0;
      BigDecimal least = positive && low != null ? low : BigDecimal.ZERO;
      all.add(magnitude(least, positive && range.minExcluded(), high, range.maxExcluded()));
    }
    return Expr.choice(all);
  }

  private Expr magnitude(
      BigDecimal low, boolean lowExcluded, @Nullable BigDecimal high, boolean highExcluded) {
    BigInteger first = low.toBigInteger();
    String lowDigits = fraction(low);
    List<Expr> all = new ArrayList<>();
    if (high == null) {
      BigInteger cap =
          BigInteger.TEN.pow(JsonRules.MAX_DIGITS - 1).max(first.multiply(BigInteger.TEN));
      all.add(whole(first, first, decimals(lowDigits, lowExcluded, null, false)));
      all.add(whole(first.add(BigInteger.ONE), cap, anyFraction()));
      return Expr.choice(all);
    }
    BigInteger last = high.toBigInteger();
    String highDigits = fraction(high);
    int order = first.compareTo(last);
    if (order > 0) {
      return Expr.NOTHING;
    }
    if (order == 0) {
      return whole(first, first, decimals(lowDigits, lowExcluded, highDigits, highExcluded));
    }
    all.add(whole(first, first, decimals(lowDigits, lowExcluded, null, false)));
    all.add(whole(first.add(BigInteger.ONE), last.subtract(BigInteger.ONE), anyFraction()));
    all.add(whole(last, last, decimals("", false, highDigits, highExcluded)));
    return Expr.choice(all);
  }

  private Expr whole(BigInteger low, BigInteger high, Expr fraction) {
    List<Expr> all = new ArrayList<>();
    magnitudes(Expr.EMPTY, low, high, BigInteger.ONE, all);
    return Expr.sequence(Expr.choice(all), fraction);
  }

  private static Expr anyFraction() {
    return Expr.optional(Expr.sequence(Expr.text("."), JsonRules.digits(1, FRACTION_DIGITS)));
  }

  /// The digits behind the point, without zeros at the end.
  private static String fraction(BigDecimal value) {
    BigDecimal part = value.remainder(BigDecimal.ONE).stripTrailingZeros();
    if (part.signum() == 0) {
      return "";
    }
    String plain = part.toPlainString();
    return plain.substring(plain.indexOf('.') + 1);
  }

  /// Fractions between two, each given by its digits without zeros at the end.
  private static Expr decimals(
      String low, boolean lowExcluded, @Nullable String high, boolean highExcluded) {
    boolean zero = low.isEmpty() && !lowExcluded && !("".equals(high) && highExcluded);
    int places =
        Math.max(FRACTION_DIGITS, 2 + Math.max(low.length(), high == null ? 0 : high.length()));
    Expr digits =
        Expr.sequence(
            Expr.text("."),
            places(low, lowExcluded, high, highExcluded, 0, places, true, high != null));
    return zero ? Expr.choice(Expr.EMPTY, digits) : digits;
  }

  private static Expr places(
      String low,
      boolean lowExcluded,
      @Nullable String high,
      boolean highExcluded,
      int at,
      int places,
      boolean tightLow,
      boolean tightHigh) {
    if (!tightHigh || high == null) {
      return above(low, lowExcluded, at, places, tightLow);
    }
    List<Expr> all = new ArrayList<>();
    boolean lowDone = !tightLow || at >= low.length() && !lowExcluded;
    boolean highOpen = at < high.length() || !highExcluded;
    if (at > 0 && lowDone && highOpen) {
      all.add(Expr.EMPTY);
    }
    int digitHigh = at < high.length() ? high.charAt(at) - '0' : 0;
    int digitLow = tightLow && at < low.length() ? low.charAt(at) - '0' : 0;
    boolean more = at < high.length() || at == 0 && !highExcluded;
    if (more && at < places) {
      for (int d = digitLow; d <= digitHigh; d++) {
        all.add(
            Expr.sequence(
                Expr.chars('0' + d, '0' + d),
                places(
                    low,
                    lowExcluded,
                    high,
                    highExcluded,
                    at + 1,
                    places,
                    tightLow && d == digitLow,
                    d == digitHigh)));
      }
    }
    return Expr.choice(all);
  }

  /// Fractions from a lower bound on.
  private static Expr above(String low, boolean excluded, int at, int places, boolean tight) {
    int least = at == 0 ? 1 : 0;
    int left = places - at;
    if (!tight || at >= low.length() && !excluded) {
      return JsonRules.digits(least, left);
    }
    if (at >= low.length()) {
      return Expr.sequence(
          new Expr.Repeat(Expr.text("0"), 0, 4),
          Expr.chars('1', '9'),
          JsonRules.digits(0, Math.max(0, left - 5)));
    }
    int digit = low.charAt(at) - '0';
    List<Expr> all = new ArrayList<>();
    all.add(
        Expr.sequence(
            Expr.chars('0' + digit, '0' + digit), above(low, excluded, at + 1, places, true)));
    if (digit < 9) {
      all.add(Expr.sequence(Expr.chars('0' + digit + 1, '9'), JsonRules.digits(0, left - 1)));
    }
    return Expr.choice(all);
  }
}

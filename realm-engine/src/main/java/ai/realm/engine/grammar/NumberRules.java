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

  /// Digits of a bound before the point, and behind it.
  private static final int BOUND_DIGITS = 100;

  /// Digits that a reader with doubles gets as they were written.
  private static final int DOUBLE_DIGITS = 15;

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

    /// The range of the same numbers with the point `places` further right.
    Range movedRight(int places) {
      BigDecimal low = min;
      BigDecimal high = max;
      return new Range(
          low == null ? null : low.movePointRight(places),
          minExcluded,
          high == null ? null : high.movePointRight(places),
          maxExcluded);
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

  /// What numbers are multiples of.
  ///
  /// @param divisor in units of the last decimal place
  /// @param places decimal places that each number is written with
  private record Grid(BigInteger divisor, int places) {
    boolean isAll() {
      return divisor.equals(BigInteger.ONE);
    }

    /// Digits with the point before the last `places` of them, where these are among them.
    Expr pointed(int digits, Expr rest) {
      return places > 0 && digits == places ? Expr.sequence(Expr.text("."), rest) : rest;
    }

    /// Any digits.
    Expr digits(int count) {
      return places == 0 || count < places
          ? JsonRules.digits(count, count)
          : Expr.sequence(
              JsonRules.digits(count - places, count - places),
              Expr.text("."),
              JsonRules.digits(places, places));
    }
  }

  private record Remainder(int digits, int remainder, Grid grid) {}

  private final JsonRules json;
  private final Map<Remainder, Expr> byRemainder = new HashMap<>();

  NumberRules(JsonRules json) {
    this.json = json;
  }

  /// Whole numbers in a range that a divisor divides.
  Expr integers(Range range, @Nullable BigDecimal multipleOf) {
    check(range);
    if (range.isAll() && multipleOf == null) {
      return json.integer();
    }
    return multiples(range, new Grid(wholeDivisor(multipleOf), 0));
  }

  /// The multiples of a grid in a range, which is in units of the last decimal place.
  private Expr multiples(Range range, Grid grid) {
    int digits = grid.places() == 0 ? JsonRules.MAX_DIGITS : DOUBLE_DIGITS;
    BigInteger cap = BigInteger.TEN.pow(digits).subtract(BigInteger.ONE);
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
    List<Expr> all = new ArrayList<>();
    if (low.signum() < 0) {
      BigInteger least = high.signum() < 0 ? high.negate() : BigInteger.ONE;
      magnitudes(Expr.text("-"), least, low.negate(), grid, all);
    }
    if (high.signum() >= 0) {
      magnitudes(Expr.EMPTY, low.max(BigInteger.ZERO), high, grid, all);
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

  /// The least whole number that is a multiple of a divisor.
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

  /// Adds numbers from `low` to `high`, both at least 0, by length. At least one digit is before the
  /// point.
  private void magnitudes(Expr sign, BigInteger low, BigInteger high, Grid grid, List<Expr> out) {
    if (low.compareTo(high) > 0) {
      return;
    }
    int shortest = grid.places() + 1;
    int longest = Math.max(shortest, high.toString().length());
    for (int length = Math.max(shortest, low.toString().length()); length <= longest; length++) {
      BigInteger floor = length == shortest ? BigInteger.ZERO : BigInteger.TEN.pow(length - 1);
      BigInteger ceiling = BigInteger.TEN.pow(length).subtract(BigInteger.ONE);
      String from = padded(low.max(floor), length);
      String to = padded(high.min(ceiling), length);
      out.add(Expr.sequence(sign, between(from, to, 0, true, true, 0, grid)));
    }
  }

  private static String padded(BigInteger value, int length) {
    String digits = value.toString();
    return "0".repeat(length - digits.length()) + digits;
  }

  /// Digits from place `at` on, where those before equal `from`'s (`tightLow`) or `to`'s (`tightHigh`).
  private Expr between(
      String from,
      String to,
      int at,
      boolean tightLow,
      boolean tightHigh,
      int remainder,
      Grid grid) {
    int left = from.length() - at;
    boolean divides = grid.isAll();
    if (left == 0) {
      return remainder == 0 ? Expr.EMPTY : Expr.NOTHING;
    }
    if (!tightLow && !tightHigh) {
      return divides ? grid.digits(left) : free(left, remainder, grid);
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
      int rest = divides ? 0 : next(remainder, d, grid.divisor());
      all.add(
          Expr.sequence(
              Expr.chars('0' + d, '0' + last),
              between(from, to, at + 1, onLow, onHigh, rest, grid)));
      d = last;
    }
    return grid.pointed(left, Expr.choice(all));
  }

  private int next(int remainder, int digit, BigInteger divisor) {
    return (remainder * 10 + digit) % small(divisor);
  }

  private int small(BigInteger divisor) {
    if (divisor.bitLength() > 30 || divisor.intValue() > MAX_DIVISOR) {
      throw GrammarException.unsupported(
          "%s/multipleOf: expected a divisor of at most %d, found %s"
              .formatted(where(), MAX_DIVISOR, divisor));
    }
    return divisor.intValue();
  }

  /// Each digit of a bound is a level of nesting.
  private void check(Range range) {
    for (BigDecimal bound : new BigDecimal[] {range.min(), range.max()}) {
      if (bound != null
          && (bound.precision() - bound.scale() > BOUND_DIGITS || bound.scale() > BOUND_DIGITS)) {
        throw GrammarException.unsupported(
            "%s: expected bounds of at most %d digits before the point and as many behind it, found %s"
                .formatted(json.rules().budget().where(), BOUND_DIGITS, bound));
      }
    }
  }

  private String where() {
    String place = json.rules().budget().place();
    return "schema " + (place == null ? "" : place);
  }

  private Expr free(int digits, int remainder, Grid grid) {
    if (digits == 0) {
      return remainder == 0 ? Expr.EMPTY : Expr.NOTHING;
    }
    small(grid.divisor());
    Remainder key = new Remainder(digits, remainder, grid);
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
              free(digits - 1, next(remainder, d, grid.divisor()), grid)));
    }
    json.rules().define(rule, grid.pointed(digits, Expr.choice(all)));
    return ref;
  }

  /// Multiples of a fraction: whole numbers, and numbers with as many decimal places as the fraction.
  private Expr fractions(Range range, BigDecimal divisor) {
    int places = divisor.scale();
    if (places > FRACTION_DIGITS) {
      throw GrammarException.unsupported(
          "%s/multipleOf: expected at most %d decimal places, found %s"
              .formatted(where(), FRACTION_DIGITS, divisor.toPlainString()));
    }
    return Expr.choice(
        integers(range, divisor),
        multiples(range.movedRight(places), new Grid(divisor.unscaledValue(), places)));
  }

  /// Decimal numbers in a range, without exponents.
  Expr decimals(Range range, @Nullable BigDecimal multipleOf) {
    check(range);
    if (multipleOf != null) {
      BigDecimal divisor = multipleOf.stripTrailingZeros();
      return divisor.scale() > 0 ? fractions(range, divisor) : integers(range, divisor);
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
    magnitudes(Expr.EMPTY, low, high, new Grid(BigInteger.ONE, 0), all);
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

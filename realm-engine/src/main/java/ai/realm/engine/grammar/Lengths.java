package ai.realm.engine.grammar;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Texts of a pattern by their number of characters, without counting where the pattern's own form does:
/// a bound that no text breaks is dropped, and a loop over texts of one length gets the bound. Exact. What
/// has several loops is left to a count beside the automaton.
final class Lengths {
  private static final int UNBOUNDED = Expr.Repeat.UNBOUNDED;

  /// Most forms that a sequence is split into: one for each choice of its parts' lengths.
  private static final int MAX_FORMS = 64;

  /// Most parts of a pattern that is split, and of its forms.
  private static final int MAX_PARTS = 2_000;

  /// Fewest and most characters; `shortest > longest` where there is no text.
  record Span(int shortest, int longest) {
    static final Span NONE = new Span(UNBOUNDED, 0);

    boolean isEmpty() {
      return shortest > longest;
    }

    boolean isFixed() {
      return shortest == longest;
    }

    boolean isWithin(int min, int max) {
      return shortest >= min && longest <= max;
    }

    private Span or(Span other) {
      return new Span(Math.min(shortest, other.shortest), Math.max(longest, other.longest));
    }

    private Span then(Span other) {
      return isEmpty() || other.isEmpty()
          ? NONE
          : new Span(plus(shortest, other.shortest), plus(longest, other.longest));
    }

    private Span times(int min, int max) {
      if (isEmpty() || max == 0) {
        return min == 0 ? new Span(0, 0) : NONE;
      }
      return new Span(Lengths.times(shortest, min), Lengths.times(longest, max));
    }
  }

  /// Thrown and caught here only.
  private static final class Inexact extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Inexact() {
      super(null, null, false, false);
    }
  }

  private final Budget budget;
  private final Map<Expr, Span> spans = new IdentityHashMap<>();
  private int parts;

  Lengths(Budget budget) {
    this.budget = budget;
  }

  /// The lengths of a pattern's texts; both ends are reached.
  Span span(Expr expr) {
    Span known = spans.get(expr);
    if (known != null) {
      return known;
    }
    budget.work(1);
    Span span =
        switch (expr) {
          case Expr.Chars chars -> chars.set().isEmpty() ? Span.NONE : new Span(1, 1);
          case Expr.Sequence sequence -> {
            Span all = new Span(0, 0);
            for (Expr part : sequence.parts()) {
              all = all.then(span(part));
            }
            yield all;
          }
          case Expr.Choice choice -> {
            Span any = Span.NONE;
            for (Expr alternative : choice.alternatives()) {
              any = any.or(span(alternative));
            }
            yield any;
          }
          case Expr.Repeat repeat -> span(repeat.body()).times(repeat.min(), repeat.max());
          case Expr.Bytes _, Expr.Ref _ -> throw new IllegalArgumentException("not of a pattern");
        };
    spans.put(expr, span);
    return span;
  }

  /// The texts between two lengths as a pattern without any other count; empty where that takes a count.
  Optional<Expr> between(Expr expr, int min, int max) {
    if (!span(expr).isWithin(min, max) && spans.size() > MAX_PARTS) {
      return Optional.empty();
    }
    try {
      parts = 0;
      return Optional.of(cut(expr, min, max));
    } catch (Inexact e) {
      return Optional.empty();
    }
  }

  private Expr cut(Expr expr, int min, int max) {
    if (++parts > MAX_PARTS) {
      throw new Inexact();
    }
    Span span = span(expr);
    if (span.isEmpty() || span.shortest() > max || span.longest() < min) {
      return Expr.NOTHING;
    }
    if (span.isWithin(min, max)) {
      return expr;
    }
    return switch (expr) {
      case Expr.Choice choice -> {
        List<Expr> all = new ArrayList<>();
        for (Expr alternative : choice.alternatives()) {
          all.add(cut(alternative, min, max));
        }
        yield Expr.choice(all);
      }
      case Expr.Repeat repeat -> cutRepeat(repeat, min, max);
      case Expr.Sequence sequence -> cutSequence(sequence.parts(), min, max);
      case Expr.Chars _, Expr.Bytes _, Expr.Ref _ -> throw new Inexact();
    };
  }

  /// A repetition of texts of one length.
  private Expr cutRepeat(Expr.Repeat repeat, int min, int max) {
    Span body = span(repeat.body());
    if (repeat.min() == 0 && repeat.max() == 1) {
      Expr there = cut(repeat.body(), min, max);
      return min <= 0 ? Expr.optional(there) : there;
    }
    if (!body.isFixed() || body.longest() == 0) {
      throw new Inexact();
    }
    int each = body.longest();
    int least = Math.max(repeat.min(), min <= 0 ? 0 : (min - 1) / each + 1);
    int most = max == UNBOUNDED ? repeat.max() : Math.min(repeat.max(), max / each);
    return least > most ? Expr.NOTHING : new Expr.Repeat(repeat.body(), least, most);
  }

  /// A sequence of which all parts but one have few lengths: a form for each of those.
  private Expr cutSequence(List<Expr> all, int min, int max) {
    int loop = 0;
    for (int i = 1; i < all.size(); i++) {
      loop = width(all.get(i)) > width(all.get(loop)) ? i : loop;
    }
    int split = 1;
    for (int i = 0; i < all.size(); i++) {
      split = i == loop ? split : split * (Math.min(width(all.get(i)), MAX_FORMS) + 1);
      if (split > MAX_FORMS) {
        throw new Inexact();
      }
    }
    Map<Integer, Expr> before = forms(all.subList(0, loop));
    Map<Integer, Expr> behind = forms(all.subList(loop + 1, all.size()));
    List<Expr> out = new ArrayList<>();
    for (Map.Entry<Integer, Expr> a : before.entrySet()) {
      for (Map.Entry<Integer, Expr> b : behind.entrySet()) {
        int taken = plus(a.getKey(), b.getKey());
        int rest = max == UNBOUNDED ? max : max - taken;
        Expr middle = cut(all.get(loop), Math.max(0, min - taken), rest);
        out.add(Expr.sequence(a.getValue(), middle, b.getValue()));
      }
    }
    return Expr.choice(out);
  }

  private int width(Expr expr) {
    Span span = span(expr);
    return span.longest() - span.shortest();
  }

  /// The texts of parts in a row, by length.
  private Map<Integer, Expr> forms(List<Expr> row) {
    Map<Integer, Expr> all = new HashMap<>(Map.of(0, Expr.EMPTY));
    for (Expr part : row) {
      Span span = span(part);
      Map<Integer, Expr> more = new HashMap<>();
      for (int length = span.shortest(); length <= span.longest(); length++) {
        Expr here = cut(part, length, length);
        for (Map.Entry<Integer, Expr> before : all.entrySet()) {
          Expr both = Expr.sequence(before.getValue(), here);
          more.merge(plus(before.getKey(), length), both, (x, y) -> Expr.choice(x, y));
        }
      }
      all = more;
    }
    return all;
  }

  private static int plus(int a, int b) {
    return (int) Math.min(UNBOUNDED, (long) a + b);
  }

  private static int times(int length, int count) {
    return length == 0 ? 0 : (int) Math.min(UNBOUNDED, (long) length * count);
  }
}

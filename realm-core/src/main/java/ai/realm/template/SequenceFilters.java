package ai.realm.template;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Jinja's filters on sequences and mappings.
final class SequenceFilters {
  static final Set<String> NAMES =
      Set.of(
          "batch",
          "dictsort",
          "first",
          "groupby",
          "items",
          "join",
          "last",
          "list",
          "map",
          "max",
          "min",
          "reject",
          "rejectattr",
          "reverse",
          "select",
          "selectattr",
          "slice",
          "sort",
          "sum",
          "unique");

  private final Interpreter interpreter;
  private final Limits limits;

  SequenceFilters(Interpreter interpreter) {
    this.interpreter = interpreter;
    this.limits = interpreter.limits;
  }

  @Nullable Object apply(String name, @Nullable Object v, Arguments a) {
    return switch (name) {
      case "list" -> Values.items(v, limits);
      case "first" -> {
        List<@Nullable Object> items = Values.items(v, limits);
        yield items.isEmpty() ? new Undefined("first item of an empty sequence") : items.getFirst();
      }
      case "last" -> {
        List<@Nullable Object> items = Values.items(v, limits);
        yield items.isEmpty() ? new Undefined("last item of an empty sequence") : items.getLast();
      }
      case "join" -> join(v, a);
      case "items" -> items(v);
      case "reverse" -> reverse(v);
      case "sort" -> sort(v, a);
      case "dictsort" -> dictSort(v, a);
      case "unique" -> unique(v, a);
      case "min", "max" -> extreme(v, a, name.equals("max"));
      case "sum" -> sum(v, a);
      case "map" -> map(v, a);
      case "select" -> select(v, a, null, true);
      case "reject" -> select(v, a, null, false);
      case "selectattr" -> select(v, a, a.require(0, "attribute"), true);
      case "rejectattr" -> select(v, a, a.require(0, "attribute"), false);
      case "groupby" -> groupBy(v, a);
      case "batch" -> batch(v, a);
      default -> slices(v, a);
    };
  }

  private Object join(@Nullable Object v, Arguments a) {
    Object attribute = a.get(1, "attribute", null);
    List<@Nullable Object> texts = new ArrayList<>();
    for (Object item : Values.items(v, limits)) {
      texts.add(Values.string(attribute == null ? item : lookUp(item, attribute), limits));
    }
    return Methods.join(Values.string(a.get(0, "d", ""), limits), texts, limits);
  }

  private static Object items(@Nullable Object v) {
    if (v instanceof Undefined) {
      return new ArrayList<@Nullable Object>();
    }
    if (!(v instanceof Map<?, ?> m)) {
      throw TemplateException.value("Can only get item pairs from a mapping.");
    }
    List<@Nullable Object> pairs = new ArrayList<>();
    m.forEach((k, value) -> pairs.add(Methods.pair(k, value)));
    return pairs;
  }

  private Object reverse(@Nullable Object v) {
    if (v instanceof String s) {
      return new StringBuilder(s).reverse().toString();
    }
    return Values.items(v, limits).reversed();
  }

  /// `a.b.0` of an item: attributes and indexes along a path.
  private @Nullable Object lookUp(@Nullable Object item, Object path) {
    if (!(path instanceof String s)) {
      return interpreter.item(item, path);
    }
    Object value = item;
    for (String part : s.split("\\.", -1)) {
      boolean number = !part.isEmpty() && part.chars().allMatch(Character::isDigit);
      value = interpreter.item(value, number ? (Object) Long.parseLong(part) : part);
    }
    return value;
  }

  private @Nullable Object key(@Nullable Object item, @Nullable Object attribute, boolean fold) {
    Object key = attribute == null ? item : lookUp(item, attribute);
    return fold && key instanceof String s ? s.toLowerCase(Locale.ROOT) : key;
  }

  private Object sort(@Nullable Object v, Arguments a) {
    boolean reverse = a.flag(0, "reverse", false);
    boolean fold = !a.flag(1, "case_sensitive", false);
    Object attribute = a.get(2, "attribute", null);
    List<@Nullable Object> items = Values.items(v, limits);
    Comparator<@Nullable Object> order =
        (x, y) -> {
          limits.step();
          return Values.order(key(x, attribute, fold), key(y, attribute, fold));
        };
    items.sort(reverse ? order.reversed() : order);
    return items;
  }

  private Object dictSort(@Nullable Object v, Arguments a) {
    boolean fold = !a.flag(0, "case_sensitive", false);
    long by = a.string(1, "by", "key").equals("value") ? 1 : 0;
    boolean reverse = a.flag(2, "reverse", false);
    List<@Nullable Object> pairs = Values.items(items(v), limits);
    Comparator<@Nullable Object> order = (x, y) -> Values.order(key(x, by, fold), key(y, by, fold));
    pairs.sort(reverse ? order.reversed() : order);
    return pairs;
  }

  private Object unique(@Nullable Object v, Arguments a) {
    boolean fold = !a.flag(0, "case_sensitive", false);
    Object attribute = a.get(1, "attribute", null);
    List<@Nullable Object> seen = new ArrayList<>();
    List<@Nullable Object> kept = new ArrayList<>();
    for (Object item : Values.items(v, limits)) {
      Object key = key(item, attribute, fold);
      boolean known = false;
      for (Object other : seen) {
        limits.step();
        known |= Values.equal(other, key);
      }
      if (!known) {
        seen.add(key);
        kept.add(item);
      }
    }
    return new Values.Generator(kept);
  }

  private @Nullable Object extreme(@Nullable Object v, Arguments a, boolean max) {
    boolean fold = !a.flag(0, "case_sensitive", false);
    Object attribute = a.get(1, "attribute", null);
    List<@Nullable Object> items = Values.items(v, limits);
    if (items.isEmpty()) {
      return new Undefined("No aggregated item, sequence was empty.");
    }
    Object best = items.getFirst();
    for (Object item : items) {
      int order = Values.order(key(item, attribute, fold), key(best, attribute, fold));
      if (max ? order > 0 : order < 0) {
        best = item;
      }
    }
    return best;
  }

  private @Nullable Object sum(@Nullable Object v, Arguments a) {
    Object attribute = a.get(0, "attribute", null);
    Object total = a.get(1, "start", 0L);
    for (Object item : Values.items(v, limits)) {
      total = Values.binary("+", total, attribute == null ? item : lookUp(item, attribute), limits);
    }
    return total;
  }

  /// Jinja's `map` and `select` filters take anything false, None too, for an empty sequence.
  private List<@Nullable Object> itemsOfTrue(@Nullable Object v) {
    return Values.truth(v) ? Values.items(v, limits) : new ArrayList<>();
  }

  private Object map(@Nullable Object v, Arguments a) {
    List<@Nullable Object> mapped = new ArrayList<>();
    Object attribute = a.named().get("attribute");
    for (Object item : itemsOfTrue(v)) {
      if (attribute != null) {
        Object value = lookUp(item, attribute);
        mapped.add(
            value instanceof Undefined && a.named().containsKey("default")
                ? a.named().get("default")
                : value);
      } else {
        List<@Nullable Object> rest = a.positional().subList(1, a.positional().size());
        mapped.add(interpreter.filter(a.string(0, "filter"), item, rest, a.named()));
      }
    }
    return new Values.Generator(mapped);
  }

  private Object select(
      @Nullable Object v, Arguments a, @Nullable Object attribute, boolean wanted) {
    int at = attribute == null ? 0 : 1;
    List<@Nullable Object> kept = new ArrayList<>();
    for (Object item : itemsOfTrue(v)) {
      Object value = attribute == null ? item : lookUp(item, attribute);
      boolean holds =
          a.positional().size() > at
              ? interpreter.test(
                  a.string(at, "test"),
                  value,
                  a.positional().subList(at + 1, a.positional().size()))
              : Values.truth(value);
      if (holds == wanted) {
        kept.add(item);
      }
    }
    return new Values.Generator(kept);
  }

  private Object groupBy(@Nullable Object v, Arguments a) {
    Object attribute = a.require(0, "attribute");
    boolean fold = !a.flag(2, "case_sensitive", false);
    List<@Nullable Object> items = Values.items(v, limits);
    items.sort((x, y) -> Values.order(key(x, attribute, fold), key(y, attribute, fold)));
    List<@Nullable Object> groups = new ArrayList<>();
    List<@Nullable Object> group = new ArrayList<>();
    for (int i = 0; i < items.size(); i++) {
      group.add(items.get(i));
      Object key = key(items.get(i), attribute, fold);
      if (i + 1 == items.size() || !Values.equal(key, key(items.get(i + 1), attribute, fold))) {
        groups.add(new Values.Group(Methods.pair(key(group.getFirst(), attribute, false), group)));
        group = new ArrayList<>();
      }
    }
    return groups;
  }

  private Object batch(@Nullable Object v, Arguments a) {
    long size = a.integer(0, "linecount", 1);
    if (size < 1) {
      throw TemplateException.value("batch: expected a size of at least 1");
    }
    List<@Nullable Object> items = Values.items(v, limits);
    List<@Nullable Object> batches = new ArrayList<>();
    for (int from = 0; from < items.size(); from += (int) Math.min(size, items.size())) {
      List<@Nullable Object> batch =
          new ArrayList<>(items.subList(from, (int) Math.min(from + size, items.size())));
      while (a.get(1, "fill_with", null) != null && batch.size() < size) {
        limits.size(batch.size());
        batch.add(a.get(1, "fill_with", null));
      }
      batches.add(batch);
    }
    return new Values.Generator(batches);
  }

  private Object slices(@Nullable Object v, Arguments a) {
    int count = (int) Math.clamp(a.integer(0, "slices", 1), 1, 10_000);
    List<@Nullable Object> items = Values.items(v, limits);
    List<@Nullable Object> slices = new ArrayList<>();
    int each = items.size() / count;
    int longer = items.size() % count;
    int from = 0;
    for (int i = 0; i < count; i++) {
      int to = from + each + (i < longer ? 1 : 0);
      List<@Nullable Object> slice = new ArrayList<>(items.subList(from, to));
      if (i >= longer && longer > 0 && a.get(1, "fill_with", null) != null) {
        slice.add(a.get(1, "fill_with", null));
      }
      slices.add(slice);
      from = to;
    }
    return new Values.Generator(slices);
  }
}

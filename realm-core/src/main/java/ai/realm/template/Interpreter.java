package ai.realm.template;

import ai.realm.template.Node.Expression;
import ai.realm.template.Node.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Renders a syntax tree: one walk, within [Limits].
final class Interpreter {
  /// How a statement ended.
  private enum Flow {
    NORMAL,
    BREAK,
    CONTINUE
  }

  final Limits limits = new Limits();
  private final Filters filters = new Filters(this);
  private final Tests tests = new Tests(this);
  private final Methods methods = new Methods(limits);
  private StringBuilder out = new StringBuilder();
  private int calls;

  /// Renders a template whose free names `globals` defines.
  String render(List<Statement> template, Scope globals) {
    run(template, new Scope(globals));
    return out.toString();
  }

  // ---- statements
  // ---------------------------------------------------------------------------------

  private Flow run(List<Statement> statements, Scope scope) {
    for (int i = 0; i < statements.size(); i++) {
      Flow flow = run(statements.get(i), scope);
      if (flow != Flow.NORMAL) {
        return flow;
      }
    }
    return Flow.NORMAL;
  }

  private Flow run(Statement statement, Scope scope) {
    limits.step();
    switch (statement) {
      case Node.Text t -> print(t.text());
      case Node.Output o -> print(Values.string(eval(o.value(), scope), limits));
      case Node.If i -> {
        return run(Values.truth(eval(i.test(), scope)) ? i.then() : i.otherwise(), scope);
      }
      case Node.For f -> new Loop(f, scope, null, 0).run(eval(f.items(), scope));
      case Node.Set s -> assign(s.target(), eval(s.value(), scope), scope);
      case Node.SetBlock s -> {
        String text = capture(s.body(), new Scope(scope));
        Object value = s.filter() == null ? text : filterText(s.filter(), text, scope);
        assign(s.target(), value, scope);
      }
      case Node.With w -> {
        Scope inner = new Scope(scope);
        for (int i = 0; i < w.targets().size(); i++) {
          assign(w.targets().get(i), eval(w.values().get(i), scope), inner);
        }
        return run(w.body(), inner);
      }
      case Node.Macro m -> scope.set(m.name(), macro(m, scope));
      case Node.CallBlock c -> {
        Call call = prepare(c.call(), scope);
        call.named().put("caller", macro(c.caller(), scope));
        print(Values.string(call.run(), limits));
      }
      case Node.FilterBlock f ->
          print(
              Values.string(
                  filterText(f.filter(), capture(f.body(), new Scope(scope)), scope), limits));
      case Node.Body b -> {
        return run(b.body(), new Scope(scope));
      }
      case Node.Break b -> {
        return Flow.BREAK;
      }
      case Node.Continue c -> {
        return Flow.CONTINUE;
      }
    }
    return Flow.NORMAL;
  }

  private void print(String text) {
    limits.size((long) out.length() + text.length());
    out.append(text);
  }

  private String capture(List<Statement> body, Scope scope) {
    StringBuilder outer = out;
    out = new StringBuilder();
    try {
      run(body, scope);
      return out.toString();
    } finally {
      out = outer;
    }
  }

  private @Nullable Object filterText(Expression filter, String text, Scope scope) {
    Node.Filter f = (Node.Filter) filter;
    Object input = f.value() == null ? text : filterText(f.value(), text, scope);
    return filters.apply(f.name(), input, evalAll(f.arguments(), scope), evalNamed(f, scope));
  }

  private void assign(Expression target, @Nullable Object value, Scope scope) {
    switch (target) {
      case Node.Name n -> scope.set(n.name(), value);
      case Node.Attribute a -> {
        if (eval(a.object(), scope) instanceof Values.Namespace n) {
          n.attributes().put(a.name(), value);
        } else {
          throw TemplateException.value("cannot assign attribute on non-namespace object");
        }
      }
      case Node.Sequence s -> {
        List<@Nullable Object> items = Values.items(value, limits);
        if (items.size() != s.items().size()) {
          throw TemplateException.value(
              "expected %d values to unpack, found %d".formatted(s.items().size(), items.size()));
        }
        for (int i = 0; i < items.size(); i++) {
          assign(s.items().get(i), items.get(i), scope);
        }
      }
      default -> throw TemplateException.value("cannot assign to this expression");
    }
  }

  private Callable macro(Node.Macro m, Scope definition) {
    return (arguments, named) -> {
      limits.depth(++calls);
      Scope scope = new Scope(definition);
      int parameters = m.parameters().size();
      Map<String, @Nullable Object> rest = new LinkedHashMap<>(named);
      for (int i = 0; i < parameters; i++) {
        String name = m.parameters().get(i);
        int fallback = i - (parameters - m.defaults().size());
        if (i < arguments.size()) {
          scope.set(name, arguments.get(i));
        } else if (rest.containsKey(name)) {
          scope.set(name, rest.get(name));
        } else {
          scope.set(
              name, fallback >= 0 ? eval(m.defaults().get(fallback), scope) : new Undefined(name));
        }
        rest.remove(name);
      }
      scope.set(
          "caller", rest.containsKey("caller") ? rest.remove("caller") : new Undefined("caller"));
      scope.set(
          "varargs",
          new Values.Tuple(
              arguments.subList(Math.min(parameters, arguments.size()), arguments.size())));
      scope.set("kwargs", rest);
      String text = capture(m.body(), scope);
      calls--;
      return text;
    };
  }

  /// One `for`: its `loop` object and, when recursive, the function that runs it again one level down.
  private final class Loop implements Callable {
    private final Node.For statement;
    private final Scope scope;
    private final int depth;
    private List<@Nullable Object> items = List.of();
    private int index;
    private @Nullable Object lastChanged;
    private boolean hasChanged;

    Loop(Node.For statement, Scope scope, @Nullable Loop outer, int depth) {
      this.statement = statement;
      this.scope = scope;
      this.depth = depth;
      limits.depth(depth);
    }

    void run(@Nullable Object iterable) {
      items = filtered(Values.items(iterable, limits));
      if (items.isEmpty()) {
        Interpreter.this.run(statement.otherwise(), new Scope(scope));
        return;
      }
      for (index = 0; index < items.size(); index++) {
        limits.step();
        Scope inner = new Scope(scope);
        inner.set("loop", this);
        assign(statement.target(), items.get(index), inner);
        if (Interpreter.this.run(statement.body(), inner) == Flow.BREAK) {
          return;
        }
      }
    }

    private List<@Nullable Object> filtered(List<@Nullable Object> all) {
      Expression filter = statement.filter();
      if (filter == null) {
        return all;
      }
      List<@Nullable Object> kept = new ArrayList<>();
      for (Object item : all) {
        Scope inner = new Scope(scope);
        assign(statement.target(), item, inner);
        if (Values.truth(eval(filter, inner))) {
          kept.add(item);
        }
      }
      return kept;
    }

    @Override
    public Object call(List<@Nullable Object> arguments, Map<String, @Nullable Object> named) {
      if (!statement.recursive() || arguments.size() != 1) {
        throw TemplateException.value("expected a recursive loop called with one iterable");
      }
      limits.depth(++calls);
      StringBuilder outer = out;
      out = new StringBuilder();
      try {
        new Loop(statement, scope, this, depth + 1).run(arguments.getFirst());
        return out.toString();
      } finally {
        out = outer;
        calls--;
      }
    }

    @Nullable Object attribute(String name) {
      int n = items.size();
      return switch (name) {
        case "index" -> index + 1L;
        case "index0" -> (long) index;
        case "revindex" -> (long) (n - index);
        case "revindex0" -> (long) (n - index - 1);
        case "first" -> index == 0;
        case "last" -> index == n - 1;
        case "length" -> (long) n;
        case "depth" -> depth + 1L;
        case "depth0" -> (long) depth;
        case "previtem" -> index > 0 ? items.get(index - 1) : new Undefined("loop.previtem");
        case "nextitem" -> index + 1 < n ? items.get(index + 1) : new Undefined("loop.nextitem");
        case "cycle" ->
            (Callable) (arguments, named) -> arguments.get(index % Math.max(1, arguments.size()));
        case "changed" ->
            (Callable)
                (arguments, named) -> {
                  boolean changed = !hasChanged || !Values.equal(lastChanged, arguments);
                  hasChanged = true;
                  lastChanged = arguments;
                  return changed;
                };
        default -> new Undefined("loop." + name);
      };
    }
  }

  // ---- expressions
  // --------------------------------------------------------------------------------

  @Nullable Object eval(Expression expression, Scope scope) {
    limits.step();
    return switch (expression) {
      case Node.Literal l -> l.value();
      case Node.Name n -> scope.get(n.name());
      case Node.Sequence s -> {
        List<@Nullable Object> items = evalAll(s.items(), scope);
        yield s.tuple() ? new Values.Tuple(items) : items;
      }
      case Node.Dict d -> {
        Map<@Nullable Object, @Nullable Object> map = new LinkedHashMap<>();
        for (int i = 0; i < d.keys().size(); i++) {
          map.put(eval(d.keys().get(i), scope), eval(d.values().get(i), scope));
        }
        yield map;
      }
      case Node.Attribute a -> attribute(eval(a.object(), scope), a.name());
      case Node.Item i -> item(eval(i.object(), scope), eval(i.index(), scope));
      case Node.Slice s ->
          Values.slice(
              Values.plain(eval(s.object(), scope)),
              evalOptional(s.start(), scope),
              evalOptional(s.stop(), scope),
              evalOptional(s.step(), scope),
              limits);
      case Node.Call c -> prepare(c, scope).run();
      case Node.Filter f -> evalFilter(f, scope);
      case Node.Test t -> evalTest(t, scope);
      case Node.Unary u -> unary(u, scope);
      case Node.Binary b -> binary(b, scope);
      case Node.Comparison c -> compare(c, scope);
      case Node.Conditional c ->
          Values.truth(eval(c.test(), scope))
              ? eval(c.then(), scope)
              : c.otherwise() == null
                  ? new Undefined("the inline if-expression")
                  : eval(c.otherwise(), scope);
    };
  }

  private @Nullable Object evalOptional(@Nullable Expression e, Scope scope) {
    return e == null ? null : eval(e, scope);
  }

  private List<@Nullable Object> evalAll(List<Expression> expressions, Scope scope) {
    List<@Nullable Object> values = new ArrayList<>(expressions.size());
    for (Expression e : expressions) {
      values.add(eval(e, scope));
    }
    return values;
  }

  private Map<String, @Nullable Object> evalNamed(Node.Filter f, Scope scope) {
    return evalNamed(f.named(), scope);
  }

  private Map<String, @Nullable Object> evalNamed(Map<String, Expression> named, Scope scope) {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    for (Map.Entry<String, Expression> e : named.entrySet()) {
      values.put(e.getKey(), eval(e.getValue(), scope));
    }
    return values;
  }

  private @Nullable Object evalFilter(Node.Filter f, Scope scope) {
    Expression input = f.value();
    if (input == null) {
      throw TemplateException.value("filter " + f.name() + " has no input");
    }
    return filters.apply(
        f.name(), eval(input, scope), evalAll(f.arguments(), scope), evalNamed(f, scope));
  }

  private boolean evalTest(Node.Test t, Scope scope) {
    return tests.holds(t.name(), eval(t.value(), scope), evalAll(t.arguments(), scope));
  }

  private @Nullable Object unary(Node.Unary u, Scope scope) {
    Object v = eval(u.value(), scope);
    if (u.operator().equals("not")) {
      return !Values.truth(v);
    }
    if (v instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (!Numbers.isNumber(v)) {
      throw TemplateException.value("bad operand type for unary " + u.operator());
    }
    if (u.operator().equals("+")) {
      return v;
    }
    return v instanceof Double d ? (Object) (-d) : (Object) Math.negateExact(Numbers.integer(v));
  }

  private @Nullable Object binary(Node.Binary b, Scope scope) {
    Object left = eval(b.left(), scope);
    return switch (b.operator()) {
      case "and" -> Values.truth(left) ? eval(b.right(), scope) : left;
      case "or" -> Values.truth(left) ? left : eval(b.right(), scope);
      case "~" -> Values.concatenate(left, eval(b.right(), scope), limits);
      default -> Values.binary(b.operator(), left, eval(b.right(), scope), limits);
    };
  }

  private boolean compare(Node.Comparison c, Scope scope) {
    Object left = eval(c.first(), scope);
    for (int i = 0; i < c.operators().size(); i++) {
      Object right = eval(c.rest().get(i), scope);
      boolean holds =
          switch (c.operators().get(i)) {
            case "==" -> Values.equal(left, right);
            case "!=" -> !Values.equal(left, right);
            case "<" -> Values.order(left, right) < 0;
            case "<=" -> Values.order(left, right) <= 0;
            case ">" -> Values.order(left, right) > 0;
            case ">=" -> Values.order(left, right) >= 0;
            case "in" -> Values.contains(right, left);
            default -> !Values.contains(right, left);
          };
      if (!holds) {
        return false;
      }
      left = right;
    }
    return true;
  }

  /// `object.name`: a method of the value's type, else an entry.
  @Nullable Object attribute(@Nullable Object value, String name) {
    Object object = Values.plain(value);
    if (object instanceof Undefined u) {
      throw u.error();
    }
    if (object instanceof Loop loop) {
      return loop.attribute(name);
    }
    if (object instanceof Values.Namespace n) {
      return n.attributes().containsKey(name) ? n.attributes().get(name) : new Undefined(name);
    }
    if (object instanceof Values.Group group && (name.equals("grouper") || name.equals("list"))) {
      return group.attribute(name);
    }
    Callable method = methods.find(object, name);
    if (method != null) {
      return method;
    }
    if (object instanceof Map<?, ?> map && map.containsKey(name)) {
      return map.get(name);
    }
    return new Undefined(Values.typeName(object) + " object has no attribute '" + name);
  }

  /// `object[index]`: an entry, else a method.
  @Nullable Object item(@Nullable Object value, @Nullable Object key) {
    Object object = Values.plain(value);
    Object index = Values.plain(key);
    return switch (object) {
      case Undefined u -> throw u.error();
      case Map<?, ?> map -> {
        if (map.containsKey(index)) {
          yield map.get(index);
        }
        Callable method = index instanceof String name ? methods.find(object, name) : null;
        yield method != null ? method : new Undefined(String.valueOf(index));
      }
      case List<?> l when Numbers.isInteger(index) && !(l instanceof Values.Generator) -> {
        long i = Numbers.integer(index);
        long at = i < 0 ? i + l.size() : i;
        yield at >= 0 && at < l.size() ? l.get((int) at) : new Undefined("item " + i);
      }
      case String s when Numbers.isInteger(index) -> {
        long n = s.codePointCount(0, s.length());
        long i = Numbers.integer(index);
        long at = i < 0 ? i + n : i;
        yield at >= 0 && at < n
            ? Character.toString(s.codePointAt(s.offsetByCodePoints(0, (int) at)))
            : new Undefined("item " + i);
      }
      case null, default ->
          index instanceof String name ? attribute(object, name) : new Undefined("item");
    };
  }

  // ---- calls
  // --------------------------------------------------------------------------------------

  private record Call(
      Callable callee, List<@Nullable Object> arguments, Map<String, @Nullable Object> named) {
    @Nullable Object run() {
      return callee.call(arguments, named);
    }
  }

  private Call prepare(Node.Call c, Scope scope) {
    Object callee = eval(c.callee(), scope);
    if (callee instanceof Undefined u) {
      throw u.error();
    }
    if (!(callee instanceof Callable callable)) {
      throw TemplateException.value(Values.typeName(callee) + " object is not callable");
    }
    return new Call(callable, evalAll(c.arguments(), scope), evalNamed(c.named(), scope));
  }

  /// Whether a test holds, for filters such as `select`.
  boolean test(String name, @Nullable Object value, List<@Nullable Object> arguments) {
    return tests.holds(name, value, arguments);
  }

  /// Applies a filter by name, for `map`.
  @Nullable Object filter(
      String name,
      @Nullable Object value,
      List<@Nullable Object> arguments,
      Map<String, @Nullable Object> named) {
    return filters.apply(name, value, arguments, named);
  }

  /// Whether a filter of that name exists.
  boolean hasFilter(String name) {
    return filters.has(name);
  }

  /// Whether a test of that name exists.
  boolean hasTest(String name) {
    return tests.has(name);
  }
}

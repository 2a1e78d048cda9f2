package ai.realm.template;

import ai.realm.template.Node.Expression;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Parses expressions by recursive descent, from the loosest binding to the tightest: condition, or,
/// and, not, comparison, + −, ~, * / // %, **, sign, postfix, filter and test.
final class ExpressionParser {
  /// Deeper expressions and blocks are refused, so that no template exhausts a thread's stack.
  static final int MAX_DEPTH = 80;

  private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");

  private final List<Token> tokens;
  private int at;
  private int depth;

  ExpressionParser(List<Token> tokens) {
    this.tokens = tokens;
  }

  // ---- tokens
  // -------------------------------------------------------------------------------------

  Token peek() {
    return tokens.get(at);
  }

  Token peek(int ahead) {
    return tokens.get(Math.min(at + ahead, tokens.size() - 1));
  }

  Token next() {
    Token t = tokens.get(at);
    if (at < tokens.size() - 1) {
      at++;
    }
    return t;
  }

  int position() {
    return at;
  }

  void reset(int position) {
    at = position;
  }

  Token expect(Token.Type type) {
    if (peek().type() != type) {
      throw unexpected(new Token(type, "…", 0).toString());
    }
    return next();
  }

  void expectOperator(String operator) {
    if (!acceptOperator(operator)) {
      throw unexpected("'" + operator + "'");
    }
  }

  void expectName(String name) {
    if (!acceptName(name)) {
      throw unexpected("'" + name + "'");
    }
  }

  boolean acceptOperator(String operator) {
    if (peek().isOperator(operator)) {
      next();
      return true;
    }
    return false;
  }

  boolean acceptName(String name) {
    if (peek().isName(name)) {
      next();
      return true;
    }
    return false;
  }

  TemplateException unexpected(String expected) {
    return TemplateException.invalid(peek().line(), "expected " + expected + ", found " + peek());
  }

  // ---- expressions
  // --------------------------------------------------------------------------------

  Expression expression() {
    return condition(true);
  }

  /// Expressions separated by commas are a tuple.
  Expression tuple() {
    return tuple(true, true);
  }

  /// What a `for` iterates over: its `if` is the loop's filter, not a condition.
  Expression tupleWithoutCondition() {
    return tuple(false, true);
  }

  private Expression tuple(boolean withCondition, boolean required) {
    List<Expression> items = new ArrayList<>();
    boolean comma = false;
    while (!endsTuple()) {
      items.add(condition(withCondition));
      comma = acceptOperator(",");
      if (!comma) {
        break;
      }
    }
    if (items.isEmpty() && required) {
      throw unexpected("an expression");
    }
    return items.size() == 1 && !comma ? items.getFirst() : new Node.Sequence(items, true);
  }

  private boolean endsTuple() {
    Token t = peek();
    return t.type() == Token.Type.VARIABLE_END
        || t.type() == Token.Type.BLOCK_END
        || t.isOperator(")")
        || t.isName("recursive");
  }

  /// The variables that a `for` binds.
  Expression target() {
    List<Expression> names = new ArrayList<>();
    boolean comma;
    do {
      if (acceptOperator("(")) {
        names.add(target());
        expectOperator(")");
      } else {
        names.add(new Node.Name(expect(Token.Type.NAME).text()));
      }
      comma = acceptOperator(",");
    } while (comma && !peek().isName("in") && !peek().isOperator(")"));
    return names.size() == 1 && !comma ? names.getFirst() : new Node.Sequence(names, true);
  }

  /// What `set` assigns to: names, or one attribute of a namespace.
  Expression assignmentTarget() {
    if (peek().type() == Token.Type.NAME && peek(1).isOperator(".")) {
      Expression object = new Node.Name(next().text());
      next();
      return new Node.Attribute(object, expect(Token.Type.NAME).text());
    }
    List<Expression> names = new ArrayList<>();
    boolean comma;
    do {
      names.add(new Node.Name(expect(Token.Type.NAME).text()));
      comma = peek().isOperator(",") && peek(1).type() == Token.Type.NAME && acceptOperator(",");
    } while (comma);
    return names.size() == 1 ? names.getFirst() : new Node.Sequence(names, true);
  }

  private Expression condition(boolean withCondition) {
    if (++depth > MAX_DEPTH) {
      throw TemplateException.limit("expected expressions nested at most " + MAX_DEPTH + " deep");
    }
    Expression value = or();
    while (withCondition && acceptName("if")) {
      Expression test = or();
      Expression otherwise = acceptName("else") ? condition(true) : null;
      value = new Node.Conditional(test, value, otherwise);
    }
    depth--;
    return value;
  }

  private Expression or() {
    Expression left = and();
    while (acceptName("or")) {
      left = new Node.Binary("or", left, and());
    }
    return left;
  }

  private Expression and() {
    Expression left = not();
    while (acceptName("and")) {
      left = new Node.Binary("and", left, not());
    }
    return left;
  }

  private Expression not() {
    int negations = 0;
    while (peek().isName("not") && !peek(1).isName("in")) {
      next();
      negations++;
    }
    Expression value = comparison();
    if (negations == 0) {
      return value;
    }
    Expression negated = new Node.Unary("not", value);
    return negations % 2 == 1 ? negated : new Node.Unary("not", negated);
  }

  private Expression comparison() {
    Expression first = sum();
    List<String> operators = new ArrayList<>();
    List<Expression> rest = new ArrayList<>();
    while (true) {
      if (peek().type() == Token.Type.OPERATOR && COMPARISONS.contains(peek().text())) {
        operators.add(next().text());
      } else if (acceptName("in")) {
        operators.add("in");
      } else if (peek().isName("not") && peek(1).isName("in")) {
        next();
        next();
        operators.add("not in");
      } else {
        break;
      }
      rest.add(sum());
    }
    return operators.isEmpty() ? first : new Node.Comparison(first, operators, rest);
  }

  private Expression sum() {
    Expression left = concatenation();
    while (peek().isOperator("+") || peek().isOperator("-")) {
      left = new Node.Binary(next().text(), left, concatenation());
    }
    return left;
  }

  private Expression concatenation() {
    Expression left = product();
    while (acceptOperator("~")) {
      left = new Node.Binary("~", left, product());
    }
    return left;
  }

  private Expression product() {
    Expression left = power();
    while (peek().isOperator("*")
        || peek().isOperator("/")
        || peek().isOperator("//")
        || peek().isOperator("%")) {
      left = new Node.Binary(next().text(), left, power());
    }
    return left;
  }

  private Expression power() {
    Expression left = unary(true);
    while (acceptOperator("**")) {
      left = new Node.Binary("**", left, unary(true));
    }
    return left;
  }

  private Expression unary(boolean withFilters) {
    if (peek().isOperator("-") || peek().isOperator("+")) {
      String sign = next().text();
      if (++depth > MAX_DEPTH) {
        throw TemplateException.limit("expected expressions nested at most " + MAX_DEPTH + " deep");
      }
      Expression value = new Node.Unary(sign, unary(false));
      depth--;
      return withFilters ? filters(postfix(value)) : postfix(value);
    }
    Expression value = postfix(primary());
    return withFilters ? filters(value) : value;
  }

  private Expression primary() {
    Token t = peek();
    switch (t.type()) {
      case NAME -> {
        next();
        return switch (t.text()) {
          case "true", "True" -> new Node.Literal(true);
          case "false", "False" -> new Node.Literal(false);
          case "none", "None" -> new Node.Literal(null);
          default -> new Node.Name(t.text());
        };
      }
      case STRING -> {
        StringBuilder text = new StringBuilder();
        while (peek().type() == Token.Type.STRING) {
          text.append(next().text());
        }
        return new Node.Literal(text.toString());
      }
      case INTEGER -> {
        next();
        BigInteger n = new BigInteger(t.text());
        return new Node.Literal(n.bitLength() < Long.SIZE ? (Object) n.longValue() : n);
      }
      case FLOAT -> {
        next();
        return new Node.Literal(Double.parseDouble(t.text()));
      }
      default -> {
        if (acceptOperator("(")) {
          Expression value =
              peek().isOperator(")") ? new Node.Sequence(List.of(), true) : tuple(true, true);
          expectOperator(")");
          return value;
        }
        if (acceptOperator("[")) {
          return list();
        }
        if (acceptOperator("{")) {
          return dict();
        }
        throw unexpected("an expression");
      }
    }
  }

  private Expression list() {
    List<Expression> items = new ArrayList<>();
    while (!peek().isOperator("]")) {
      if (!items.isEmpty()) {
        expectOperator(",");
        if (peek().isOperator("]")) {
          break;
        }
      }
      items.add(expression());
    }
    expectOperator("]");
    return new Node.Sequence(items, false);
  }

  private Expression dict() {
    List<Expression> keys = new ArrayList<>();
    List<Expression> values = new ArrayList<>();
    while (!peek().isOperator("}")) {
      if (!keys.isEmpty()) {
        expectOperator(",");
        if (peek().isOperator("}")) {
          break;
        }
      }
      keys.add(expression());
      expectOperator(":");
      values.add(expression());
    }
    expectOperator("}");
    return new Node.Dict(keys, values);
  }

  private Expression postfix(Expression start) {
    Expression value = start;
    while (true) {
      if (acceptOperator(".")) {
        Token t = next();
        if (t.type() == Token.Type.NAME) {
          value = new Node.Attribute(value, t.text());
        } else if (t.type() == Token.Type.INTEGER) {
          value = new Node.Item(value, new Node.Literal(Long.parseLong(t.text())));
        } else {
          throw TemplateException.invalid(t.line(), "expected an attribute's name, found " + t);
        }
      } else if (acceptOperator("[")) {
        value = subscript(value);
      } else if (peek().isOperator("(")) {
        value = call(value);
      } else {
        return value;
      }
    }
  }

  private Expression subscript(Expression object) {
    Expression start = null;
    if (!peek().isOperator(":")) {
      start = tuple(true, true);
      if (acceptOperator("]")) {
        return new Node.Item(object, start);
      }
    }
    expectOperator(":");
    Expression stop = null;
    Expression step = null;
    if (!peek().isOperator(":") && !peek().isOperator("]")) {
      stop = expression();
    }
    if (acceptOperator(":") && !peek().isOperator("]")) {
      step = expression();
    }
    expectOperator("]");
    return new Node.Slice(object, start, stop, step);
  }

  private Expression call(Expression callee) {
    List<Expression> arguments = new ArrayList<>();
    Map<String, Expression> named = new LinkedHashMap<>();
    arguments(arguments, named);
    return new Node.Call(callee, arguments, named);
  }

  private void arguments(List<Expression> arguments, Map<String, Expression> named) {
    expectOperator("(");
    boolean first = true;
    while (!peek().isOperator(")")) {
      if (!first) {
        expectOperator(",");
        if (peek().isOperator(")")) {
          break;
        }
      }
      first = false;
      if (peek().type() == Token.Type.NAME && peek(1).isOperator("=")) {
        String name = next().text();
        next();
        named.put(name, expression());
      } else if (!named.isEmpty()) {
        throw unexpected("a named argument, as the one before is named");
      } else {
        arguments.add(expression());
      }
    }
    expectOperator(")");
  }

  /// Filters, tests and calls behind a value. The value is null in `{% filter %}` and `{% set %}` blocks,
  /// where it is the block's text.
  Expression filters(@Nullable Expression start) {
    Expression value = start;
    while (true) {
      if (acceptOperator("|")) {
        value = filter(value);
      } else if (value != null && acceptName("is")) {
        value = test(value);
      } else if (value != null && peek().isOperator("(")) {
        value = call(value);
      } else if (value != null) {
        return value;
      } else {
        throw unexpected("a filter");
      }
    }
  }

  /// One filter's name and arguments.
  Expression filter(@Nullable Expression value) {
    StringBuilder name = new StringBuilder(expect(Token.Type.NAME).text());
    while (acceptOperator(".")) {
      name.append('.').append(expect(Token.Type.NAME).text());
    }
    List<Expression> arguments = new ArrayList<>();
    Map<String, Expression> named = new LinkedHashMap<>();
    if (peek().isOperator("(")) {
      arguments(arguments, named);
    }
    return new Node.Filter(value, name.toString(), arguments, named);
  }

  private Expression test(Expression value) {
    boolean negated = acceptName("not");
    Token name = next();
    if (name.type() != Token.Type.NAME) {
      throw TemplateException.invalid(name.line(), "expected a test's name, found " + name);
    }
    List<Expression> arguments = new ArrayList<>();
    if (peek().isOperator("(")) {
      arguments(arguments, new LinkedHashMap<>());
    } else if (beginsArgument()) {
      arguments.add(postfix(primary()));
    }
    Expression test = new Node.Test(value, name.text(), arguments);
    return negated ? new Node.Unary("not", test) : test;
  }

  private boolean beginsArgument() {
    Token t = peek();
    return switch (t.type()) {
      case STRING, INTEGER, FLOAT -> true;
      case NAME ->
          !t.isName("else")
              && !t.isName("or")
              && !t.isName("and")
              && !t.isName("is")
              && !t.isName("if")
              && !t.isName("in")
              && !t.isName("not")
              && !t.isName("recursive");
      case OPERATOR -> t.isOperator("[") || t.isOperator("{");
      default -> false;
    };
  }
}

package ai.realm.template;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The syntax tree of a template.
sealed interface Node {
  // ---- statements
  // ---------------------------------------------------------------------------------

  /// Something that is executed.
  sealed interface Statement extends Node {}

  record Text(String text) implements Statement {}

  record Output(Expression value) implements Statement {}

  record If(Expression test, List<Statement> then, List<Statement> otherwise)
      implements Statement {}

  /// `{% for target in items if filter recursive %}body{% else %}otherwise{% endfor %}`
  record For(
      Expression target,
      Expression items,
      @Nullable Expression filter,
      boolean recursive,
      List<Statement> body,
      List<Statement> otherwise)
      implements Statement {}

  record Set(Expression target, Expression value) implements Statement {}

  record SetBlock(Expression target, @Nullable Expression filter, List<Statement> body)
      implements Statement {}

  record With(List<Expression> targets, List<Expression> values, List<Statement> body)
      implements Statement {}

  record Macro(
      String name, List<String> parameters, List<Expression> defaults, List<Statement> body)
      implements Statement {}

  /// `{% call(parameters) call %}body{% endcall %}`
  record CallBlock(Call call, Macro caller) implements Statement {}

  record FilterBlock(Expression filter, List<Statement> body) implements Statement {}

  /// A block that renders its body: `generation`, `block`, `autoescape`.
  record Body(List<Statement> body) implements Statement {}

  record Break() implements Statement {}

  record Continue() implements Statement {}

  // ---- expressions
  // --------------------------------------------------------------------------------

  /// Something that has a value.
  sealed interface Expression extends Node {}

  record Literal(@Nullable Object value) implements Expression {}

  record Name(String name) implements Expression {}

  /// A list or, in parentheses, a tuple.
  record Sequence(List<Expression> items, boolean tuple) implements Expression {}

  record Dict(List<Expression> keys, List<Expression> values) implements Expression {}

  record Attribute(Expression object, String name) implements Expression {}

  record Item(Expression object, Expression index) implements Expression {}

  record Slice(
      Expression object,
      @Nullable Expression start,
      @Nullable Expression stop,
      @Nullable Expression step)
      implements Expression {}

  record Call(Expression callee, List<Expression> arguments, Map<String, Expression> named)
      implements Expression {}

  /// `value | name(arguments)`; the value is null in a filter block.
  record Filter(
      @Nullable Expression value,
      String name,
      List<Expression> arguments,
      Map<String, Expression> named)
      implements Expression {}

  /// `value is name(arguments)`
  record Test(Expression value, String name, List<Expression> arguments) implements Expression {}

  record Unary(String operator, Expression value) implements Expression {}

  record Binary(String operator, Expression left, Expression right) implements Expression {}

  /// `a < b < c`
  record Comparison(Expression first, List<String> operators, List<Expression> rest)
      implements Expression {}

  record Conditional(Expression test, Expression then, @Nullable Expression otherwise)
      implements Expression {}
}

package ai.realm.template;

import ai.realm.template.Node.Expression;
import ai.realm.template.Node.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/// Parses a template's statements; expressions are [ExpressionParser]'s. See the grammar in Jinja's
/// template designer documentation.
final class Parser {
  private static final Set<String> END_IF = Set.of("elif", "else", "endif");
  private static final Set<String> END_FOR = Set.of("else", "endfor");

  private final ExpressionParser tokens;
  private int depth;
  private int loops;

  private Parser(List<Token> tokens) {
    this.tokens = new ExpressionParser(tokens);
  }

  static List<Statement> parse(String source) {
    Parser parser = new Parser(Lexer.tokenize(source));
    List<Statement> body = parser.body(Set.of());
    if (parser.tokens.peek().type() != Token.Type.END) {
      throw parser.tokens.unexpected("the end");
    }
    return body;
  }

  /// Statements up to a tag named in `ends` (its opening delimiter and name consumed by the caller), or
  /// up to the end of the template where `ends` is empty.
  private List<Statement> body(Set<String> ends) {
    if (++depth > ExpressionParser.MAX_DEPTH) {
      throw TemplateException.limit(
          "expected blocks nested at most " + ExpressionParser.MAX_DEPTH + " deep");
    }
    List<Statement> statements = new ArrayList<>();
    while (true) {
      Token t = tokens.peek();
      switch (t.type()) {
        case END -> {
          if (!ends.isEmpty()) {
            throw tokens.unexpected(String.join(" or ", ends.stream().sorted().toList()));
          }
          depth--;
          return statements;
        }
        case TEXT -> statements.add(new Node.Text(tokens.next().text()));
        case VARIABLE_BEGIN -> {
          tokens.next();
          statements.add(new Node.Output(tokens.tuple()));
          tokens.expect(Token.Type.VARIABLE_END);
        }
        case BLOCK_BEGIN -> {
          if (ends.contains(tokens.peek(1).text()) && tokens.peek(1).type() == Token.Type.NAME) {
            depth--;
            return statements;
          }
          tokens.next();
          statements.add(statement());
        }
        default -> throw tokens.unexpected("a tag");
      }
    }
  }

  private Statement statement() {
    Token name = tokens.expect(Token.Type.NAME);
    return switch (name.text()) {
      case "if" -> ifStatement();
      case "for" -> forStatement();
      case "set" -> setStatement();
      case "macro" -> macro();
      case "call" -> call();
      case "filter" -> filterBlock();
      case "with" -> with();
      case "generation" -> {
        endTag();
        yield new Node.Body(bodyUntil("endgeneration"));
      }
      case "block" -> {
        tokens.expect(Token.Type.NAME);
        endTag();
        List<Statement> body = body(Set.of("endblock"));
        tokens.next();
        tokens.next();
        if (tokens.peek().type() == Token.Type.NAME) {
          tokens.next();
        }
        endTag();
        yield new Node.Body(body);
      }
      case "autoescape" -> {
        tokens.expression();
        endTag();
        yield new Node.Body(bodyUntil("endautoescape"));
      }
      case "break" -> {
        loopControl(name);
        yield new Node.Break();
      }
      case "continue" -> {
        loopControl(name);
        yield new Node.Continue();
      }
      default ->
          throw TemplateException.invalid(
              name.line(), "expected a known tag, found '" + name.text() + "'");
    };
  }

  private void loopControl(Token name) {
    if (loops == 0) {
      throw TemplateException.invalid(name.line(), "expected " + name.text() + " inside a loop");
    }
    endTag();
  }

  private void endTag() {
    tokens.expect(Token.Type.BLOCK_END);
  }

  private List<Statement> bodyUntil(String end) {
    List<Statement> body = body(Set.of(end));
    tokens.next();
    tokens.next();
    endTag();
    return body;
  }

  private Statement ifStatement() {
    Expression test = tokens.tuple();
    endTag();
    List<Statement> then = body(END_IF);
    tokens.next();
    String next = tokens.next().text();
    List<Statement> otherwise = List.of();
    if (next.equals("elif")) {
      otherwise = elif();
    } else if (next.equals("else")) {
      endTag();
      otherwise = bodyUntil("endif");
    } else {
      endTag();
    }
    return new Node.If(test, then, otherwise);
  }

  /// A chain of `elif`s, gathered in a loop so that its length costs no stack.
  private List<Statement> elif() {
    List<Expression> tests = new ArrayList<>();
    List<List<Statement>> bodies = new ArrayList<>();
    List<Statement> otherwise = List.of();
    String next = "elif";
    while (next.equals("elif")) {
      tests.add(tokens.tuple());
      endTag();
      bodies.add(body(END_IF));
      tokens.next();
      next = tokens.next().text();
    }
    endTag();
    if (next.equals("else")) {
      otherwise = bodyUntil("endif");
    }
    for (int i = tests.size() - 1; i >= 0; i--) {
      otherwise = List.of(new Node.If(tests.get(i), bodies.get(i), otherwise));
    }
    return otherwise;
  }

  private Statement forStatement() {
    Expression target = tokens.target();
    tokens.expectName("in");
    Expression items = tokens.tupleWithoutCondition();
    Expression filter = null;
    if (tokens.acceptName("if")) {
      filter = tokens.expression();
    }
    boolean recursive = tokens.acceptName("recursive");
    endTag();
    loops++;
    List<Statement> body = body(END_FOR);
    loops--;
    tokens.next();
    boolean hasElse = tokens.next().text().equals("else");
    endTag();
    List<Statement> otherwise = hasElse ? bodyUntil("endfor") : List.of();
    return new Node.For(target, items, filter, recursive, body, otherwise);
  }

  private Statement setStatement() {
    Expression target = tokens.assignmentTarget();
    if (tokens.acceptOperator("=")) {
      Expression value = tokens.tuple();
      endTag();
      return new Node.Set(target, value);
    }
    Expression filter = tokens.peek().isOperator("|") ? tokens.filters(null) : null;
    endTag();
    return new Node.SetBlock(target, filter, bodyUntil("endset"));
  }

  private Statement with() {
    List<Expression> targets = new ArrayList<>();
    List<Expression> values = new ArrayList<>();
    while (tokens.peek().type() != Token.Type.BLOCK_END) {
      if (!targets.isEmpty()) {
        tokens.expectOperator(",");
      }
      targets.add(tokens.assignmentTarget());
      tokens.expectOperator("=");
      values.add(tokens.expression());
    }
    endTag();
    return new Node.With(targets, values, bodyUntil("endwith"));
  }

  private Node.Macro macro() {
    String name = tokens.expect(Token.Type.NAME).text();
    return signature(name, "endmacro");
  }

  private Statement call() {
    Node.Macro parameters = null;
    int open = tokens.position();
    if (tokens.peek().isOperator("(")) {
      parameters = parameters("caller");
    }
    Expression call = tokens.expression();
    if (!(call instanceof Node.Call c)) {
      tokens.reset(open);
      throw tokens.unexpected("a call");
    }
    endTag();
    List<Statement> body = bodyUntil("endcall");
    Node.Macro caller =
        parameters == null
            ? new Node.Macro("caller", List.of(), List.of(), body)
            : new Node.Macro("caller", parameters.parameters(), parameters.defaults(), body);
    return new Node.CallBlock(c, caller);
  }

  private Node.Macro signature(String name, String end) {
    Node.Macro head = parameters(name);
    endTag();
    int outer = loops;
    loops = 0;
    List<Statement> body = bodyUntil(end);
    loops = outer;
    return new Node.Macro(name, head.parameters(), head.defaults(), body);
  }

  private Node.Macro parameters(String name) {
    List<String> parameters = new ArrayList<>();
    List<Expression> defaults = new ArrayList<>();
    tokens.expectOperator("(");
    while (!tokens.peek().isOperator(")")) {
      if (!parameters.isEmpty()) {
        tokens.expectOperator(",");
      }
      parameters.add(tokens.expect(Token.Type.NAME).text());
      if (tokens.acceptOperator("=")) {
        defaults.add(tokens.expression());
      } else if (!defaults.isEmpty()) {
        throw tokens.unexpected("a default value, as the parameter before has one");
      }
    }
    tokens.expectOperator(")");
    return new Node.Macro(name, parameters, defaults, List.of());
  }

  private Statement filterBlock() {
    Expression filter = tokens.filters(tokens.filter(null));
    endTag();
    return new Node.FilterBlock(filter, bodyUntil("endfilter"));
  }
}

package ai.realm.template;

/// A token of a template.
///
/// @param type what it is
/// @param text a name, an operator, the decoded value of a string, the digits of a number, or the text
///     between tags
/// @param line where it begins, from 1
record Token(Type type, String text, int line) {
  enum Type {
    TEXT,
    BLOCK_BEGIN,
    BLOCK_END,
    VARIABLE_BEGIN,
    VARIABLE_END,
    NAME,
    STRING,
    INTEGER,
    FLOAT,
    OPERATOR,
    END
  }

  boolean isOperator(String operator) {
    return type == Type.OPERATOR && text.equals(operator);
  }

  boolean isName(String name) {
    return type == Type.NAME && text.equals(name);
  }

  @Override
  public String toString() {
    return switch (type) {
      case TEXT -> "text";
      case BLOCK_BEGIN -> "{%";
      case BLOCK_END -> "%}";
      case VARIABLE_BEGIN -> "{{";
      case VARIABLE_END -> "}}";
      case END -> "the end";
      case STRING -> "string '" + text + "'";
      case NAME, INTEGER, FLOAT, OPERATOR -> "'" + text + "'";
    };
  }
}

package ai.realm.cli;

/// Text from model files as it may be shown on a terminal.
final class Printable {
  private Printable() {}

  /// The text on one line, control and formatting characters escaped, so that a file cannot move the
  /// cursor, colour the screen or reorder what is shown.
  static String of(String text) {
    StringBuilder shown = new StringBuilder(text.length() + 8);
    text.codePoints().forEach(c -> append(shown, c));
    return shown.toString();
  }

  /// The same, cut to `maxLength` characters with an ellipsis.
  static String of(String text, int maxLength) {
    // Escapes only lengthen: more source than this can never be shown.
    String head = text.length() > maxLength ? text.substring(0, maxLength) : text;
    String shown = of(head);
    return shown.length() <= maxLength && head.length() == text.length()
        ? shown
        : shown.substring(0, Math.min(shown.length(), maxLength - 1)) + "…";
  }

  private static void append(StringBuilder shown, int c) {
    switch (c) {
      case '\n' -> shown.append("\\n");
      case '\t' -> shown.append("\\t");
      case '\r' -> shown.append("\\r");
      default -> {
        if (isShown(c)) {
          shown.appendCodePoint(c);
        } else {
          shown.append("\\u{%x}".formatted(c));
        }
      }
    }
  }

  private static boolean isShown(int c) {
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          false;
      default -> true;
    };
  }
}

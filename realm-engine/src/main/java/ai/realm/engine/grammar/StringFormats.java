package ai.realm.engine.grammar;

/// Patterns of the string formats whose values can be told by their form. Dates are real ones except
/// that February has 28 days.
final class StringFormats {
  private static final String DATE =
      "\\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)"
          + "|02-(0[1-9]|1\\d|2[0-8]))";
  private static final String TIME =
      "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)";
  private static final String OCTET = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";

  private StringFormats() {}

  /// The pattern of a format, or an empty text for one that is only an annotation.
  static String pattern(String format) {
    return switch (format) {
      case "date" -> "^" + DATE + "$";
      case "time" -> "^" + TIME + "$";
      case "date-time" -> "^" + DATE + "T" + TIME + "$";
      case "uuid" -> "^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$";
      case "ipv4" -> "^(" + OCTET + "\\.){3}" + OCTET + "$";
      case "email" ->
          "^[a-zA-Z0-9_+-]{1,30}(\\.[a-zA-Z0-9_+-]{1,30}){0,3}@([a-z0-9]{1,20}\\.){1,3}[a-z]{2,10}$";
      default -> "";
    };
  }
}

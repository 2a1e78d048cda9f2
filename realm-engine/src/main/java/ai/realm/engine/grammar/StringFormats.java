package ai.realm.engine.grammar;

import java.util.Optional;

/// The formats of JSON Schema that are enforced, as patterns of texts without anything to escape. They
/// are narrower than their definitions where those leave much open.
final class StringFormats {
  private static final String YEAR = "[0-9]{4}";
  private static final String LEAP_YEAR =
      "(([0-9]{2}(0[48]|[2468][048]|[13579][26]))|(([02468][048]|[13579][26])00))";
  private static final String DATE =
      "(%1$s-(((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01]))|((0[469]|11)-(0[1-9]|[12][0-9]|30))|(02-(0[1-9]|1[0-9]|2[0-8])))|%2$s-02-29)"
          .formatted(YEAR, LEAP_YEAR);
  private static final String TIME =
      "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
  private static final String OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
  private static final String NAME = "([a-z]([a-z0-9]{0,20})\\.){1,4}(com|org|net|edu|info)";

  /// Most characters of a URI up to the end of its host, and of a whole one.
  private static final int URI_HOST = 100;

  private static final int URI_LONGEST = 670;

  /// Fewest characters up to the end of the host, and a slash.
  private static final int URI_SHORTEST = 13;

  /// Without bounds of its own: whoever counts the whole needs few states.
  private static final String COUNTED_URI =
      "https?://([a-z][a-z0-9]*\\.){1,4}(com|org|net|edu|info)(/[a-zA-Z0-9._~-]+)*/?(\\?[a-zA-Z0-9=&._~-]*)?";

  private StringFormats() {}

  /// The pattern of a format; empty for a format that is only a note.
  ///
  /// @param minLength fewest characters of the text, and
  /// @param maxLength most: a URI has as much behind its host as fits, so that mostly nothing is left to count
  static Optional<String> pattern(String format, int minLength, int maxLength) {
    return Optional.ofNullable(
        switch (format) {
          case "date" -> DATE;
          case "time" -> TIME;
          case "date-time" -> DATE + "T" + TIME;
          case "duration" ->
              "P([1-9][0-9]{0,3}D(T[1-9][0-9]{0,2}H)?|[1-9][0-9]{0,2}W|T[1-9][0-9]{0,2}[HMS])";
          case "uuid" -> "[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}";
          case "ipv4" -> "(" + OCTET + "\\.){3}" + OCTET;
          case "ipv6" -> "([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}";
          case "hostname", "idn-hostname" -> NAME;
          case "email", "idn-email" -> "[a-zA-Z0-9]([a-zA-Z0-9_+-]|\\.[a-zA-Z0-9]){0,40}@" + NAME;
          case "uri", "iri", "uri-reference", "iri-reference", "uri-template" ->
              uri(minLength, maxLength);
          case "json-pointer" -> "(/[a-zA-Z0-9_-]{0,40}){0,10}";
          case "regex" -> "[a-zA-Z0-9]{0,40}";
          case "relative-json-pointer" -> "(0|[1-9][0-9]{0,2})(/[a-zA-Z0-9_-]{0,40}){0,10}";
          default -> null;
        });
  }

  private static String uri(int min, int max) {
    int least = Math.max(0, min - URI_SHORTEST);
    int most = Math.min(max, Math.max(least, URI_LONGEST) + URI_HOST) - URI_HOST - 1;
    if (most < least) {
      return COUNTED_URI;
    }
    if (least > 0) {
      return "https?://%s[/?][a-zA-Z0-9/?=&._~-]{%d,%d}".formatted(NAME, least, most);
    }
    return max < URI_LONGEST
        ? "https?://%s([/?][a-zA-Z0-9/?=&._~-]{0,%d})?".formatted(NAME, most)
        : "https?://" + NAME + "(/[a-zA-Z0-9._~-]{1,60}){0,8}/?(\\?[a-zA-Z0-9=&._~-]{0,80})?";
  }
}

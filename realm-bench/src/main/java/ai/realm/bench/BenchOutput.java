package ai.realm.bench;

import java.io.PrintStream;
import java.util.Locale;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/// What a benchmark prints: lines of a Markdown table as they are measured, or one JSON document at the end.
final class BenchOutput {
  /// Which of them.
  enum Format {
    TABLE,
    JSON;

    static Format of(String name) {
      return switch (name.toLowerCase(Locale.ROOT)) {
        case "table" -> TABLE;
        case "json" -> JSON;
        default ->
            throw new IllegalArgumentException(
                "--format: expected table or json, found '%s'".formatted(name));
      };
    }
  }

  private final PrintStream out;
  private final Format format;

  BenchOutput(PrintStream out, Format format) {
    this.out = out;
    this.format = format;
  }

  /// For people only.
  void line(String text) {
    if (format == Format.TABLE) {
      out.println(text);
      out.flush();
    }
  }

  /// For programs only: a record and what is in it.
  void end(Record report) {
    if (format == Format.JSON) {
      JsonMapper mapper = JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();
      out.println(mapper.writeValueAsString(report));
      out.flush();
    }
  }
}

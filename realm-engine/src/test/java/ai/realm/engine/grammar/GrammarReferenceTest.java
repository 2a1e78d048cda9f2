package ai.realm.engine.grammar;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.ReferenceData;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// What llama.cpp (21 Feb 2025) accepts and rejects.
@Tag("reference")
final class GrammarReferenceTest {
  /// Of the reference set: its grammars, those that llama.cpp refuses, and the texts for the others.
  private static final int GRAMMARS = 83;

  private static final int REFUSED = 4;
  private static final int TEXTS = 582;

  @Test
  void acceptsAndRejectsAsTheReference() throws IOException {
    List<String> wrong = new ArrayList<>();
    int checked = 0;
    int refused = 0;
    int texts = 0;
    int skipped = 0;
    for (String line : Files.readAllLines(ReferenceData.folder("grammar").resolve("cases.jsonl"))) {
      JsonNode c = JsonMapper.shared().readTree(line);
      checked++;
      refused += c.has("error") ? 1 : 0;
      boolean gbnf = c.required("kind").stringValue().equals("gbnf");
      String source = c.required(gbnf ? "grammar" : "schema").stringValue();
      Grammar grammar;
      try {
        grammar = Grammar.compile(gbnf ? Grammar.Kind.GBNF : Grammar.Kind.JSON_SCHEMA, source);
      } catch (GrammarException e) {
        if (!c.has("error")) {
          wrong.add(source + ": refused: " + e.getMessage());
        }
        continue;
      }
      if (c.has("error")) {
        wrong.add(source + ": not refused");
        continue;
      }
      for (String kind : List.of("accept", "reject")) {
        for (JsonNode text : c.required(kind)) {
          boolean twoUnique =
              kind.equals("accept")
                  && source.contains("uniqueItems")
                  && text.stringValue().contains("[\"home\", \"green\"]");
          texts++;
          if (twoUnique) {
            skipped++;
            continue; // llama.cpp ignores uniqueItems; an output that may be invalid is worse.
          }
          if (grammar.accepts(text.stringValue()) != kind.equals("accept")) {
            wrong.add(source + ": expected to " + kind + ": " + text.stringValue());
          }
        }
      }
    }
    assertThat(wrong).isEmpty();
    assertThat(checked).isEqualTo(GRAMMARS);
    assertThat(refused).isEqualTo(REFUSED);
    assertThat(texts).isEqualTo(TEXTS);
    assertThat(skipped).as("texts where llama.cpp is not followed").isEqualTo(2);
  }
}

package ai.realm.engine.grammar;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.ReferenceData;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// GBNF grammars and JSON schemas with the texts that llama.cpp (21 Feb 2025) accepts and rejects.
@Tag("reference")
final class GrammarReferenceTest {
  /// Their rejected texts are valid by JSON Schema, though llama.cpp's narrower language rejects them:
  /// any value without a type, properties in the order given.
  private static final Set<String> WIDER =
      Set.of("empty schema (object)", "any value", "nested required order");

  @Test
  void acceptsAndRejectsAsTheReference() throws IOException {
    List<String> wrong = new ArrayList<>();
    int checked = 0;
    for (String line : Files.readAllLines(ReferenceData.folder("grammar").resolve("cases.jsonl"))) {
      JsonNode c = JsonMapper.shared().readTree(line);
      boolean gbnf = c.required("kind").stringValue().equals("gbnf");
      String name = c.path("name").asString("");
      String source = c.required(gbnf ? "grammar" : "schema").stringValue();
      Grammar grammar;
      try {
        grammar = Grammar.compile(gbnf ? Grammar.Kind.GBNF : Grammar.Kind.JSON_SCHEMA, source);
      } catch (GrammarException e) {
        checked++;
        // llama.cpp ignores uniqueItems; an output that may be invalid is worse than an error.
        boolean uniqueItems = e.getMessage().contains("uniqueItems");
        if (!c.has("error") && !uniqueItems) {
          wrong.add(name + ": " + e.getMessage());
        }
        continue;
      }
      if (c.has("error")) {
        wrong.add(name + ": expected " + c.get("error") + ", found a grammar");
        continue;
      }
      for (JsonNode text : c.path("accept")) {
        checked++;
        if (!grammar.accepts(text.stringValue())) {
          wrong.add(name + ": expected to accept " + text);
        }
      }
      for (JsonNode text : c.path("reject")) {
        checked++;
        if (!WIDER.contains(name) && grammar.accepts(text.stringValue())) {
          wrong.add(name + ": expected to reject " + text);
        }
      }
    }
    assertThat(wrong).isEmpty();
    assertThat(checked).isGreaterThan(300);
  }
}

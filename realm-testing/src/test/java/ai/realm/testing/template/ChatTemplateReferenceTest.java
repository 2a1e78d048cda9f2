package ai.realm.testing.template;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.template.ChatTemplate;
import ai.realm.template.TemplateException;
import ai.realm.testing.sample.ReferenceData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Models' own templates, rendered as Python's jinja2 3.1.2 does in Hugging Face's settings.
@Tag("reference")
final class ChatTemplateReferenceTest {
  private static final Clock CLOCK =
      Clock.fixed(Instant.parse("2026-01-15T09:30:00Z"), ZoneOffset.UTC);
  private static final String RAISED = "TemplateError: ";

  static Stream<String> templates() throws IOException {
    try (Stream<Path> files = Files.list(ReferenceData.folder("chat-templates"))) {
      List<String> found =
          files
              .map(f -> f.getFileName().toString())
              .filter(f -> f.endsWith(".jinja"))
              .map(f -> f.substring(0, f.length() - ".jinja".length()))
              .sorted()
              .toList();
      assertThat(found).isNotEmpty();
      return found.stream();
    }
  }

  @ParameterizedTest
  @MethodSource("templates")
  void rendersAsJinja(String name) throws IOException {
    Path folder = ReferenceData.folder("chat-templates");
    String source = Files.readString(folder.resolve(name + ".jinja"));
    List<String> wrong = new ArrayList<>();
    compare(folder, name, source, wrong);
    Path extra = folder.resolve("extra");
    if (Files.exists(extra.resolve(name + ".json"))) {
      compare(extra, name, source, wrong);
    }
    assertThat(wrong).isEmpty();
  }

  private static void compare(Path folder, String name, String source, List<String> wrong)
      throws IOException {
    JsonMapper json = JsonMapper.shared();
    JsonNode conversations = json.readTree(folder.resolve("conversations.json"));
    JsonNode expected = json.readTree(folder.resolve(name + ".json"));
    for (JsonNode c : expected.required("cases")) {
      Map<String, Object> variables = new LinkedHashMap<>();
      variables.put("tools", null);
      variables.put("documents", null);
      variables.put("bos_token", expected.required("bos_token").stringValue());
      variables.put("eos_token", expected.required("eos_token").stringValue());
      String conversation = c.required("conversation").stringValue();
      variables.putAll(
          json.convertValue(
              conversations.required(conversation), new TypeReference<Map<String, Object>>() {}));
      variables.put("add_generation_prompt", c.required("add_generation_prompt").booleanValue());
      String problem = compare(c, source, variables);
      if (!problem.isEmpty()) {
        wrong.add(conversation + ": " + problem);
      }
    }
  }

  private static String compare(JsonNode c, String source, Map<String, Object> variables) {
    String found;
    try {
      found = ChatTemplate.compile(source, CLOCK).render(variables);
    } catch (TemplateException e) {
      if (!c.has("error")) {
        return "expected text, found " + e.getMessage();
      }
      String error = c.required("error").stringValue();
      return error.startsWith(RAISED) && !error.equals(RAISED + e.getMessage())
          ? "expected " + error + ", found " + e.getMessage()
          : "";
    }
    if (c.has("error")) {
      return "expected " + c.required("error").stringValue() + ", found a text";
    }
    String text = c.required("rendered").stringValue();
    return text.equals(found) ? "" : "expected\n" + text + "\nfound\n" + found;
  }
}

package ai.realm.testing.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.template.ChatTemplate;
import ai.realm.template.TemplateException;
import java.io.IOException;
import java.io.InputStream;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Hundreds of snippets of the template language, rendered as Python's jinja2 does:
/// `src/test/python/jinja_language.py` made the expected texts.
final class JinjaLanguageTest {
  private static final Clock CLOCK =
      Clock.fixed(Instant.parse("2026-01-15T09:30:00Z"), ZoneOffset.UTC);

  @TestFactory
  Stream<DynamicTest> rendersAsJinja2() throws IOException {
    JsonNode all;
    try (InputStream in = JinjaLanguageTest.class.getResourceAsStream("jinja-language.json")) {
      all = JsonMapper.shared().readTree(Objects.requireNonNull(in));
    }
    Map<String, Object> variables =
        JsonMapper.shared().convertValue(all.required("variables"), new TypeReference<>() {});
    assertThat(all.required("cases").size()).isGreaterThan(300);
    return all.required("cases")
        .valueStream()
        .map(c ->
            DynamicTest.dynamicTest(
                c.required("template").stringValue(), () -> check(c, variables)));
  }

  private static void check(JsonNode c, Map<String, Object> variables) {
    String template = c.required("template").stringValue();
    if (c.has("error")) {
      assertThatThrownBy(() -> ChatTemplate.compile(template, CLOCK).render(variables))
          .isInstanceOf(TemplateException.class);
    } else {
      assertThat(ChatTemplate.compile(template, CLOCK).render(variables))
          .isEqualTo(c.required("rendered").stringValue());
    }
  }
}

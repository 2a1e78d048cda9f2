package ai.realm.engine.grammar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.gguf.GgufFile;
import ai.realm.testing.sample.SampleModel;
import ai.realm.tokenizer.Tokenizer;
import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.IOException;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Patterns and formats together with bounds of length.
final class StringLengthsTest {
  private static final int OUTPUTS = 8;

  private static Grammar compile(String source) {
    return Grammar.compile(Grammar.Kind.JSON_SCHEMA, source);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"format\":\"uri\",\"maxLength\":2083,\"minLength\":1,\"type\":\"string\"}",
        "{\"format\":\"uri\",\"maxLength\":255,\"minLength\":1,\"type\":\"string\"}",
        "{\"format\":\"uri\",\"maxLength\":101,\"type\":\"string\"}",
        "{\"format\":\"uri\",\"maxLength\":669,\"type\":\"string\"}",
        "{\"format\":\"uri\",\"maxLength\":30,\"type\":\"string\"}",
        "{\"format\":\"uri\",\"maxLength\":100,\"minLength\":1,\"type\":\"string\"}",
        "{\"format\":\"uri\",\"minLength\":200,\"type\":\"string\"}",
        "{\"format\":\"uri\",\"maxLength\":300,\"minLength\":150,\"type\":\"string\"}",
        "{\"format\":\"uri\",\"maxLength\":120,\"minLength\":110,\"type\":\"string\"}",
        "{\"pattern\":\"^[^@\\\\s]+@[^@\\\\s]+\\\\.[^@\\\\s]+$\",\"maxLength\":254,\"type\":\"string\"}",
        "{\"pattern\":\"^[a-z0-9._%+-]+@[a-z0-9.-]+\\\\.[a-z]{2,}$\",\"maxLength\":320,\"minLength\":3,\"type\":\"string\"}",
        "{\"pattern\":\"^https?://[^\\\\s/]+(/[^\\\\s]*)?$\",\"maxLength\":2048,\"type\":\"string\"}",
        "{\"pattern\":\"[A-Z].*[0-9]\",\"maxLength\":500,\"type\":\"string\"}",
        "{\"format\":\"email\",\"maxLength\":254,\"type\":\"string\"}",
        "{\"format\":\"email\",\"maxLength\":50,\"minLength\":20,\"type\":\"string\"}",
        "{\"format\":\"hostname\",\"maxLength\":253,\"type\":\"string\"}",
        "{\"format\":\"hostname\",\"maxLength\":63,\"type\":\"string\"}",
        "{\"format\":\"date-time\",\"maxLength\":22,\"minLength\":21,\"type\":\"string\"}",
        "{\"pattern\":\"^https?://.+$\",\"maxLength\":2000,\"type\":\"string\"}",
        "{\"pattern\":\"^https?://.+$\",\"minLength\":40,\"maxLength\":45,\"type\":\"string\"}",
        "{\"pattern\":\"^[^@]+@[^@]+\\\\.[a-z]+$\",\"maxLength\":40,\"type\":\"string\"}",
        "{\"pattern\":\"^(ab|cde)+$\",\"maxLength\":30,\"minLength\":7,\"type\":\"string\"}",
        "{\"pattern\":\"^(ab){1,9}c*$|^x+$\",\"maxLength\":9,\"minLength\":6,\"type\":\"string\"}",
        "{\"pattern\":\"é\",\"maxLength\":12,\"minLength\":5,\"type\":\"string\"}",
        "{\"pattern\":\"^\",\"maxLength\":5000,\"minLength\":3,\"type\":\"string\"}",
        "{\"pattern\":\"^[A-Z]\",\"maxLength\":4000,\"type\":\"string\"}",
        "{\"allOf\":[{\"pattern\":\"^a+b*$\"},{\"pattern\":\"^.*bb$\"}],\"maxLength\":20,\"type\":\"string\"}",
      })
  void everyOutputIsValid(String source) throws IOException {
    Schema judge =
        SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
            .getSchema(source, InputFormat.JSON);
    Grammar grammar = compile(source);
    try (GgufFile model = GgufFile.open(SampleModel.path())) {
      TokenTrie vocabulary = TokenTrie.of(Tokenizer.of(model.metadata()));
      for (int seed = 0; seed < OUTPUTS; seed++) {
        String output =
            SchemaJudgeTest.generate(
                Matcher.of(grammar, vocabulary), vocabulary, new SplittableRandom(seed));
        assertThat(
                judge.validate(
                    output,
                    InputFormat.JSON,
                    c -> c.executionConfig(x -> x.formatAssertionsEnabled(true))))
            .as(output)
            .isEmpty();
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "^https?://.+$, 2000, https://, x, 1992",
    "^https?://.+$, 2000, http://, 🦙, 1993",
    "^https?://.+$, 40, http://, \\\", 33",
    "^[A-Z], 300, A, é, 299",
    "^(ab|c)d*$, 500, ab, d, 498",
    "^(ab|c)d*$, 500, c, d, 499",
    "^a*b*$, 20, aaa, b, 17",
    "b, 20, aab, a, 17",
    "^[^@\\\\s]+@[^@\\\\s]+\\\\.[^@\\\\s]+$, 254, é@b.c, 🦙, 249",
    "^[^@\\\\s]+@[^@\\\\s]+\\\\.[^@\\\\s]+$, 254, \\\"@b.c, \\\\, 249",
    "^\\\\w+ \\\\S+ .*x$, 60, a é x, x, 55",
  })
  void theLongestTextFitsAndOneCharacterMoreDoesNot(
      String pattern, int maxLength, String begin, String more, int count) {
    Grammar grammar =
        compile(
            "{\"type\":\"string\",\"pattern\":\"%s\",\"maxLength\":%d,\"minLength\":%d}"
                .formatted(pattern, maxLength, maxLength - 1));
    for (int n = count - 2; n <= count + 1; n++) {
      String text = "\"" + begin + more.repeat(n) + "\"";
      assertThat(grammar.accepts(text)).as("%d", n).isEqualTo(n == count || n == count - 1);
    }
  }

  @Test
  void whatIsTooLargeNamesThePlace() {
    assertThatThrownBy(() ->
            compile(
                "{\"type\":\"object\",\"properties\":{\"p\":{\"type\":\"string\",\"pattern\":\"(a|b)*a(a|b){9}c\",\"maxLength\":9000}}}"))
        .isInstanceOfSatisfying(
            GrammarException.class, e -> assertThat(e.code()).isEqualTo("GRAMMAR_LIMIT"))
        .hasMessageStartingWith("schema /properties/p: expected ");
  }
}

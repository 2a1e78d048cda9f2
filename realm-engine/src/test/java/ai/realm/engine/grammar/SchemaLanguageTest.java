package ai.realm.engine.grammar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The languages that constraints are written in, and what is refused.
final class SchemaLanguageTest {
  private static boolean matches(Grammar.Kind language, String source, String text) {
    return Grammar.compile(language, source).accepts(text);
  }

  private static boolean gbnf(String source, String text) {
    return matches(Grammar.Kind.GBNF, source, text);
  }

  private static boolean schema(String source, String text) {
    return matches(Grammar.Kind.JSON_SCHEMA, source, text);
  }

  @Test
  void followsRecursiveRules() {
    String balanced = "root ::= \"(\" root \")\" | \"\"";
    assertThat(gbnf(balanced, "((()))")).isTrue();
    assertThat(gbnf(balanced, "((())")).isFalse();
    assertThat(gbnf(balanced, "(".repeat(900) + ")".repeat(900))).isTrue();
  }

  @Test
  void followsAmbiguousRules() {
    String palindrome = "root ::= \"a\" root \"a\" | \"b\" root \"b\" | \"a\" | \"b\" | \"\"";
    assertThat(gbnf(palindrome, "abba")).isTrue();
    assertThat(gbnf(palindrome, "abbababba".repeat(3))).isTrue();
    assertThat(gbnf(palindrome, "abab")).isFalse();
  }

  @Test
  void readsEveryCharacterOfAClassAcrossUtf8Lengths() {
    String outside = "root ::= [^\\u0080-\\uffee]";
    assertThat(gbnf(outside, "a")).isTrue();
    assertThat(gbnf(outside, "é")).isFalse();
    assertThat(gbnf(outside, "\uffef")).isTrue();
    assertThat(gbnf(outside, "🦙")).isTrue();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ' ',
      value = {
        "a{2,4} aaa true",
        "a{2,4} aaaaa false",
        "^(foo|ba[rz])+$ foobarbaz true",
        "\\d{3}-\\d+ 123-4 true",
        "\\d{3}-\\d+ 12-4 false",
        "[^\\W_]+ a_b false",
        "\\u{1F999}x? 🦙 true",
        "(?<year>\\d{4}) 2026 true",
        "(?:a|b)*?c abac true"
      })
  void readsPatterns(String pattern, String text, boolean expected) {
    assertThat(matches(Grammar.Kind.REGEX, pattern, text)).isEqualTo(expected);
  }

  @ParameterizedTest
  @ValueSource(strings = {"(?=a)b", "(a)\\1", "\\bword", "a(b", "a**", "[z-a]", "x{3,1}", "a)"})
  void refusesPatternsThatAreNotRegular(String pattern) {
    assertThatThrownBy(() -> Grammar.compile(Grammar.Kind.REGEX, pattern))
        .isInstanceOf(GrammarException.class)
        .hasMessageStartingWith("pattern: ");
  }

  @Test
  void allowsAnyJson() {
    Grammar json = Grammar.compile(Grammar.Kind.JSON, "");
    for (String text :
        new String[] {"{\"a\": [1, -2.5e3, null, {\"b\": \"\\n\"}]}", "[]", "\"\""}) {
      assertThat(json.accepts(text)).as(text).isTrue();
    }
    for (String text : new String[] {"{a:1}", "[1,]", "01", "\"\\ud800\"", "nul", ""}) {
      assertThat(json.accepts(text)).as(text).isFalse();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "{\"type\":\"number\",\"minimum\":-1.25,\"exclusiveMaximum\":10.5};-1.25;true",
        "{\"type\":\"number\",\"minimum\":-1.25,\"exclusiveMaximum\":10.5};-1.26;false",
        "{\"type\":\"number\",\"minimum\":-1.25,\"exclusiveMaximum\":10.5};10.4999;true",
        "{\"type\":\"number\",\"minimum\":-1.25,\"exclusiveMaximum\":10.5};10.5;false",
        "{\"type\":\"number\",\"minimum\":-1.25,\"exclusiveMaximum\":10.5};10.50;false",
        "{\"type\":\"number\",\"exclusiveMinimum\":0};0.000;false",
        "{\"type\":\"number\",\"exclusiveMinimum\":0};0.001;true",
        "{\"type\":\"number\",\"exclusiveMinimum\":0};0;false",
        "{\"type\":\"number\",\"multipleOf\":0.5,\"maximum\":3};3;true",
        "{\"type\":\"integer\",\"multipleOf\":7,\"minimum\":-50,\"maximum\":5000};4998;true",
        "{\"type\":\"integer\",\"multipleOf\":7,\"minimum\":-50,\"maximum\":5000};4999;false",
        "{\"type\":\"integer\",\"multipleOf\":7,\"minimum\":-50,\"maximum\":5000};-56;false",
        "{\"type\":\"integer\",\"multipleOf\":7,\"minimum\":-50,\"maximum\":5000};0;true",
        "{\"type\":\"string\",\"format\":\"date\"};\"2024-02-29\";true",
        "{\"type\":\"string\",\"format\":\"date\"};\"2023-02-29\";false",
        "{\"type\":\"string\",\"pattern\":\"^a+$\",\"minLength\":2,\"maxLength\":3};\"aaa\";true",
        "{\"type\":\"string\",\"pattern\":\"^a+$\",\"minLength\":2,\"maxLength\":3};\"a\";false",
        "{\"type\":\"string\",\"pattern\":\"^a+$\",\"minLength\":2,\"maxLength\":3};\"aaaa\";false",
        "{\"type\":\"string\",\"maxLength\":40};\"\\u00e9\\nx\";true",
        "{\"enum\":[1,\"a\",null],\"type\":[\"string\",\"null\"]};1;false",
        "{\"enum\":[1,\"a\",null],\"type\":[\"string\",\"null\"]};\"a\";true",
      })
  void followsSchemas(String source, String text, boolean expected) {
    assertThat(schema(source, text)).isEqualTo(expected);
  }

  @Test
  void countsMembers() {
    String source =
        """
        {"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}},
         "additionalProperties": {"type": "null"}, "minProperties": 2, "maxProperties": 3}\
        """;
    assertThat(schema(source, "{\"a\":null}")).isFalse();
    assertThat(schema(source, "{\"a\":null,\"b\":null}")).isTrue();
    assertThat(schema(source, "{\"a\":null,\"c\":null}")).isTrue();
    assertThat(schema(source, "{\"a\":null,\"b\":null,\"c\":null}")).isTrue();
    assertThat(schema(source, "{\"a\":null,\"b\":null,\"c\":null,\"d\":null}")).isFalse();
    assertThat(schema(source, "{\"a\":null,\"a\":null}")).isFalse();
  }

  @Test
  void keepsOnlyAlternativesOfOneOfThatExcludeTheOthers() {
    String source =
        "{\"oneOf\": [{\"type\": \"integer\", \"maximum\": 5}, {\"type\": \"number\"}]}";
    assertThatThrownBy(() -> schema(source, "1")).hasMessageContaining("oneOf");
    String apart =
        "{\"oneOf\": [{\"type\": \"integer\", \"maximum\": 5}, {\"type\": \"number\", \"minimum\": 6}]}";
    assertThat(schema(apart, "5")).isTrue();
    assertThat(schema(apart, "6.5")).isTrue();
    assertThat(schema(apart, "5.5")).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"not\": {}}",
        "{\"type\": \"array\", \"contains\": {}}",
        "{\"if\": {}, \"then\": {}}",
        "{\"patternProperties\": {\"a\": {}}}",
        "{\"$ref\": \"https://example.com/x\"}",
      })
  void refusesWhatItCannotGuarantee(String source) {
    assertThatThrownBy(() -> Grammar.compile(Grammar.Kind.JSON_SCHEMA, source))
        .isInstanceOfSatisfying(
            GrammarException.class, e -> assertThat(e.code()).isEqualTo("GRAMMAR_UNSUPPORTED"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"type\": \"integer\", \"minimum\": 5, \"maximum\": 4}",
        "{\"type\": \"string\", \"minLength\": 5, \"maxLength\": 4}",
        "{\"allOf\": [{\"type\": \"string\"}, {\"type\": \"null\"}]}",
        "{\"$defs\": {\"a\": {\"$ref\": \"#/$defs/a\"}}, \"$ref\": \"#/$defs/a\"}",
        "{\"type\": \"object\", \"properties\": {\"a\": {\"$ref\": \"#\"}}, \"required\": [\"a\"]}",
      })
  void refusesSchemasWithoutInstances(String source) {
    assertThatThrownBy(() -> Grammar.compile(Grammar.Kind.JSON_SCHEMA, source))
        .isInstanceOfSatisfying(
            GrammarException.class, e -> assertThat(e.code()).isEqualTo("GRAMMAR_INVALID"));
  }
}

package ai.realm.engine.grammar;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// What is wrong with a schema is told with the place where it stands.
final class SchemaPlacesTest {
  static Stream<Arguments> schemas() {
    String deep =
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"minItems\":1,\"items\":%s}},\"required\":[\"a\"]}";
    return Stream.of(
        Arguments.of(
            property("{\"type\":\"string\",\"pattern\":\"[\"}"),
            "schema /properties/p/pattern: expected ']' at character 1"),
        Arguments.of(
            property("{\"type\":\"string\",\"pattern\":\"(?=a)b\"}"),
            "schema /properties/p/pattern: look-around at character 2 cannot be followed byte by byte"),
        Arguments.of(
            property("{\"enum\":[\"a\"],\"pattern\":\"a(\"}"),
            "schema /properties/p/pattern: expected ')' at character 2"),
        Arguments.of(
            property("{\"$ref\":\"other.json\"}"),
            "schema /properties/p/$ref: expected a reference within the schema, found \"other.json\""),
        Arguments.of(
            property("{\"type\":\"null\",\"$ref\":\"#/x\"}"),
            "schema /properties/p/$ref: expected \"#/x\" in the schema, found nothing"),
        Arguments.of(
            property("{\"$ref\":\"#x\"}"),
            "schema /properties/p/$ref: expected a JSON pointer, found \"#x\""),
        Arguments.of(
            property("{\"$ref\":\"#/%zz\"}"),
            "schema /properties/p/$ref: expected two hexadecimal digits behind each %, found \"#/%zz\""),
        Arguments.of(
            deep.formatted("{\"type\":\"string\",\"minLength\":5,\"maxLength\":2}"),
            "schema /properties/a/items: expected a text that it allows, found none"),
        Arguments.of(
            deep.formatted(
                "{\"type\":\"string\",\"minLength\":5,\"maxLength\":6,\"pattern\":\"^a{2}$\"}"),
            "schema /properties/a/items: expected a text that it allows, found none"),
        Arguments.of(
            deep.formatted("{\"allOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}"),
            "schema /properties/a/items: expected a text that it allows, found none"),
        Arguments.of(
            "{\"type\":\"integer\",\"minimum\":5,\"maximum\":4}",
            "schema /: expected a text that it allows, found none"),
        Arguments.of(
            deep.formatted(
                "{\"type\":\"string\",\"pattern\":\"^(a|b)*a%s$\"}".formatted("(a|b)".repeat(20))),
            "schema /properties/a/items: expected at most 60000 states"),
        Arguments.of(
            property("{\"multipleOf\":1001,\"type\":\"integer\"}"),
            "schema /properties/p/multipleOf: expected a divisor of at most 250, found 1001"),
        Arguments.of("5", "schema /: expected an object, found 5"),
        Arguments.of("[]", "schema /: expected an object, found an empty list"),
        Arguments.of(
            property("\"text\""), "schema /properties/p: expected an object, found \"text\""),
        Arguments.of(
            "{\"required\":{\"a\":1}}", "schema /required: expected a list, found an object"),
        Arguments.of(
            "{\"minLength\":-1}",
            "schema /minLength: expected a whole number of at least 0, found -1"),
        Arguments.of("{\"not\":{}}", "schema /: not cannot be guaranteed while text is made"));
  }

  private static String property(String schema) {
    return "{\"type\":\"object\",\"properties\":{\"p\":%s}}".formatted(schema);
  }

  @ParameterizedTest
  @MethodSource("schemas")
  void errorsNameThePlace(String source, String message) {
    assertThatThrownBy(() -> Grammar.compile(Grammar.Kind.JSON_SCHEMA, source))
        .isInstanceOf(GrammarException.class)
        .hasMessage(message);
  }
}

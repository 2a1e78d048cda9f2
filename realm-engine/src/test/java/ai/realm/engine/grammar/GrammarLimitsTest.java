package ai.realm.engine.grammar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Constraints that are made to cost much.
final class GrammarLimitsTest {
  private static final Duration PATIENCE = Duration.ofSeconds(20);

  record Bomb(String name, Grammar.Kind language, String source) {
    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Bomb> bombs() {
    String nested = "(".repeat(6000);
    return Stream.of(
        new Bomb("parentheses", Grammar.Kind.REGEX, nested + ")".repeat(6000)),
        new Bomb("groups", Grammar.Kind.GBNF, "root ::= " + nested),
        new Bomb("quantifiers", Grammar.Kind.REGEX, "((((a{1,999}){1,999}){1,999}){1,999})b"),
        new Bomb("subsets", Grammar.Kind.REGEX, "(a|b)*a" + "(a|b)".repeat(40)),
        new Bomb("depth", Grammar.Kind.JSON_SCHEMA, "[".repeat(100_000)),
        new Bomb("length", Grammar.Kind.GBNF, "root ::= \"" + "a".repeat(1 << 20) + "\""),
        new Bomb(
            "cycle",
            Grammar.Kind.JSON_SCHEMA,
            "{\"$defs\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/a\"}]}},\"$ref\":\"#/$defs/a\"}"),
        new Bomb(
            "alternatives",
            Grammar.Kind.JSON_SCHEMA,
            "{\"allOf\":["
                + IntStream.range(0, 30)
                    .mapToObj(i ->
                        "{\"anyOf\":[{\"required\":[\"a%d\"]},{\"required\":[\"b%d\"]}]}"
                            .formatted(i, i))
                    .collect(Collectors.joining(","))
                + "]}"));
  }

  @ParameterizedTest
  @MethodSource("bombs")
  void refusesInTime(Bomb bomb) {
    Assertions.assertTimeoutPreemptively(
        PATIENCE,
        () ->
            assertThatThrownBy(() -> Grammar.compile(bomb.language(), bomb.source()))
                .isInstanceOfSatisfying(
                    GrammarException.class,
                    e -> assertThat(e.code()).isIn("GRAMMAR_LIMIT", "GRAMMAR_INVALID")));
  }

  @Test
  void takesALongListOfValues() {
    String values =
        IntStream.range(0, 3000)
            .mapToObj(i -> "\"value" + i + "\"")
            .collect(Collectors.joining(","));
    Grammar g = Grammar.compile(Grammar.Kind.JSON_SCHEMA, "{\"enum\":[" + values + "]}");
    assertThat(g.accepts("\"value2999\"")).isTrue();
    assertThat(g.accepts("\"value3000\"")).isFalse();
  }

  @Test
  void takesStringsOfManyCharactersWithoutManyStates() {
    Grammar g =
        Grammar.compile(
            Grammar.Kind.JSON_SCHEMA,
            "{\"type\":\"string\",\"minLength\":5000,\"maxLength\":1000000}");
    assertThat(g.states()).isLessThan(100);
    assertThat(g.accepts("\"" + "é".repeat(5000) + "\"")).isTrue();
    assertThat(g.accepts("\"" + "é".repeat(4999) + "\"")).isFalse();
  }
}

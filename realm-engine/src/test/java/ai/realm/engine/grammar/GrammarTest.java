package ai.realm.engine.grammar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(120)
final class GrammarTest {
  private static boolean accepts(Grammar.Kind kind, String source, String text) {
    return Grammar.compile(kind, source).accepts(text);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`root ::= \"a\" [b-d]* | \"é\"+`|`abcd`|true",
        "`root ::= \"a\" [b-d]* | \"é\"+`|`éé`|true",
        "`root ::= \"a\" [b-d]* | \"é\"+`|`ae`|false",
        "`root ::= [^\\x00-\\x7F]{2}`|`é你`|true",
        "`root ::= [^\\x00-\\x7F]{2}`|`é😀😀`|false",
        "`root ::= \"(\" root? \")\"`|`((()))`|true",
        "`root ::= \"(\" root? \")\"`|`((())`|false",
        "`root ::= (\"a\" | \"b\")* \"c\"?`|`abba`|true",
        "`root ::= x* y\\nx ::= \"a\"\\ny ::= \"ab\"`|`aaab`|true",
      })
  void matchesGbnf(String source, String text, boolean expected) {
    assertThat(accepts(Grammar.Kind.GBNF, source.replace("\\n", "\n"), text)).isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`^a+b?$`|`aab`|true",
        "`^a+b?$`|`b`|false",
        "`b`|`abc`|false",
        "`^(?:foo|ba[rz]){2}$`|`foobaz`|true",
        "`^\\d{3}-\\w+$`|`123-a_9`|true",
        "`^\\d{3}-\\w+$`|`12-a`|false",
        "`^[^a-c\\s]*$`|`xyz`|true",
        "`^[^a-c\\s]*$`|`x z`|false",
        "`^a.c$|^x$`|`x`|true",
        "`^\\u0041{2,}$`|`AAA`|true",
      })
  void matchesRegularExpressions(String source, String text, boolean expected) {
    assertThat(accepts(Grammar.Kind.REGEX, source, text)).isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`{\"type\":\"integer\",\"minimum\":-3,\"maximum\":120}`|`-3`|true",
        "`{\"type\":\"integer\",\"minimum\":-3,\"maximum\":120}`|`121`|false",
        "`{\"type\":\"number\",\"minimum\":0,\"maximum\":1}`|`0.25`|true",
        "`{\"type\":\"number\",\"minimum\":0,\"maximum\":1}`|`1.25`|false",
        "`{\"type\":\"number\",\"minimum\":-2,\"maximum\":-1}`|`-1.5`|true",
        "`{\"type\":\"number\",\"minimum\":-2,\"maximum\":-1}`|`-2.5`|false",
        "`{\"type\":\"number\",\"multipleOf\":0.01}`|`19.99`|true",
        "`{\"type\":\"number\",\"multipleOf\":0.01}`|`20`|true",
        "`{\"type\":\"number\",\"multipleOf\":0.01}`|`-0.05`|true",
        "`{\"type\":\"number\",\"multipleOf\":0.01}`|`19.999`|false",
        "`{\"type\":\"number\",\"multipleOf\":0.25,\"minimum\":1.3,\"exclusiveMaximum\":12.5}`|`12.25`|true",
        "`{\"type\":\"number\",\"multipleOf\":0.25,\"minimum\":1.3,\"exclusiveMaximum\":12.5}`|`1.50`|true",
        "`{\"type\":\"number\",\"multipleOf\":0.25,\"minimum\":1.3,\"exclusiveMaximum\":12.5}`|`1.25`|false",
        "`{\"type\":\"number\",\"multipleOf\":0.25,\"minimum\":1.3,\"exclusiveMaximum\":12.5}`|`12.50`|false",
        "`{\"type\":\"number\",\"multipleOf\":0.25,\"minimum\":1.3,\"exclusiveMaximum\":12.5}`|`2.35`|false",
        "`{\"type\":\"integer\",\"multipleOf\":1.5}`|`9`|true",
        "`{\"type\":\"integer\",\"multipleOf\":1.5}`|`4`|false",
        "`{\"$id\":\"urn:a\",\"$ref\":\"#/$defs/b\",\"$defs\":{\"b\":{\"$id\":\"urn:b\",\"type\":\"null\"}}}`|`null`|true",
        "`{\"properties\":{\"a\":{},\"b\":{}},\"required\":[\"b\"]}`|`{\"b\":1}`|true",
        "`{\"properties\":{\"a\":{},\"b\":{}},\"required\":[\"b\"]}`|`{\"a\":1}`|false",
        "`{\"properties\":{\"ab\":{}},\"additionalProperties\":{\"type\":\"null\"}}`|`{\"a\":null,\"abc\":null}`|true",
        "`{\"properties\":{\"ab\":{}},\"additionalProperties\":{\"type\":\"null\"}}`|`{\"b\":1}`|false",
        "`{\"items\":{\"type\":\"boolean\"},\"minItems\":2,\"maxItems\":2}`|`[true, false]`|true",
        "`{\"type\":\"string\",\"pattern\":\"^a\\\"b$\"}`|`\"a\\\"b\"`|true",
        "`{\"type\":\"string\",\"format\":\"date\"}`|`\"2026-02-29\"`|false",
        "`{\"$ref\":\"#/$defs/t\",\"$defs\":{\"t\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/t\"}}}}`|`[[],[[]]]`|true",
      })
  void matchesJsonSchema(String source, String text, boolean expected) {
    assertThat(accepts(Grammar.Kind.JSON_SCHEMA, source, text)).isEqualTo(expected);
  }

  @Test
  void matchesAnyJson() {
    for (String text : new String[] {"{\"a\": [1, 2.5e3, null]}", "\"x\"", "[]", "true"}) {
      assertThat(accepts(Grammar.Kind.JSON, "", text)).as(text).isTrue();
    }
    for (String text : new String[] {"{a:1}", "[1,]", "01", "'x'", "", "\"\\ud800\\u00\""}) {
      assertThat(accepts(Grammar.Kind.JSON, "", text)).as(text).isFalse();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"not\": {}}",
        "{\"oneOf\": [{\"type\": \"integer\"}, {\"type\": \"number\"}]}",
        "{\"$ref\": \"other.json\"}",
        "{\"type\": \"number\", \"multipleOf\": 0.000000001}",
        "{\"type\": \"number\", \"multipleOf\": 0.251}",
        "{\"properties\": {\"a\": {\"$id\": \"urn:a\", \"$defs\": {\"t\": {\"type\": \"null\"}},"
            + " \"$ref\": \"#/$defs/t\"}}, \"$defs\": {\"t\": {\"type\": \"string\"}}}",
        "{\"$ref\": \"#/$defs/a/items\", \"$defs\": {\"t\": {\"type\": \"string\"}, \"a\": {\"$id\":"
            + " \"urn:a\", \"items\": {\"$ref\": \"#/$defs/t\"}, \"$defs\": {\"t\": {}}}}}",
        "{\"type\": \"string\", \"pattern\": \"(?=a)\"}",
        "{\"type\": \"string\", \"pattern\": \"(a)\\\\1\"}",
      })
  void refusesWhatItWouldOtherwiseIgnore(String schema) {
    assertThatThrownBy(() -> Grammar.compile(Grammar.Kind.JSON_SCHEMA, schema))
        .isInstanceOfSatisfying(
            GrammarException.class, e -> assertThat(e.code()).isEqualTo("GRAMMAR_UNSUPPORTED"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "root ::= root \"a\" | \"a\"",
        "root ::= x\nx ::= \"\" root",
        "root ::= foo",
        "start ::= \"a\"",
        "root ::= \"a",
        "root ::= [a",
        "root ::= (\"a\"",
        "root ::= \"a\"{3,1}",
        "root ::= *",
        "root := \"a\"",
      })
  void refusesMalformedGbnf(String source) {
    assertThatThrownBy(() -> Grammar.compile(Grammar.Kind.GBNF, source))
        .isInstanceOfSatisfying(
            GrammarException.class, e -> assertThat(e.code()).isEqualTo("GRAMMAR_INVALID"));
  }

  @Test
  void boundsSizeAndDepth() {
    for (String source :
        new String[] {
          "root ::= " + "(".repeat(5000) + "\"a\"" + ")".repeat(5000),
          "root ::= (((\"a\"{1000}){1000}){1000}){1000}",
        }) {
      assertThatThrownBy(() -> Grammar.compile(Grammar.Kind.GBNF, source))
          .isInstanceOfSatisfying(
              GrammarException.class, e -> assertThat(e.code()).isEqualTo("GRAMMAR_LIMIT"));
    }
    String deep = "{\"items\":".repeat(200) + "{}" + "}".repeat(200);
    assertThatThrownBy(() -> Grammar.compile(Grammar.Kind.JSON_SCHEMA, deep))
        .isInstanceOfSatisfying(
            GrammarException.class, e -> assertThat(e.code()).isEqualTo("GRAMMAR_LIMIT"));
  }

  @Test
  void catastrophicPatternsTakeLinearTime() {
    Grammar grammar = Grammar.compile(Grammar.Kind.REGEX, "^(a*)*(a|a)*(a+)+b$");
    assertThat(grammar.accepts("a".repeat(20_000))).isFalse();
    assertThat(grammar.accepts("a".repeat(20_000) + "b")).isTrue();
  }

  @Test
  void theCacheKeepsTheLatest() {
    GrammarCache cache = new GrammarCache(2);
    Grammar a = cache.get(Grammar.Kind.REGEX, "a");
    Grammar b = cache.get(Grammar.Kind.REGEX, "b");
    assertThat(cache.get(Grammar.Kind.REGEX, "a")).isSameAs(a);
    cache.get(Grammar.Kind.REGEX, "c");
    assertThat(cache.size()).isEqualTo(2);
    assertThat(cache.get(Grammar.Kind.REGEX, "b")).isNotSameAs(b);
  }
}

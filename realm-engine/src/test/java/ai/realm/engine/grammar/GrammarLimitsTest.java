package ai.realm.engine.grammar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.testing.time.CpuTime;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Constraints that are made to cost much.
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
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
        new Bomb(
            "lengths",
            Grammar.Kind.JSON_SCHEMA,
            "{\"type\":\"string\",\"maxLength\":9000,\"pattern\":\"^%s.*$\"}"
                .formatted("(a?b|cc?)".repeat(40))),
        new Bomb("depth", Grammar.Kind.JSON_SCHEMA, "[".repeat(100_000)),
        new Bomb("length", Grammar.Kind.GBNF, "root ::= \"" + "a".repeat(1 << 20) + "\""),
        new Bomb(
            "cycle",
            Grammar.Kind.JSON_SCHEMA,
            "{\"$defs\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/a\"}]}},\"$ref\":\"#/$defs/a\"}"),
        new Bomb(
            "references",
            Grammar.Kind.JSON_SCHEMA,
            "{\"$defs\":{"
                + IntStream.range(0, 5000)
                    .mapToObj(i -> "\"a%d\":{\"$ref\":\"#/$defs/a%d\"},".formatted(i, i + 1))
                    .collect(Collectors.joining())
                + "\"a5000\":{}},\"$ref\":\"#/$defs/a0\"}"),
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
    CpuTime.assertWithin(
        PATIENCE,
        () ->
            assertThatThrownBy(() -> Grammar.compile(bomb.language(), bomb.source()))
                .isInstanceOfSatisfying(
                    GrammarException.class,
                    e -> assertThat(e.code()).isIn("GRAMMAR_LIMIT", "GRAMMAR_INVALID")));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"(a+)+b", "((a*)*)*b", "(a|a)*b", "(a|aa)+b", "(.*){1,9}b", "(a?){30}a{30}b"})
  void followsNestedQuantifiersInLinearTime(String pattern) {
    Grammar g = Grammar.compile(Grammar.Kind.REGEX, pattern);
    CpuTime.assertWithin(PATIENCE, () -> assertThat(g.accepts("a".repeat(20_000) + "c")).isFalse());
    assertThat(g.accepts("a".repeat(40) + "b")).isTrue();
  }

  @Test
  void refusesAHundredThousandValuesAndTakesWhatFits() {
    assertThatThrownBy(() -> Grammar.compile(Grammar.Kind.JSON_SCHEMA, values(100_000)))
        .isInstanceOfSatisfying(
            GrammarException.class, e -> assertThat(e.code()).isEqualTo("GRAMMAR_LIMIT"));
    Grammar g = Grammar.compile(Grammar.Kind.JSON_SCHEMA, values(10_000));
    assertThat(g.accepts("\"value9999\"")).isTrue();
  }

  private static String values(int count) {
    return IntStream.range(0, count)
        .mapToObj(i -> "\"value" + i + "\"")
        .collect(Collectors.joining(",", "{\"enum\":[", "]}"));
  }

  @Test
  void nestsWhatASchemaLetsCallItself() {
    Grammar g =
        Grammar.compile(
            Grammar.Kind.JSON_SCHEMA,
            "{\"$defs\":{\"t\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/t\"}}},"
                + "\"$ref\":\"#/$defs/t\"}");
    assertThat(g.states()).isLessThan(200);
    assertThat(g.accepts("[".repeat(200) + "]".repeat(200))).isTrue();
    assertThat(g.accepts("[".repeat(100_000) + "]".repeat(100_000)))
        .as("beyond the stack")
        .isFalse();
  }

  @Test
  void keepsABoundedNumberOfAHundredThousandSchemas() {
    GrammarCache cache = new GrammarCache(64);
    for (int i = 0; i < 100_000; i++) {
      cache.get(Grammar.Kind.JSON_SCHEMA, "{\"const\":" + i + "}");
    }
    assertThat(cache.size()).isEqualTo(64);
  }

  @Test
  void keepsABoundedNumberOfBytesOfGrammars() {
    GrammarCache cache = new GrammarCache(64, 1 << 20);
    Grammar last = cache.get(Grammar.Kind.JSON_SCHEMA, values(1));
    for (int i = 0; i < 20; i++) {
      last = cache.get(Grammar.Kind.JSON_SCHEMA, values(300 + i));
    }
    assertThat(cache.size()).isBetween(1, 1 + (int) ((1 << 20) / last.byteSize()));
    assertThat(cache.get(Grammar.Kind.JSON_SCHEMA, values(319))).as("the latest").isSameAs(last);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "root ::= s s s s s s s\ns ::= [a-z ]* | [a-z ] s s",
        "root ::= (x | y | z)*\nx ::= [a-z]+ x?\ny ::= [a-z]+ z?\nz ::= [a-z]+ y? x?",
        "root ::= ([a-z]{1,300} | [a-z ]{1,500} | [a-m ]{2,700} | [a-q]{3,900})*",
      })
  void givesUpAnOutputThatCanBeReadInTooManyWays(String source) {
    byte[][] texts = new byte[4096][];
    for (int t = 0; t < texts.length; t++) {
      texts[t] = Integer.toString(t * 7919 + 26 * 26 * 26, 36).getBytes(StandardCharsets.UTF_8);
    }
    Matcher matcher =
        Matcher.of(
            Grammar.compile(Grammar.Kind.GBNF, source),
            TokenTrie.of(texts.length, t -> texts[t], 0));
    CpuTime.assertWithin(
        PATIENCE,
        () ->
            assertThatThrownBy(
                    () -> {
                      for (int step = 0; step < 300; step++) {
                        matcher.prepare();
                        matcher.accept(new byte[] {'a'});
                      }
                    })
                .isInstanceOfSatisfying(
                    GrammarException.class, e -> assertThat(e.code()).isEqualTo("GRAMMAR_LIMIT")));
  }

  /// Rules that each read a whole vocabulary, all of them open at once.
  private static Matcher broad(int rules, String body) {
    String source =
        IntStream.range(0, rules)
            .mapToObj(i -> "\nr%d ::= ".formatted(i) + body.replace("#", Integer.toString(i)))
            .collect(
                Collectors.joining(
                    "",
                    IntStream.range(0, rules)
                        .mapToObj(i -> "r" + i)
                        .collect(Collectors.joining("|", "root ::= ", "")),
                    ""));
    byte[][] texts = new byte[16_384][];
    for (int t = 0; t < texts.length; t++) {
      texts[t] = Integer.toString(t * 7919 + 26 * 26 * 26, 36).getBytes(StandardCharsets.UTF_8);
    }
    return Matcher.of(
        Grammar.compile(Grammar.Kind.GBNF, source), TokenTrie.of(texts.length, t -> texts[t], 0));
  }

  /// A rule that calls itself, and one that counts.
  static Stream<String> bodies() {
    return Stream.of("[ -~] r# | \"\\n\"", "[ -~]{2,1#} \"\\n\"");
  }

  @ParameterizedTest
  @MethodSource("bodies")
  void theMasksOfStatesAreMadeAtTheCostOfOneMask(String body) {
    Matcher few = broad(20, body);
    few.prepare();
    Matcher many = broad(800, body);
    for (int i = 0; i < 3; i++) {
      assertThatThrownBy(many::prepare)
          .isInstanceOfSatisfying(
              GrammarException.class, e -> assertThat(e.code()).isEqualTo("GRAMMAR_LIMIT"));
    }
  }

  @ParameterizedTest
  @MethodSource("bodies")
  void anInterruptEndsAMaskAndLeavesNothingHalfMade(String body) {
    Matcher matcher = broad(2, body);
    long[] allowed = new long[16_384 / Long.SIZE];
    Thread.currentThread().interrupt();
    try {
      assertThatThrownBy(matcher::prepare).hasMessageContaining("interrupted");
      assertThatThrownBy(() -> matcher.mask(allowed)).hasMessageContaining("interrupted");
      assertThat(Thread.currentThread().isInterrupted()).isTrue();
    } finally {
      assertThat(Thread.interrupted()).isTrue();
    }
    long[] untouched = new long[allowed.length];
    broad(2, body).mask(untouched);
    matcher.mask(allowed);
    assertThat(allowed).isEqualTo(untouched);
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

  /// A compilation that waits for a core has not used its time; where nobody knows what it has computed, the
  /// time that passes counts.
  @Test
  void timeIsWhatTheThreadComputes() {
    AtomicLong clock = new AtomicLong(11);
    AtomicLong cpu = new AtomicLong(7);
    Budget busy = new Budget(GrammarLimits.standard(), clock::get, cpu::get);
    clock.addAndGet(TimeUnit.SECONDS.toNanos(60));
    cpu.addAndGet(TimeUnit.SECONDS.toNanos(2));
    busy.time();
    cpu.incrementAndGet();
    assertThatThrownBy(busy::time).hasMessageContaining("within 2000 ms");
    Budget unknown = new Budget(GrammarLimits.standard(), clock::get, () -> -1);
    clock.addAndGet(TimeUnit.SECONDS.toNanos(2));
    unknown.time();
    clock.incrementAndGet();
    assertThatThrownBy(unknown::time).hasMessageContaining("within 2000 ms");
  }
}

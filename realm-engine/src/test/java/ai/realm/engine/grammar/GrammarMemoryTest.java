package ai.realm.engine.grammar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What grammars and matchers keep, and what compiling costs in steps.
@Timeout(120)
final class GrammarMemoryTest {
  private static final GrammarLimits PATIENT =
      new GrammarLimits(1 << 20, 64, 20_000, 60_000, 8 << 20, 600_000);

  private static TokenTrie vocabulary() {
    byte[][] texts = new byte[4096][];
    for (int t = 0; t < texts.length; t++) {
      String text = t < 95 ? Character.toString(' ' + t) : Integer.toString(t * 7919 + 46_656, 36);
      texts[t] = text.getBytes(StandardCharsets.UTF_8);
    }
    return TokenTrie.of(texts.length, t -> texts[t], 0);
  }

  /// Rules that call the one before or themselves: distances and followers run through all of them.
  private static String chain(int rules) {
    return IntStream.rangeClosed(1, rules)
            .mapToObj(i -> "r" + (rules + 1 - i))
            .collect(Collectors.joining("|", "root ::= ", "\nr0 ::= \"z\"\n"))
        + IntStream.rangeClosed(1, rules)
            .mapToObj(i -> "r%d ::= \"x\" r%d | \"y\" r%d\n".formatted(i, i - 1, i))
            .collect(Collectors.joining());
  }

  @ParameterizedTest
  @ValueSource(ints = {500, 8000})
  void aChainOfRulesTakesStepsInProportionToItsLength(int rules) {
    Budget budget = new Budget(PATIENT);
    Automaton automaton = AutomatonBuilder.build(GbnfParser.parse(chain(rules), budget));
    assertThat(budget.work()).isBetween((long) rules, 200L * rules);
    assertThat(automaton.distanceThrough(automaton.root)).isEqualTo(2);
    assertThat(IntStream.of(automaton.start).map(s -> automaton.distance[s]).max())
        .as("bytes of the longest chain")
        .hasValue(rules + 1);
    assertThat(automaton.followingBytes(automaton.root).isEmpty()).isTrue();
  }

  @Test
  void valuesOfTwoListsMeetByValue() {
    String values =
        IntStream.range(0, 20_000).mapToObj(Integer::toString).collect(Collectors.joining(","));
    String some = "1.0, 2e0, 19999, {\"a\": [1, null]}";
    String schema =
        "{\"allOf\":[{\"enum\":[%s,{\"a\":[1.00,null]}]},{\"enum\":[%s]}]}".formatted(values, some);
    Budget budget = new Budget(PATIENT);
    Automaton automaton = AutomatonBuilder.build(SchemaCompiler.compile(schema, budget));
    for (String text : new String[] {"1", "2", "19999"}) {
      assertThat(Grammar.matches(automaton, text.getBytes(StandardCharsets.UTF_8)))
          .as(text)
          .isTrue();
    }
    assertThat(Grammar.matches(automaton, new byte[] {'3'})).isFalse();
  }

  @Test
  void anInterruptEndsACompilationAndStays() {
    Thread.currentThread().interrupt();
    try {
      assertThatThrownBy(() -> Grammar.compile(Grammar.Kind.GBNF, chain(3000), PATIENT))
          .isInstanceOfSatisfying(
              GrammarException.class, e -> assertThat(e.code()).isEqualTo("GRAMMAR_LIMIT"));
      assertThatThrownBy(() -> new GrammarCache(2).get(Grammar.Kind.REGEX, "a"))
          .isInstanceOf(GrammarException.class);
    } finally {
      assertThat(Thread.interrupted()).isTrue();
    }
  }

  @Test
  void aLongTextTakesBytesInProportionToItsLengthWhateverItsCharacters() {
    String text =
        IntStream.range(0, 56_000)
            .map(i -> 35 + i * 31 % 90)
            .filter(c -> c != '\\')
            .mapToObj(Character::toString)
            .collect(Collectors.joining());
    Grammar grammar = Grammar.compile(Grammar.Kind.GBNF, "root ::= \"" + text + "\"", PATIENT);
    assertThat(grammar.accepts(text)).isTrue();
    assertThat(grammar.byteSize()).isLessThan(50L * text.length());
  }

  @Test
  void refusesMachinesThatTakeMoreThanTheirBytes() {
    String classes =
        IntStream.rangeClosed('!', '~')
            .filter(c -> c != '"' && c != '\\')
            .mapToObj(c -> "\"" + (char) c + "\"")
            .collect(Collectors.joining("|"));
    String source = "root ::= " + "[!-~]".repeat(20_000) + "|" + classes;
    assertThatThrownBy(() -> Grammar.compile(Grammar.Kind.GBNF, source, PATIENT))
        .isInstanceOfSatisfying(
            GrammarException.class, e -> assertThat(e.code()).isEqualTo("GRAMMAR_LIMIT"))
        .hasMessageContaining("bytes");
    // Sets of many nodes: the states are few, what makes them is not.
    String optional =
        IntStream.range(0, 6000)
            .mapToObj(i -> "\"" + (char) ('a' + i % 26) + "\"?")
            .collect(Collectors.joining(" "));
    assertThatThrownBy(() -> Grammar.compile(Grammar.Kind.GBNF, "root ::= " + optional, PATIENT))
        .hasMessageContaining("bytes");
  }

  @Test
  void theCacheKeepsItsBoundWhenMasksGrow() {
    TokenTrie trie = vocabulary();
    GrammarCache cache = new GrammarCache(64, 1 << 20);
    Grammar[] grammars = new Grammar[8];
    for (int i = 0; i < grammars.length; i++) {
      grammars[i] = cache.get(Grammar.Kind.GBNF, "root ::= [a-z0-9]{1,%d} \"!\"".formatted(20 + i));
    }
    assertThat(cache.size()).isEqualTo(grammars.length);
    for (Grammar grammar : grammars) {
      Matcher matcher = Matcher.of(grammar, trie);
      for (int i = 0; i < 12; i++) {
        matcher.prepare();
        matcher.accept(new byte[] {'a'});
      }
    }
    assertThat(cache.byteSize()).as("before").isGreaterThan(1 << 20);
    cache.shrink();
    assertThat(cache.byteSize()).isLessThanOrEqualTo(1 << 20);
    grammars[7].forgetMasks();
    assertThat(grammars[7].byteSize()).isLessThan(100_000);
  }

  @Test
  void theCacheKeepsNothingThatIsLargerThanItself() {
    GrammarCache cache = new GrammarCache(64, 1000);
    assertThat(cache.get(Grammar.Kind.JSON, "ignored").accepts("[1]")).isTrue();
    assertThat(cache.size()).isZero();
  }

  @Test
  void aMatcherSaysWhatItTakesAndForgetsIt() {
    TokenTrie trie = vocabulary();
    Matcher matcher = Matcher.of(Grammar.compile(Grammar.Kind.JSON, ""), trie);
    long before = matcher.byteSize();
    for (byte b : "[[[{\"a\":[1,{\"b\":[".getBytes(StandardCharsets.US_ASCII)) {
      matcher.prepare();
      matcher.accept(new byte[] {b});
    }
    long[] allowed = new long[64];
    matcher.mask(allowed);
    assertThat(matcher.byteSize()).isGreaterThan(before + 1000);
    long grown = matcher.byteSize();
    matcher.forget();
    assertThat(matcher.byteSize()).isLessThan(grown / 2 + before);
    long[] again = new long[64];
    matcher.mask(again);
    assertThat(again).isEqualTo(allowed);
  }
}

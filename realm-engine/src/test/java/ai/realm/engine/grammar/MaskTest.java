package ai.realm.engine.grammar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.gguf.GgufFile;
import ai.realm.testing.sample.SampleModel;
import ai.realm.tokenizer.Tokenizer;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Matchers over the sample model's vocabulary.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class MaskTest {
  private GgufFile model;
  private Tokenizer tokenizer;
  private TokenTrie vocabulary;

  @BeforeAll
  void openModel() {
    model = GgufFile.open(SampleModel.path());
    tokenizer = Tokenizer.of(model.metadata());
    vocabulary = TokenTrie.of(tokenizer);
  }

  @AfterAll
  void closeModel() {
    model.close();
  }

  private Matcher schema(String source) {
    return Matcher.of(Grammar.compile(Grammar.Kind.JSON_SCHEMA, source), vocabulary);
  }

  private Matcher gbnf(String source) {
    return Matcher.of(Grammar.compile(Grammar.Kind.GBNF, source), vocabulary);
  }

  private static List<Integer> tokens(long[] mask) {
    List<Integer> out = new ArrayList<>();
    for (int t = 0; t < 64 * mask.length; t++) {
      if ((mask[t >> 6] >>> t & 1) != 0) {
        out.add(t);
      }
    }
    return out;
  }

  private List<Integer> mask(Matcher matcher) {
    long[] mask = new long[vocabulary.size() + 63 >> 6];
    matcher.mask(mask);
    return tokens(mask);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "root ::= [a-z ]{3,60} (\"!\" | \" and \" root)",
        "root ::= item+\nitem ::= \"(\" item* \")\" | word \" \"?\nword ::= [a-zA-Z]+",
        "root ::= (\"the\" | \"th\" [a-z]{2,9} \" \"){2,} .{0,3}",
        "root ::= \"[\" list? \"]\"\nlist ::= val (\", \" val)*\nval ::= [0-9]{1,20} | [^0-9\\]]{2,40} | root",
      })
  void masksWhatEachTokenAloneWouldMatch(String grammar) {
    SplittableRandom random = new SplittableRandom(7);
    for (int run = 0; run < 5; run++) {
      Matcher matcher = gbnf(grammar);
      for (int step = 0; step < 25 && !matcher.isFinished(); step++) {
        List<Integer> allowed = mask(matcher);
        List<Integer> expected = new ArrayList<>();
        for (int t = 0; t < vocabulary.size(); t++) {
          if (matcher.allows(t)) {
            expected.add(t);
          }
        }
        assertThat(allowed).isEqualTo(expected).isNotEmpty();
        matcher.accept(allowed.get(random.nextInt(allowed.size())));
        if (matcher.isEnded()) {
          break;
        }
      }
    }
  }

  @Test
  void masksThatWereThereBeforeAreThoseThatWouldBeMade() {
    int found = 0;
    for (String source :
        List.of(
            "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"type\":\"number\"}}}",
            "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"minLength\":2,\"maxLength\":9000}}",
            "{\"type\":\"string\",\"pattern\":\"^[^0-9]*$\"}")) {
      Automaton automaton = Grammar.compile(Grammar.Kind.JSON_SCHEMA, source).automaton();
      for (int s = 0; s < automaton.states(); s++) {
        StateMask standard =
            automaton.readsBytes[s] ? vocabulary.standard().find(automaton, s, new Work()) : null;
        if (standard == null) {
          continue;
        }
        found++;
        int machine = automaton.machine[s];
        BitSet follow = automaton.followingBytes(machine);
        StateMask made =
            automaton.isCounted(machine)
                ? StateMask.ofBody(
                    automaton, vocabulary, s, automaton.start[machine], follow, new Work())
                : StateMask.of(automaton, vocabulary, s, follow, new Work());
        assertThat(bits(standard)).isEqualTo(bits(made));
        for (int b = follow.nextSetBit(0); b >= 0; b = follow.nextSetBit(b + 1)) {
          assertThat(standard.exits(b)).isEqualTo(made.exits(b));
        }
      }
    }
    assertThat(found).isPositive();
  }

  private List<Integer> bits(StateMask mask) {
    long[] allowed = new long[vocabulary.size() + 63 >> 6];
    mask.addTo(allowed);
    return tokens(allowed);
  }

  @Test
  void preparesTheMaskThatTheEngineThenAsksForAndMovesWhenAskedNext() {
    String grammar = "root ::= (\"the\" | \"th\" [a-z]{2,9} \" \"){2,} .{0,3}";
    SplittableRandom random = new SplittableRandom(3);
    Matcher plain = gbnf(grammar);
    Matcher prepared = gbnf(grammar);
    for (int step = 0; step < 30 && !plain.isFinished(); step++) {
      List<Integer> allowed = mask(plain);
      prepared.prepare();
      assertThat(mask(prepared)).isEqualTo(allowed);
      int token = allowed.get(random.nextInt(allowed.size()));
      plain.accept(token);
      prepared.accept(token);
      assertThat(prepared.fork().isComplete()).isEqualTo(plain.isComplete());
      assertThat(prepared.isFinished()).isEqualTo(plain.isFinished());
    }
  }

  @Test
  void letsTheOutputEndOnlyWhereItIsComplete() {
    Matcher matcher = gbnf("root ::= \"yes\" | \"yes please\"");
    assertThat(matcher.isComplete()).isFalse();
    assertThat(mask(matcher)).noneMatch(vocabulary::isEndOfGeneration);
    matcher.accept("yes".getBytes(StandardCharsets.UTF_8));
    assertThat(matcher.isComplete()).isTrue();
    assertThat(matcher.isFinished()).isFalse();
    List<Integer> allowed = mask(matcher);
    assertThat(allowed).anyMatch(vocabulary::isEndOfGeneration);
    matcher.accept(tokenizer.vocabulary().eos().orElseThrow());
    assertThat(matcher.isEnded()).isTrue();
    assertThat(mask(matcher)).isNotEmpty().allMatch(vocabulary::isEndOfGeneration);
  }

  @Test
  void refusesATokenThatDoesNotFitAndStaysWhereItWas() {
    Matcher matcher = gbnf("root ::= \"a\"");
    int eos = tokenizer.vocabulary().eos().orElseThrow();
    assertThatThrownBy(() -> matcher.accept(eos)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> matcher.accept(-1)).isInstanceOf(IllegalArgumentException.class);
    matcher.accept(new byte[] {'a'});
    assertThat(matcher.isComplete()).isTrue();
  }

  @Test
  void forksIndependently() {
    Matcher first = gbnf("root ::= \"a\" (\"b\" | \"c\")");
    first.accept(new byte[] {'a'});
    Matcher second = first.fork();
    first.accept(new byte[] {'b'});
    second.accept(new byte[] {'c'});
    assertThat(first.isComplete()).isTrue();
    assertThat(second.isComplete()).isTrue();
  }

  @Test
  void jumpsOverForcedText() {
    Matcher matcher =
        schema(
            "{\"type\":\"object\",\"properties\":{\"temperature\":{\"type\":\"integer\"}},"
                + "\"required\":[\"temperature\"],\"additionalProperties\":false}");
    assertThat(new String(matcher.forcedBytes(), StandardCharsets.UTF_8)).isEqualTo("{");
    matcher.accept("{ ".getBytes(StandardCharsets.UTF_8));
    assertThat(new String(matcher.forcedBytes(), StandardCharsets.UTF_8))
        .isEqualTo("\"temperature\"");
    int[] forced = matcher.forcedTokens();
    assertThat(forced).isNotEmpty();
    for (int token : forced) {
      matcher.accept(token);
    }
    assertThat("\"temperature\"").startsWith("\"" + tokenizer.decode(forced).strip().substring(1));
  }

  @Test
  void everyOutputGoesOnWithWhatWasForced() {
    int jumped = 0;
    for (int seed = 0; seed < 100; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      Matcher matcher =
          schema(
              "{\"type\":\"object\",\"properties\":{\"temperature\":{\"enum\":[\"cold\",\"colder\",\"warm\"]},"
                  + "\"city\":{\"const\":\"Zürich\"},\"id\":{\"type\":\"string\",\"pattern\":\"^ID-[0-9]{2}-X$\"}},"
                  + "\"required\":[\"temperature\",\"city\",\"id\"],\"additionalProperties\":false}");
      ByteArrayOutputStream output = new ByteArrayOutputStream();
      List<byte[]> promised = new ArrayList<>();
      while (!matcher.isFinished()) {
        ByteArrayOutputStream promise = new ByteArrayOutputStream();
        promise.writeBytes(output.toByteArray());
        promise.writeBytes(matcher.forcedBytes());
        promised.add(promise.toByteArray());
        int[] forced = seed % 2 == 0 ? matcher.forcedTokens() : new int[0];
        List<Integer> allowed = mask(matcher);
        int[] next =
            forced.length > 0 ? forced : new int[] {allowed.get(random.nextInt(allowed.size()))};
        jumped += forced.length;
        for (int token : next) {
          matcher.accept(token);
          if (!matcher.isEnded()) {
            output.writeBytes(vocabulary.text(token));
          }
        }
      }
      for (byte[] promise : promised) {
        assertThat(output.toByteArray()).startsWith(promise);
      }
    }
    assertThat(jumped).isGreaterThan(500);
  }

  @Test
  void knowsAShortestWayToTheEnd() {
    Matcher matcher =
        schema("{\"type\":\"array\",\"items\":{\"type\":\"string\",\"minLength\":3}}");
    matcher.accept("[\"ab".getBytes(StandardCharsets.UTF_8));
    assertThat(matcher.bytesToCompletion()).isEqualTo(3);
    byte[] rest = matcher.completion();
    assertThat(rest).hasSize(3).endsWith('"', ']');
    matcher.accept(rest);
    assertThat(matcher.isComplete()).isTrue();
    assertThat(matcher.isFinished()).isTrue();
  }

  @Test
  void countsCharactersAcrossTokens() {
    Matcher matcher = schema("{\"type\":\"string\",\"maxLength\":6}");
    matcher.accept("\"abcde".getBytes(StandardCharsets.UTF_8));
    for (int t : mask(matcher)) {
      String text = new String(vocabulary.text(t), StandardCharsets.UTF_8);
      assertThat(text.codePointCount(0, text.length())).isLessThanOrEqualTo(2);
    }
    assertThat(mask(matcher)).isNotEmpty();
  }
}

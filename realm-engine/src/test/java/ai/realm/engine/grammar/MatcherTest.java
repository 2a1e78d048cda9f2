package ai.realm.engine.grammar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.gguf.GgufFile;
import ai.realm.testing.sample.SampleModel;
import ai.realm.tokenizer.Tokenizer;
import com.networknt.schema.Error;
import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
final class MatcherTest {
  /// What ends JSON values, and the letters that one of the patterns waits for.
  private static final String[] CLOSERS = {"}", "]", "\"", "x", "y"};

  private static GgufFile file;
  private static Tokenizer tokenizer;
  private static TokenTrie trie;

  @BeforeAll
  static void open() {
    file = GgufFile.open(SampleModel.path());
    tokenizer = Tokenizer.of(file.metadata());
    trie = TokenTrie.of(tokenizer);
  }

  @AfterAll
  static void close() {
    file.close();
  }

  private static Matcher matcher(Grammar.Kind kind, String source) {
    return Matcher.of(Grammar.compile(kind, source), trie, tokenizer);
  }

  private static List<Integer> allowed(Matcher matcher) {
    int n = tokenizer.vocabulary().size();
    long[] mask = new long[(n + 63) / 64];
    matcher.mask(mask);
    List<Integer> tokens = new ArrayList<>();
    for (int t = 0; t < n; t++) {
      if ((mask[t >> 6] >>> t & 1) != 0) {
        tokens.add(t);
      }
    }
    return tokens;
  }

  @Test
  void theMaskIsExactlyTheTokensThatMatch() {
    Matcher matcher = matcher(Grammar.Kind.REGEX, "^ ?(the|them|a)[ .]{1,2}$");
    for (int t = 0; t < tokenizer.vocabulary().size(); t++) {
      boolean fits;
      try {
        matcher.fork().accept(t);
        fits = tokenizer.tokenBytes(t).length > 0;
      } catch (IllegalArgumentException e) {
        fits = false;
      }
      assertThat(allowed(matcher).contains(t)).as("token %d", t).isEqualTo(fits);
    }
  }

  @Test
  void onlyACompleteOutputMayEnd() {
    int end = tokenizer.vocabulary().eos().getAsInt();
    Matcher matcher = matcher(Grammar.Kind.GBNF, "root ::= \"Paris\" \".\"?");
    assertThat(allowed(matcher)).isNotEmpty().doesNotContain(end);
    assertThatThrownBy(() -> matcher.accept(end)).isInstanceOf(IllegalArgumentException.class);
    for (int token : spell("Paris")) {
      matcher.accept(token);
    }
    assertThat(matcher.isComplete()).isTrue();
    assertThat(matcher.isFinished()).isFalse();
    assertThat(allowed(matcher)).contains(end);
    matcher.accept(end);
    assertThat(matcher.isFinished()).isTrue();
    assertThat(allowed(matcher)).containsExactly(end);
  }

  /// Tokens for a text without the space that the tokenizer puts in front: one byte each.
  private static int[] spell(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    int[] tokens = new int[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      tokens[i] = tokenizer.vocabulary().find("<0x%02X>".formatted(bytes[i] & 0xff)).getAsInt();
    }
    return tokens;
  }

  @Test
  void aForkGoesItsOwnWay() {
    Matcher matcher = matcher(Grammar.Kind.GBNF, "root ::= \"ab\" | \"ac\"");
    matcher.accept(spell("a")[0]);
    Matcher fork = matcher.fork();
    matcher.accept(spell("b")[0]);
    fork.accept(spell("c")[0]);
    assertThat(matcher.isComplete()).isTrue();
    assertThat(fork.isComplete()).isTrue();
  }

  @Test
  void tellsWhatMustFollow() {
    String schema =
        "{\"type\":\"object\",\"properties\":{\"naïve\":{\"const\":true}},\"required\":[\"naïve\"]}";
    Matcher matcher = matcher(Grammar.Kind.JSON_SCHEMA, schema);
    assertThat(matcher.forced()).isEqualTo("{");
    for (int token : spell("{\"")) {
      matcher.accept(token);
    }
    assertThat(matcher.forced()).isEqualTo("naïve\"");
    for (int token : spell("naïve\":t")) {
      matcher.accept(token);
    }
    assertThat(matcher.forced()).isEqualTo("rue");
  }

  @Test
  void everyCompletedOutputOfRandomSchemasValidates() {
    SchemaRegistry registry = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12);
    SplittableRandom random = new SplittableRandom(20261123);
    int completed = 0;
    for (int round = 0; round < 1000; round++) {
      String schema = new RandomSchema(random).next();
      String output = generate(matcher(Grammar.Kind.JSON_SCHEMA, schema), random);
      Schema judge = registry.getSchema(schema, InputFormat.JSON);
      List<Error> errors = judge.validate(output, InputFormat.JSON);
      assertThat(errors).as("%s%n%s", schema, output).isEmpty();
      completed++;
    }
    assertThat(completed).isEqualTo(1000);
  }

  /// A model with no preferences that, after a while, closes what is open.
  private static String generate(Matcher matcher, SplittableRandom random) {
    List<Integer> tokens = new ArrayList<>();
    while (!matcher.isFinished()) {
      assertThat(tokens.size())
          .as("tokens, the last of them %s", tokens.reversed().stream().limit(30).toList())
          .isLessThan(20_000);
      List<Integer> allowed = allowed(matcher);
      assertThat(allowed).as(tokenizer.decode(ints(tokens))).isNotEmpty();
      int token = -1;
      if (random.nextInt(4) < (tokens.size() > 40 ? 3 : 1)) {
        int t = spell(CLOSERS[random.nextInt(CLOSERS.length)])[0];
        token = allowed.contains(t) ? t : -1;
      }
      if (matcher.isComplete() && random.nextInt(3) > 0) {
        token = tokenizer.vocabulary().eos().getAsInt();
      }
      if (token < 0) {
        token = allowed.get(random.nextInt(allowed.size()));
      }
      matcher.accept(token);
      tokens.add(token);
    }
    return new String(tokenizer.detokenize(ints(tokens), false, false), StandardCharsets.UTF_8);
  }

  private static int[] ints(List<Integer> list) {
    return list.stream().mapToInt(Integer::intValue).toArray();
  }
}

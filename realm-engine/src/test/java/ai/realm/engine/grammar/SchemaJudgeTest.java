package ai.realm.engine.grammar;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.gguf.GgufFile;
import ai.realm.testing.sample.SampleModel;
import ai.realm.tokenizer.Tokenizer;
import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/// Random schemas, outputs of random tokens under their masks, and networknt's validator as the judge.
final class SchemaJudgeTest {
  private static final int SCHEMAS = 1000;
  private static final int MAX_TOKENS = 120;

  @Test
  void everyOutputOfAThousandRandomSchemasIsValid() throws IOException {
    SchemaRegistry registry = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12);
    List<String> wrong = new ArrayList<>();
    int refused = 0;
    try (GgufFile model = GgufFile.open(SampleModel.path())) {
      TokenTrie vocabulary = TokenTrie.of(Tokenizer.of(model.metadata()));
      int judged = 0;
      for (long seed = 0; judged < SCHEMAS; seed++) {
        SplittableRandom random = new SplittableRandom(seed);
        String source = new RandomSchemas(random).next();
        Grammar grammar;
        try {
          grammar = Grammar.compile(Grammar.Kind.JSON_SCHEMA, source);
        } catch (GrammarException e) {
          refused++;
          assertThat(e.code()).as(source).isIn("GRAMMAR_UNSUPPORTED", "GRAMMAR_INVALID");
          continue;
        }
        Schema judge = registry.getSchema(source, InputFormat.JSON);
        String output = generate(Matcher.of(grammar, vocabulary), vocabulary, random);
        List<String> errors =
            judge
                .validate(
                    output,
                    InputFormat.JSON,
                    c -> c.executionConfig(x -> x.formatAssertionsEnabled(true)))
                .stream()
                .map(Object::toString)
                .toList();
        if (!errors.isEmpty()) {
          wrong.add("seed " + seed + ": " + source + "\n  " + output + "\n  " + errors);
        }
        judged++;
      }
    }
    assertThat(wrong).isEmpty();
    assertThat(refused).as("schemas refused").isLessThan(SCHEMAS / 20);
  }

  static String generate(Matcher matcher, TokenTrie vocabulary, SplittableRandom random) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    long[] mask = new long[vocabulary.size() + 63 >> 6];
    for (int step = 0; step < MAX_TOKENS && !matcher.isFinished(); step++) {
      matcher.mask(mask);
      int token = pick(mask, random);
      assertThat(matcher.allows(token)).isTrue();
      matcher.accept(token);
      if (!matcher.isEnded()) {
        out.writeBytes(vocabulary.text(token));
      }
    }
    out.writeBytes(matcher.completion());
    return out.toString(StandardCharsets.UTF_8);
  }

  private static int pick(long[] mask, SplittableRandom random) {
    int count = 0;
    for (long word : mask) {
      count += Long.bitCount(word);
    }
    assertThat(count).as("allowed tokens").isPositive();
    int nth = random.nextInt(count);
    for (int w = 0; ; w++) {
      int here = Long.bitCount(mask[w]);
      if (nth < here) {
        long word = mask[w];
        for (; nth > 0; nth--) {
          word &= word - 1;
        }
        return 64 * w + Long.numberOfTrailingZeros(word);
      }
      nth -= here;
    }
  }
}

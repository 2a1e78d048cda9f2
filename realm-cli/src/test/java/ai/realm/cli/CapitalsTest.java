package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.sample.SampleReference;
import ai.realm.testing.sample.SampleReference.Capital;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The bundled model asked through the command's own path: the guest, the host functions, the engine.
final class CapitalsTest {
  @Test
  void asManyCapitalsAreRightAsTheReferenceEngineGets() {
    SampleReference reference = SampleModel.reference();
    StringBuilder questions = new StringBuilder();
    for (Capital capital : reference.capitals()) {
      questions.append(capital.question()).append("\n/reset\n");
    }
    Invocation chat =
        Invocation.with(
            GuestSession::open,
            questions.toString(),
            "chat",
            "--model",
            SampleModel.path().toString());
    assertThat(chat.code()).as(chat.err()).isZero();
    String[] answers = chat.out().lines().toArray(String[]::new);
    assertThat(answers).hasSameSizeAs(reference.capitals());
    int right = 0;
    for (int i = 0; i < answers.length; i++) {
      right += answers[i].contains(reference.capitals().get(i).capital()) ? 1 : 0;
    }
    assertThat(right).isGreaterThanOrEqualTo(reference.capitalsRight());
  }

  @Test
  void answerKeepsToASchemaAGrammarOrARegularExpression(@TempDir Path folder) throws IOException {
    Path schema = folder.resolve("schema.json");
    Files.writeString(schema, "{\"enum\":[{\"capital\":\"Paris\"},{\"capital\":\"Rome\"}]}");
    Path grammar = folder.resolve("answer.gbnf");
    Files.writeString(grammar, "root ::= \" \"? (\"Oslo\" | \"Rome\")");
    String question = "What is the capital of France?";
    assertThat(run("--json-schema", schema.toString(), question).out().strip())
        .matches("\\{\\s*\"capital\"\\s*:\\s*\"(Paris|Rome)\"\\s*}");
    assertThat(run("--grammar", grammar.toString(), question).out().strip()).isIn("Oslo", "Rome");
    assertThat(run("--regex", "^ ?[A-Z][a-z]{3,5}$", question).out().strip())
        .matches("[A-Z][a-z]{3,5}");
    Files.writeString(schema, "no json");
    Invocation wrong = run("--json-schema", schema.toString(), question);
    assertThat(wrong.err())
        .contains("realm: --json-schema " + schema + ": schema: expected a value")
        .doesNotContain("\tat ");
    assertThat(wrong.code()).isEqualTo(ExitCode.USAGE);
  }

  @Test
  void tokensCanBeExcludedAndEndsPutOff() {
    String question = "What is the capital of France?";
    assertThat(run("--logit-bias", "1542=-inf", question).out())
        .isNotBlank()
        .doesNotContain("Paris");
    assertThat(run("--min-tokens", "10", "--max-tokens", "12", question).err())
        .contains("12 new tokens");
    Invocation wrong = run("--sampling", "typical_p=9", question);
    assertThat(wrong.err()).contains("typical p: expected 0 to 1, found 9");
  }

  private static Invocation run(String... arguments) {
    List<String> all = new ArrayList<>(List.of("run", "--model", SampleModel.path().toString()));
    all.addAll(List.of(arguments));
    return Invocation.of(all.toArray(String[]::new));
  }

  @Test
  void answersEqualTheReferenceEnginesWordForWord() {
    Capital france = SampleModel.reference().capitals().getFirst();
    Invocation run =
        Invocation.of("run", "--model", SampleModel.path().toString(), france.question());
    assertThat(run.code()).as(run.err()).isZero();
    assertThat(run.out()).isEqualTo(france.answer() + System.lineSeparator());
    assertThat(run.err().lines().reduce((a, b) -> b))
        .hasValueSatisfying(
            line -> assertThat(line).startsWith("[11 prompt tokens, 7 new tokens, first token"));
  }
}

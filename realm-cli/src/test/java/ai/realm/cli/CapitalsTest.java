package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.sample.SampleReference;
import ai.realm.testing.sample.SampleReference.Capital;
import org.junit.jupiter.api.Test;

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

package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.template.ChatMessage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class RunCommandTest {
  private final FakeSession session = new FakeSession();

  private Invocation run(String input, String... args) {
    return Invocation.with((options, progress) -> session, input, args);
  }

  @Test
  void answerGoesToStandardOutputAndOneLineOfStatisticsToStandardError() {
    session.answering("Par", "is", ".");
    Invocation run = run("", "run", "What is the capital of France?");
    assertThat(run.code()).isZero();
    assertThat(run.out()).isEqualTo("Paris.%n".formatted());
    assertThat(run.err())
        .isEqualTo(
            "[7 prompt tokens, 3 new tokens, first token after 2 ms, 200.0 tokens/s, fake (1 thread)]%n"
                .formatted());
    assertThat(session.asked.getFirst().messages())
        .containsExactly(new ChatMessage("user", "What is the capital of France?"));
    assertThat(session.closed).isTrue();
  }

  @Test
  void quietLeavesTheStatisticsOut() {
    session.answering("Hi");
    assertThat(run("", "run", "-q", "Hello").err()).isEmpty();
  }

  @Test
  void unquotedWordsAreOnePrompt() {
    session.answering("Hi");
    run("", "run", "Hello", "there");
    assertThat(session.asked.getFirst().messages().getFirst().content()).isEqualTo("Hello there");
  }

  @Test
  void dashReadsThePromptFromStandardInput() {
    session.answering("Hi");
    run("Grüße\nzwei Zeilen\n", "run", "-");
    assertThat(session.asked.getFirst().messages().getFirst().content())
        .isEqualTo("Grüße\nzwei Zeilen");
  }

  @Test
  void samplingOptionsReachTheGuest() {
    session.answering("Hi");
    run(
        "",
        "run",
        "--temperature",
        "0.7",
        "--top-k",
        "5",
        "--top-p",
        "0.5",
        "--min-p",
        "0.1",
        "--seed",
        "42",
        "--max-tokens",
        "9",
        "--stop",
        "END",
        "--stop",
        "\n",
        "--raw",
        "Hello");
    GenerationRequest asked = session.asked.getFirst();
    assertThat(asked.raw()).isTrue();
    assertThat(asked.sampling().temperature()).isEqualTo(0.7f);
    assertThat(asked.sampling().topK()).isEqualTo(5);
    assertThat(asked.sampling().topP()).isEqualTo(0.5f);
    assertThat(asked.sampling().minP()).isEqualTo(0.1f);
    assertThat(asked.sampling().seed()).isEqualTo(42);
    assertThat(asked.sampling().maxTokens()).isEqualTo(9);
    assertThat(asked.sampling().stop()).containsExactly("END", "\n");
  }

  @Test
  void logprobsGoToStandardErrorAndStopTokensToTheGuest() {
    session.answering("Yes.");
    Invocation run = run("", "run", "--logprobs", "--stop-token", "7", "--stop-token=8", "Hi");
    assertThat(run.err()).startsWith("token 42 logprob -0.2500%n".formatted());
    assertThat(session.asked.getFirst().sampling().more())
        .contains("\"stop_tokens\":[7, 8]", "\"logprobs\":true");
  }

  @Test
  void fallbackBackendIsSaidInOneLine() {
    session.answering("Hi");
    session.notices.add("backend native is not available: there is no C compiler");
    assertThat(run("", "run", "Hello").err().lines().findFirst())
        .contains("realm: backend native is not available: there is no C compiler");
  }

  @Test
  void stoppedGenerationEndsWithTheInterruptCode() {
    session.answering("Once upon");
    session.cancel();
    Invocation run = run("", "run", "Tell me a story.");
    assertThat(run.code()).isEqualTo(130);
    assertThat(run.out()).isEqualTo("Once upon%n".formatted());
    assertThat(run.err()).contains("1 new tokens, stopped");
  }

  @Test
  void optionOutOfRangeIsNamedWithItsRange() {
    Invocation run = run("", "run", "--top-p", "1.5", "Hello");
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err())
        .isEqualTo(
            "realm: --top-p: expected above 0, at most 1, found 1.5%nSee: realm run --help%n"
                .formatted());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "--regex|(|--regex: pattern: expected ')' at character 1",
        "--stop-token|100|--stop-token: expected a token id of 0 to 99, found 100",
        "--stop-token|-1|--stop-token: expected a token id of 0 to 99, found -1",
        "--logit-bias|100=1|--logit-bias: expected a token id of 0 to 99, found 100",
        "--logit-bias|7=much|--logit-bias 7: expected a number, -inf or false, found much",
        "--frequency-penalty|NaN|--frequency-penalty: expected a number, found NaN",
        "--presence-penalty|Infinity|--presence-penalty: expected a number, found Infinity"
      })
  void whatNoAnswerCanFollowIsSaidBeforeThePrompt(String option, String value, String sentence) {
    for (String command : new String[] {"run", "chat"}) {
      String[] args = {command, option, value, "Hello"};
      Invocation run = run("Hello\n", command.equals("run") ? args : Arrays.copyOf(args, 3));
      assertThat(run.err()).startsWith("realm: " + sentence).contains("See: realm " + command);
      assertThat(run.code()).isEqualTo(ExitCode.USAGE);
      assertThat(session.asked).isEmpty();
    }
  }

  @Test
  void grammarsInFilesAreCompiledBeforeThePrompt(@TempDir Path folder) throws IOException {
    Path file = Files.writeString(folder.resolve("wrong"), "root ::= (");
    for (String option : new String[] {"--grammar", "--json-schema"}) {
      Invocation chat = run("Hello\n", "chat", option, file.toString());
      assertThat(chat.err())
          .startsWith("realm: " + option + " " + file + ": ")
          .contains("expected");
      assertThat(chat.code()).isEqualTo(ExitCode.USAGE);
    }
    assertThat(session.asked).isEmpty();
  }

  @Test
  void optionsThatDoNotGoTogetherAreAUsageError() {
    Invocation run = run("", "run", "--raw", "--system", "Be brief.", "Hello");
    assertThat(run.code()).isEqualTo(ExitCode.USAGE);
    assertThat(run.err()).startsWith("realm: --system: expected the chat template, found --raw");
  }

  @Test
  void missingPromptIsAUsageError() {
    Invocation run = run("", "run");
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).startsWith("realm: Missing required parameter: 'PROMPT'");
  }

  @Test
  void unexpectedFailureIsOneSentenceAndVerboseAddsTheTrace() {
    session.failures.add(new ArithmeticException("/ by zero"));
    Invocation plain = run("", "run", "Hello");
    assertThat(plain.code()).isEqualTo(1);
    assertThat(plain.err().lines()).hasSize(1);
    assertThat(plain.err()).contains("ArithmeticException: / by zero").doesNotContain("\tat ");

    session.failures.add(new ArithmeticException("/ by zero"));
    assertThat(run("", "run", "--verbose", "Hello").err()).contains("\tat ");
  }
}

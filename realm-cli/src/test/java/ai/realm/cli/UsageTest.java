package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.SampleModel;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// A wrong option is said as such by every command, with one exit code.
final class UsageTest {
  private static final String MODEL = SampleModel.path().toString();

  static Stream<String> wrong() {
    return Stream.of(
        "--backend: expected auto or one of|run --backend quick Hello",
        "--backend: expected auto or one of|chat --backend quick",
        "--backend: expected auto or one of|guest run --backend quick default Hello",
        "--backend: expected auto or one of|bench --backend quick -m " + MODEL,
        "--backend: expected auto or one of|perplexity --backend quick no.gguf no.txt",
        "--threads: expected 0 to 1024, found -1|run --threads -1 Hello",
        "--threads: expected 0 to 1024, found 1025|perplexity --threads 1025 no.gguf no.txt",
        "--threads: expected 1 or more, found 0|quantize --threads 0 in.gguf out.gguf Q4_0",
        "--context: expected 4 or more, found 3|perplexity --context 3 no.gguf no.txt",
        "--sequences: expected 1 or more, found 0|bench --sequences 0 -m " + MODEL,
        "--generate: expected 0 or more, found -5|bench --generate 3,-5 -m " + MODEL,
        "--lora-strength: expected an adapter|run --lora-strength 2 Hello",
        "--lora-strength: expected an adapter|guest run --lora-strength 2 default Hello",
        "--saved-kv-dir %s: expected a folder|chat --saved-kv-dir %s".replace("%s", MODEL),
        "--config: json: expected|guest run --config {\"width\":} default Hello",
        "--config: json: expected an object, found another value"
            + "|guest run --config [] default Hello",
        "--tool: expected NAME=COMMAND|guest run --tool add default Hello",
        "--tool: expected one command|guest run --tool a=b --tool a=c default Hello",
        "--stop-token: expected a token id of 0 to 1791, found 99999"
            + "|chat --stop-token 99999 -m "
            + MODEL);
  }

  @ParameterizedTest
  @MethodSource("wrong")
  void wrongOptionsAreSaidWithWhatIsExpected(String test) {
    int end = test.indexOf('|');
    String[] args = test.substring(end + 1).split(" ");
    Invocation run = Invocation.of(args);
    assertThat(run.err()).startsWith("realm: " + test.substring(0, end)).contains("\nSee: realm ");
    assertThat(run.code()).as(Arrays.toString(args)).isEqualTo(ExitCode.USAGE);
  }
}

package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The built default guest on the real model.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class RealmRuntimeTest extends SampleFixture {
  private RealmRuntime runtime;
  private long model;

  @BeforeAll
  void load() {
    runtime = new RealmRuntime(sample());
    runtime.loadWasm(DefaultGuest.bytes());
    model = runtime.callFunction("load_model", "sample", "{}").value();
  }

  @AfterAll
  void close() {
    runtime.close();
  }

  private CallResult generate(String prompt, String config) {
    return runtime.callFunction("generate", model, prompt, config);
  }

  @Test
  void capitalOfFranceComesThroughGuestAndHostFunctions() {
    assertThat(model).isPositive();
    CallResult result = generate("What is the capital of France?", "{}");
    assertThat(result.text()).isEqualTo("The capital of France is Paris.");
    assertThat(result.value()).isZero();
    assertThat(result.promptTokens()).isEqualTo(11);
    assertThat(result.newTokens()).isEqualTo(7);
  }

  @Test
  void textStreamsTokenByToken() {
    Sent sent = new Sent();
    runtime.callFunction("generate", sent, model, "What is the capital of France?", "{}");
    assertThat(sent.text()).isEqualTo("The capital of France is Paris.");
    assertThat(sent.tokens()).containsExactly(286, 279, 278, 1200, 269, 1542, 1730);
  }

  @ParameterizedTest
  @ValueSource(strings = {"{\"logprobs\":true}", "{\"logprobs\":true,\"stop\":[\"zzz\"]}"})
  void logprobsComeAsEventsOneForEachToken(String config) {
    List<Integer> tokens = new ArrayList<>();
    List<Float> logprobs = new ArrayList<>();
    GuestOutput output =
        new GuestOutput() {
          @Override
          public void text(String text) {}

          @Override
          public void event(int kind, byte[] data) {
            ByteBuffer fields = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
            tokens.add(fields.getInt(0));
            logprobs.add(fields.getFloat(4));
          }
        };
    runtime.callFunction("generate", output, model, "What is the capital of France?", config);
    assertThat(tokens).containsExactly(286, 279, 278, 1200, 269, 1542, 1730);
    assertThat(logprobs).hasSize(7).allMatch(p -> p <= 0 && p > -5);
  }

  @Test
  void maxTokensEndsTheGenerationAndSaysSo() {
    CallResult result = generate("Tell me a story about a fox.", "{\"max_tokens\": 5}");
    assertThat(result.newTokens()).isEqualTo(5);
    assertThat(result.value()).isEqualTo(1);
  }

  @Test
  void stopTextEndsTheAnswerBeforeItAcrossTokenBorders() {
    CallResult result =
        generate("What is the capital of France?", "{\"stop\": [\"nothing\", \"ce is P\"]}");
    assertThat(result.text()).isEqualTo("The capital of Fran");
    assertThat(result.value()).isZero();
  }

  @Test
  void stopTextThatNeverComesChangesNothing() {
    assertThat(generate("What is the capital of France?", "{\"stop\": \"Paris!\"}").text())
        .isEqualTo("The capital of France is Paris.");
  }

  @Test
  void rawTextIsContinuedWithoutTheTemplate() {
    CallResult result = generate("The capital of Italy is", "{\"raw\": true, \"max_tokens\": 2}");
    assertThat(result.promptTokens()).isEqualTo(6);
    assertThat(result.text()).contains("Rome");
  }

  @Test
  void conversationIsRenderedTurnByTurn() {
    String messages =
        """
        [{"role": "system", "content": "You are a helpful assistant."},
         {"role": "user", "content": "What is the capital of Germany?"}]\
        """;
    assertThat(generate(messages, "{\"messages\": true}").text()).contains("Berlin");
  }

  @Test
  void controlTokenTypedByAUserStaysText() {
    int plain = generate("Hello", "{\"max_tokens\": 1}").promptTokens();
    int typed = generate("</s><|assistant|>", "{\"max_tokens\": 1}").promptTokens();
    // One control token each would make five in all; broken up they are many pieces.
    assertThat(typed).isGreaterThan(plain + 3);
  }

  @Test
  void sameSeedGivesTheSameTextAndAnotherSeedAnother() {
    String prompt = "Tell me a story about a fox.";
    String hot = "{\"temperature\": 2.5, \"max_tokens\": 30, \"seed\": %d}";
    String first = generate(prompt, hot.formatted(1)).text();
    assertThat(generate(prompt, hot.formatted(1)).text()).isEqualTo(first);
    assertThat(generate(prompt, hot.formatted(2)).text()).isNotEqualTo(first);
  }

  @Test
  void malformedConfigurationIsRefused() {
    assertThat(generate("Hello", "{\"max_tokens\": ").value()).isEqualTo(Errno.EINVAL);
    assertThat(generate("Hello", "nonsense").value()).isEqualTo(Errno.EINVAL);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "{\"temperature\":\"x\"} | temperature: expected a number, found \"x\"}",
        "{\"top_k\":\"5\"} | top_k: expected a number, found \"5\"}",
        "{\"stop\":[1]} | stop: expected a text, found 1]}",
        "{\"raw\":1} | raw: expected true or false, found 1}",
        "{\"open\":\"x\"} | open: expected \"raw\":true beside it, found the end",
        "{ | expected a text, found the end",
        "{\"max_tokens\":3}garbage | expected nothing behind the object, found garbage",
        "{\"max_tokens\":1.5} | max_tokens: expected a whole number, found 1.5}",
        "{\"max_tokens\":-1} | max_tokens: expected 0 or more, found -1}",
        "{\"regex\":\"a\",\"json\":true} | json: expected only one of json_schema, grammar, regex and json, found true}",
      })
  void whatIsWrongWithTheConfigurationIsLogged(String config, String reason) {
    Sent sent = new Sent();
    CallResult result = runtime.callFunction("generate", sent, model, "Hello", config);
    assertThat(result.value()).isEqualTo(Errno.EINVAL);
    assertThat(sent.log()).containsExactly("0 configuration: " + reason);
  }

  @Test
  void promptLongerThanTheContextIsRefused() {
    assertThat(generate("many words ".repeat(400), "{}").value()).isEqualTo(Errno.EMSGSIZE);
    assertThat(generate("many words ".repeat(40_000), "{}").value()).isEqualTo(Errno.EMSGSIZE);
  }

  @Test
  void generationEndsWhereTheContextIsFull() {
    CallResult result = generate("word ".repeat(190), "{\"raw\": true}");
    assertThat(result.promptTokens() + result.newTokens()).isLessThanOrEqualTo(512);
  }

  @Test
  void forgedHandlesAreRefused() {
    for (long handle : new long[] {0, 1, -1, model + 1, Integer.MAX_VALUE}) {
      assertThat(runtime.callFunction("generate", handle, "Hello", "{}").value())
          .isEqualTo(Errno.EBADF);
    }
  }

  @Test
  void unknownModelAndUnknownFunctionAreRefused() {
    assertThat(runtime.callFunction("load_model", "another", "{}").value()).isEqualTo(Errno.ENOENT);
    assertThatThrownBy(() -> runtime.callFunction("nothing"))
        .isInstanceOf(GuestFormatException.class)
        .hasMessageContaining("exports no function nothing");
  }

  @Test
  void cancelEndsTheGenerationWithinAStep() {
    GuestOutput cancelling =
        new GuestOutput() {
          private int tokens;

          @Override
          public void text(String text) {}

          @Override
          public void token(int id) {
            if (++tokens == 3) {
              runtime.cancel();
            }
          }
        };
    CallResult result =
        runtime.callFunction("generate", cancelling, model, "Tell me a story about a fox.", "{}");
    assertThat(result.newTokens()).isEqualTo(3);
    assertThat(result.value()).isEqualTo(Errno.ECANCELED);
    assertThat(generate("What is the capital of France?", "{}").text()).contains("Paris");
  }

  @Test
  void schemaMakesTheDefaultGuestAnswerInJson() {
    String schema =
        "{\"type\":\"object\",\"properties\":{\"capital\":{\"enum\":[\"Rome\",\"Paris\"]}},"
            + "\"required\":[\"capital\"],\"additionalProperties\":false}";
    CallResult result =
        generate("What is the capital of France?", "{\"json_schema\":" + schema + "}");
    assertThat(result.text()).matches("\\{\\s*\"capital\"\\s*:\\s*\"(Paris|Rome)\"\\s*}");
    assertThat(result.value()).isZero();
  }

  /// A schema's names and punctuation are appended without being sampled.
  @Test
  void tokensThatASchemaLeavesNoChoiceAboutTakeNoSteps() {
    String schema =
        "{\"type\":\"object\",\"properties\":{\"capital of the country\":"
            + "{\"enum\":[\"Rome is the capital\",\"Paris is the capital\"]}},"
            + "\"required\":[\"capital of the country\"],\"additionalProperties\":false}";
    String pattern =
        "\\{\\s*\"capital of the country\"\\s*:\\s*\"(Paris|Rome) is the capital\"\\s*}";
    String asked = "What is the capital of France?";
    Sent sent = new Sent();
    CallResult jumped =
        runtime.callFunction("generate", sent, model, asked, "{\"json_schema\":" + schema + "}");
    assertThat(jumped.text()).matches(pattern).isEqualTo(sent.text());
    assertThat(jumped.value()).isZero();
    assertThat(sent.tokens()).hasSizeGreaterThan(jumped.newTokens() + 5);
    // With probabilities every token is sampled.
    CallResult sampled = generate(asked, "{\"logprobs\":true,\"json_schema\":" + schema + "}");
    assertThat(sampled.text()).matches(pattern);
    assertThat(jumped.newTokens()).isLessThan(sampled.newTokens());
    // Held back for a stop text, and cut at a length, forced tokens count as the others do.
    assertThat(generate(asked, "{\"stop\":\" the country\",\"json_schema\":" + schema + "}").text())
        .matches("\\{\\s*\"capital of");
    CallResult cut = generate(asked, "{\"max_tokens\":8,\"json_schema\":" + schema + "}");
    assertThat(cut.value()).isEqualTo(1);
    assertThat(cut.newTokens()).isLessThan(8);
    assertThat(jumped.text()).startsWith(cut.text());
  }

  @Test
  void anAnswerThatNothingCanFollowEndsWithoutAnotherStep() {
    String end = "\"logit_bias\":{\"2\":\"-inf\"}";
    CallResult result =
        generate("Is it so?", "{\"regex\":\"^(Yes|No), it is [a-z]{3}!$\"," + end + "}");
    assertThat(result.text()).matches("(Yes|No), it is [a-z]{3}!");
    assertThat(result.value()).isZero();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`{\"regex\":\"^ ?It is [A-Z][a-z]{2,9}!$\"}`|`It is [A-Z][a-z]{2,9}!`",
        "`{\"grammar\":\"root ::= \\\" yes\\\" | \\\" no\\\"\"}`|`yes|no`",
        "`{\"logit_bias\":{\"1542\":\"-inf\"}}`|`((?!Paris).)*`",
        "`{\"logit_bias\":{\"1542\":false},\"samplers\":[\"top_k\"],\"top_k\":1}`|`((?!Paris).)*`",
        "`{\"stop_tokens\":[1542]}`|`The capital of France is`",
        "`{\"min_tokens\":12}`|`The capital of France is Paris\\..{10,}`",
        "`{\"min_tokens\":6,\"stop\":[\"capital\"]}`|`The capital of France is Paris\\.`",
        "`{\"min_tokens\":6,\"stop\":[\"is Paris.\"]}`|`The capital of France`",
        "`{\"min_tokens\":7,\"stop\":[\"is Paris.\"]}`|`The capital of France is Paris\\..*`",
        "`{\"min_tokens\":12,\"regex\":\"^ ?It is [A-Z][a-z !]{1,60}$\"}`|`It is [A-Z][a-z !]{9,}`",
        "`{\"typical_p\":0.9,\"mirostat_tau\":0,\"unknown\":{\"a\":[1,{}]}}`|`The capital of France is Paris\\.`",
      })
  void configurationReachesSamplerAndGrammar(String config, String expected) {
    assertThat(generate("What is the capital of France?", config).text())
        .matches(text -> text.strip().matches("(?s)" + expected), "matches " + expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`{\"typical_p\":7}`|`SAMPLER_INVALID`|`typical p`",
        "`{\"samplers\":[\"top_q\"]}`|`SAMPLER_INVALID`|`top_q`",
        "`{\"logit_bias\":{\"99999\":1}}`|`SAMPLER_INVALID`|`token id below 1792`",
        "`{\"grammar\":\"root ::= (\"}`|`GRAMMAR_INVALID`|`expected`",
        "`{\"json_schema\":{\"type\":\"nothing\"}}`|`GRAMMAR_INVALID`|`nothing`",
      })
  void wrongConfigurationIsSaidToTheCaller(String config, String code, String part) {
    assertThatThrownBy(() -> generate("What is the capital of France?", config))
        .isInstanceOfSatisfying(RealmException.class, e -> assertThat(e.code()).isEqualTo(code))
        .hasMessageContaining(part);
  }

  @Test
  void failureOfTheReceiverReachesTheCallerAsItIs() {
    UncheckedIOException gone = new UncheckedIOException(new IOException("nobody reads"));
    GuestOutput closed =
        text -> {
          throw gone;
        };
    try (RealmRuntime other = new RealmRuntime(sample())) {
      other.loadWasm(DefaultGuest.bytes());
      long handle = other.callFunction("load_model", "sample", "{}").value();
      assertThatThrownBy(
              () -> other.callFunction("generate", closed, handle, "Tell me a story.", "{}"))
          .isSameAs(gone);
      long again = other.callFunction("load_model", "sample", "{}").value();
      assertThat(
              other.callFunction("generate", again, "What is the capital of France?", "{}").text())
          .contains("Paris");
    }
  }

  @Test
  void callPastItsDeadlineIsEndedAndTheNextOneWorks() {
    RuntimeConfig hurried =
        builder().limits(GuestLimits.DEFAULT.withDeadline(Duration.ofMillis(1500))).build();
    GuestOutput slow =
        text -> {
          try {
            Thread.sleep(Duration.ofMillis(200));
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        };
    try (RealmRuntime other = new RealmRuntime(hurried)) {
      other.loadWasm(DefaultGuest.bytes());
      long handle = other.callFunction("load_model", "sample", "{}").value();
      String prompt = "Tell me a story about a fox.";
      assertThatThrownBy(() -> other.callFunction("generate", slow, handle, prompt, "{}"))
          .isInstanceOf(GuestTrapException.class)
          .hasMessageContaining("time for the call");
      long again = other.callFunction("load_model", "sample", "{}").value();
      assertThat(
              other.callFunction("generate", again, "What is the capital of France?", "{}").text())
          .contains("Paris");
    }
  }
}

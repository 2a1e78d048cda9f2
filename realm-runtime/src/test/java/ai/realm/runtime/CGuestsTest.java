package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.realm.gguf.GgufFile;
import ai.realm.quantize.QuantizationMix;
import ai.realm.quantize.QuantizationProgress;
import ai.realm.quantize.Quantizer;
import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The example guests in C, each doing on the real model what a plain loop cannot.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
final class CGuestsTest extends SampleFixture {
  private static final String FRANCE = "What is the capital of France?";
  private static final String STORY = "Tell me a story about a fox.";

  @Test
  void plainLoopAnswersAndEndsAtItsLength() throws IOException {
    try (ExampleGuest guest = ExampleGuest.open("plain", backend)) {
      assertThat(guest.generate(FRANCE, "{}").text()).isEqualTo("The capital of France is Paris.");
      assertThat(guest.generate(FRANCE, "{\"max_tokens\":3}").value()).isEqualTo(1);
      CallResult longer = guest.generate(FRANCE, "{\"max_tokens\":20,\"ignore_end\":1}");
      assertThat(guest.tokens()).hasSize(20);
      assertThat(longer.text()).startsWith("The capital of France is Paris.");
    }
  }

  /// `guests/c/realm_guest.h` reads it without a JSON library.
  @Test
  void configurationIsReadAsJson() throws IOException {
    try (ExampleGuest guest = ExampleGuest.open("plain", backend)) {
      for (String three :
          new String[] {
            "{\"max_tokens\":\n3}",
            "{\"max_tokens\"\t:\r3}",
            "{\"note\":\"max_tokens\",\"max_tokens\":3}",
            "{\"note\":\"\\\"max_tokens\\\":1\",\"max_tokens\":3}",
            "{\"inner\":{\"max_tokens\":1},\"list\":[\"max_tokens\"],\"max_tokens\":3}",
            "{\"max_tokens\":0.3e+1}",
            "{\"max_tokens\":3000E-3}"
          }) {
        assertThat(guest.generate(FRANCE, three).value()).as(three).isEqualTo(1);
        assertThat(guest.tokens()).as(three).hasSize(3);
      }
      for (String none :
          new String[] {
            "{\"max_tokens\":\"5\"}",
            "{\"max_tokens\":null}",
            "{\"max_tokens\":",
            "{\"max_tokens",
            "{\"inner\":{\"max_tokens\":1}}"
          }) {
        assertThat(guest.generate(FRANCE, none).text())
            .as(none)
            .isEqualTo("The capital of France is Paris.");
      }
    }
    try (ExampleGuest guest = ExampleGuest.open("best_of_n", backend)) {
      String format = "{\"n\":1,\"seed\":3,\"temperature\":%s}";
      String hot = guest.generate(STORY, format.formatted("1.2")).text();
      assertThat(guest.generate(STORY, format.formatted("12e-1")).text()).isEqualTo(hot);
      assertThat(guest.generate(STORY, format.formatted("0.1")).text()).isNotEqualTo(hot);
    }
  }

  @Test
  void bestOfNEmitsTheAnswerThatTheModelFindsMostProbable() throws IOException {
    try (ExampleGuest guest = ExampleGuest.open("best_of_n", backend)) {
      CallResult result = guest.generate(STORY, "{\"n\":6,\"temperature\":1.2,\"seed\":3}");
      float[] scores = guest.floats(1);
      int best = guest.ints(2)[0];
      assertThat(scores).hasSize(6);
      for (float score : scores) {
        assertThat(score).isLessThanOrEqualTo(scores[best]).isNegative();
      }
      // The answer alone, as a plain loop with that seed samples it.
      CallResult alone =
          guest.generate(STORY, "{\"n\":1,\"temperature\":1.2,\"seed\":%d}".formatted(3 + best));
      assertThat(result.text()).isNotBlank().isEqualTo(alone.text());
      assertThat(guest.floats(1)[0]).isCloseTo(scores[best], within(0.02f));
    }
  }

  @Test
  void beamSearchFindsMoreProbableAnswersThanGreedyDecoding() throws IOException {
    try (ExampleGuest guest = ExampleGuest.open("beam_search", backend)) {
      int better = 0;
      float gained = 0;
      for (String prompt :
          new String[] {FRANCE, STORY, "Tell me a story about a river.", "Count from 3 to 7."}) {
        CallResult greedy = guest.generate(prompt, "{\"width\":1,\"max_tokens\":40}");
        float greedyScore = guest.floats(1)[0];
        guest.generate(prompt, "{\"width\":6,\"max_tokens\":40}");
        float score = guest.floats(1)[0];
        assertThat(greedy.text()).isNotBlank();
        gained += score - greedyScore;
        better += score > greedyScore + 0.01f ? 1 : 0;
      }
      // Not for each prompt: what greedy decoding takes may fall out of the beam.
      assertThat(better).as("prompts with a better answer").isPositive();
      assertThat(gained).as("log probability gained").isPositive();
      assertThat(guest.generate(FRANCE, "{}").text()).contains("Paris");
    }
  }

  @Test
  void jsonGuestFollowsTheSchemaAndJumpsOverWhatIsForced() throws IOException {
    String schema =
        "{\"type\":\"object\",\"properties\":{\"country\":{\"const\":\"France\"},"
            + "\"capital\":{\"enum\":[\"Paris\",\"Rome\",\"Oslo\"]}},"
            + "\"required\":[\"country\",\"capital\"],\"additionalProperties\":false}";
    try (ExampleGuest guest = ExampleGuest.open("json", backend)) {
      CallResult result = guest.generate(FRANCE, "{\"json_schema\":" + schema + "}");
      assertThat(result.text())
          .matches(
              "\\s*\\{\\s*\"country\"\\s*:\\s*\"France\"\\s*,\\s*\"capital\"\\s*:\\s*\"(Paris|Rome|Oslo)\"\\s*}");
      int[] stats = guest.ints(1);
      assertThat(stats[2]).as("forced tokens").isGreaterThan(stats[0]);
      assertThat(result.value()).isZero();
    }
  }

  @Test
  void speculativeDecodingSaysTheSameInFewerStepsOfTheTarget(@TempDir Path folder)
      throws IOException {
    Path draft = folder.resolve("draft.gguf");
    try (GgufFile model = GgufFile.open(SampleModel.path())) {
      new Quantizer(
              QuantizationMix.of("Q4_0"), 1, true, Optional.empty(), QuantizationProgress.NONE)
          .quantize(model, draft);
    }
    RuntimeConfig config = builder().model("draft", draft).maxContext(512).memory64Bytes(0).build();
    try (ExampleGuest guest = ExampleGuest.open("speculative", config);
        ExampleGuest plain = ExampleGuest.open("beam_search", config)) {
      for (String prompt : new String[] {FRANCE, STORY}) {
        String greedy = plain.generate(prompt, "{\"width\":1,\"max_tokens\":60}").text();
        CallResult result = guest.generate(prompt, "{\"k\":4,\"max_tokens\":60}");
        int[] stats = guest.ints(1);
        assertThat(result.text()).as(prompt).isEqualTo(greedy);
        assertThat(stats[3]).as("accepted tokens").isPositive();
        int tokens = stats[0] + stats[3];
        assertThat(stats[0] * 2).as("steps of the target for %d tokens", tokens).isLessThan(tokens);
      }
    }
  }

  @Test
  void attentionSinkStreamsPastTheContext() throws IOException {
    try (ExampleGuest guest =
        ExampleGuest.open("attention_sink", builder().maxContext(192).build())) {
      CallResult result = guest.generate(STORY, "{\"max_tokens\":600,\"window\":64}");
      int[] stats = guest.ints(1);
      assertThat(stats[0]).isEqualTo(600);
      assertThat(stats[1]).as("moves of the window").isBetween(3, 8);
      assertThat(result.value()).isEqualTo(1);
      // Still words, not noise: the end is as wordy as the beginning.
      String end = result.text().substring(result.text().length() * 3 / 4);
      assertThat(end.split("\\s+", -1).length).isGreaterThan(40);
    }
  }
}

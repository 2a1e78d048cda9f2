package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Guests that go on from what an earlier process computed: the example `resume`, and the default guest where
/// its configuration names a sequence.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class ResumeGuestTest extends SampleFixture {
  private static final String PREAMBLE = "You answer short. " + "Mia has a fox. ".repeat(20);
  private static final String FRANCE = "What is the capital of France?";
  private static final String ITALY = "What is the capital of Italy?";

  @TempDir static Path folder;

  private RuntimeConfig config(String name) {
    return builder()
        .savedSequences(SequenceStorage.inFolder(folder.resolve(name), 1L << 30))
        .build();
  }

  private static String preamble(String text) {
    return "{\"preamble\":\"%s\"}".formatted(text);
  }

  @Test
  void preambleIsComputedByTheFirstOfAllProcessesOnly() throws IOException {
    CallResult computed;
    int[] first;
    try (ExampleGuest guest = ExampleGuest.open("resume", config("preamble"))) {
      computed = guest.generate(FRANCE, preamble(PREAMBLE));
      first = guest.ints(1);
    }
    assertThat(first[0]).isZero();
    assertThat(computed.promptTokens()).isEqualTo(first[1]).isGreaterThan(100);
    // Each runtime is what a process has: nothing is shared but the folder.
    try (ExampleGuest guest = ExampleGuest.open("resume", config("preamble"))) {
      CallResult again = guest.generate(FRANCE, preamble(PREAMBLE));
      int[] counts = guest.ints(1);
      assertThat(again.text()).isEqualTo(computed.text()).isNotBlank();
      assertThat(counts[0] + counts[1]).isEqualTo(first[1]);
      assertThat(again.promptTokens()).isEqualTo(counts[1]).isLessThan(20);
      CallResult other = guest.generate(ITALY, preamble(PREAMBLE));
      assertThat(other.promptTokens()).isLessThan(20);
      CallResult another = guest.generate(FRANCE, preamble("You answer at length."));
      assertThat(guest.ints(1)[0]).as("another preamble has another name").isZero();
      assertThat(another.promptTokens()).isEqualTo(guest.ints(1)[1]);
    }
  }

  @Test
  void answerIsThatOfTheLoopThatComputesAllOfIt() throws IOException {
    String messages =
        "[{\"role\":\"system\",\"content\":\"%s\"},{\"role\":\"user\",\"content\":\"%s\"}]"
            .formatted(PREAMBLE, FRANCE);
    String whole;
    try (RealmRuntime runtime = new RealmRuntime(config("whole"))) {
      whole = generate(runtime, messages, "{\"messages\":true,\"max_tokens\":40}").text();
    }
    for (int run = 0; run < 2; run++) {
      try (ExampleGuest guest = ExampleGuest.open("resume", config("parts"))) {
        String config = "{\"preamble\":\"%s\",\"max_tokens\":40}".formatted(PREAMBLE);
        assertThat(guest.generate(FRANCE, config).text()).isEqualTo(whole);
        assertThat(guest.ints(1)[0] > 0).isEqualTo(run > 0);
      }
    }
  }

  private static CallResult generate(RealmRuntime runtime, String prompt, String config) {
    runtime.loadWasm(DefaultGuest.bytes());
    long model = runtime.callFunction("load_model", "sample", "{}").value();
    return runtime.callFunction("generate", model, prompt, config);
  }

  @Test
  void defaultGuestGoesOnBehindWhatItSaved() {
    String story = "Once upon a time there was a fox";
    String config = "{\"raw\":true,\"max_tokens\":%d,\"min_tokens\":%d%s}";
    String whole;
    try (RealmRuntime runtime = new RealmRuntime(config("raw"))) {
      whole = generate(runtime, story, config.formatted(12, 12, "")).text();
    }
    try (RealmRuntime runtime = new RealmRuntime(config("raw"))) {
      CallResult begun = generate(runtime, story, config.formatted(12, 12, ",\"save\":\"fox\""));
      assertThat(begun.text()).isEqualTo(whole);
    }
    try (RealmRuntime runtime = new RealmRuntime(config("raw"))) {
      CallResult further =
          generate(runtime, " and then", config.formatted(6, 6, ",\"open\":\"fox\""));
      assertThat(further.promptTokens()).isLessThan(5);
      // The story and its answer as one prompt: the same tokens, the same text.
      CallResult told = generate(runtime, story + whole + " and then", config.formatted(6, 6, ""));
      assertThat(told.promptTokens()).isGreaterThan(further.promptTokens() + 12);
      assertThat(further.text()).isEqualTo(told.text());
    }
  }

  @Test
  void defaultGuestSaysWhatItCannotOpen() {
    try (RealmRuntime runtime = new RealmRuntime(config("none"))) {
      assertThat(generate(runtime, FRANCE, "{\"raw\":true,\"open\":\"none\"}").value())
          .isEqualTo(Errno.ENOENT);
      // A chat template writes whole conversations.
      assertThat(generate(runtime, FRANCE, "{\"open\":\"none\"}").value()).isEqualTo(Errno.EINVAL);
      assertThat(generate(runtime, FRANCE, "{\"save\":\"\"}").value()).isEqualTo(Errno.EINVAL);
    }
  }
}

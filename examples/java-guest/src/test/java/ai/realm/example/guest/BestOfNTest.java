package ai.realm.example.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.runtime.CallResult;
import ai.realm.runtime.GuestOutput;
import ai.realm.runtime.RealmRuntime;
import ai.realm.runtime.RuntimeConfig;
import ai.realm.testing.guest.SentByGuest;
import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.io.InputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A guest in Java that the build compiled, run as any program that embeds Realm runs it.
@Timeout(120)
final class BestOfNTest {
  private static final String STORY = "Tell me a story about a fox.";

  private static final class Sent extends SentByGuest implements GuestOutput {}

  private Sent sent = new Sent();

  /// The guest's bytes, as the build left them on the class path.
  static byte[] guest() throws IOException {
    try (InputStream in = BestOfN.class.getResourceAsStream("best-of-n.wasm")) {
      assertThat(in).as("best-of-n.wasm on the class path").isNotNull();
      return in.readAllBytes();
    }
  }

  private CallResult generate(RealmRuntime runtime, long model, String prompt, String config) {
    sent = new Sent();
    return runtime.callFunction("generate", sent, model, prompt, config);
  }

  @Test
  void sendsTheAnswerThatTheModelFindsMostProbable() throws IOException {
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend();
        RealmRuntime runtime =
            new RealmRuntime(RuntimeConfig.of("sample", SampleModel.path(), backend))) {
      runtime.loadWasm(guest());
      long model = runtime.callFunction("load_model", "sample", "{}").value();
      String config = "{\"n\":%d,\"temperature\":1.2,\"seed\":%d}";
      CallResult result = generate(runtime, model, STORY, config.formatted(5, 3));
      float[] scores = sent.floats(1);
      assertThat(scores).hasSize(5);
      int best = sent.ints(2)[0];
      for (float score : scores) {
        assertThat(score).isNegative().isLessThanOrEqualTo(scores[best]);
      }
      // The same answer alone, as a plain loop with that seed samples it.
      CallResult alone = generate(runtime, model, STORY, config.formatted(1, 3 + best));
      assertThat(result.text()).isNotBlank().isEqualTo(alone.text());
      assertThat(sent.floats(1)[0]).isCloseTo(scores[best], within(0.02f));
      // Errors of the host come back as results, and nothing is left open: the next call goes on.
      assertThat(generate(runtime, model, STORY, config.formatted(65, 1)).value()).isEqualTo(-22);
      assertThat(generate(runtime, model, "What is the capital of France?", "{\"temperature\":0}"))
          .satisfies(
              answer -> assertThat(answer.text()).isEqualTo("The capital of France is Paris."))
          .satisfies(answer -> assertThat(answer.value()).isZero());
      assertThat(runtime.callFunction("unload_model", model).value()).isZero();
    }
  }
}

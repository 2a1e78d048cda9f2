package ai.realm.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.gguf.GgufFile;
import ai.realm.testing.sample.SampleModel;
import ai.realm.testing.sample.SampleReference;
import ai.realm.tokenizer.Tokenizer;
import java.util.Arrays;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class PerplexityTest {
  /// The reference rounds activations to eight bits, which moves logits by a few percent.
  private static final double SURPRISE_TOLERANCE = 0.05;

  /// Windows only change the order of sums.
  private static final double REORDERING_TOLERANCE = 1e-3;

  private Backend backend;
  private GgufFile file;
  private CausalLm model;

  @BeforeAll
  void load() {
    backend = Backends.open("naive", BackendOptions.DEFAULT).backend();
    file = GgufFile.open(SampleModel.path());
    model = Architectures.load(file, backend);
  }

  @AfterAll
  void unload() {
    model.close();
    file.close();
    backend.close();
  }

  private Perplexity measure(int[] ids, int window) {
    return Perplexity.of(model, backend, ids, window, 1, done -> true);
  }

  @Test
  void surpriseIsThatOfTheReferenceLogits() {
    SampleReference.Case c = SampleModel.reference().cases().getFirst();
    int[] ids = Arrays.copyOf(c.ids(), c.ids().length + 1);
    ids[c.ids().length] = c.greedyIds()[0];
    double expected = Perplexity.surprise(c.logits()[c.logits().length - 1], c.greedyIds()[0]);
    Perplexity whole = measure(ids, 512);
    Perplexity shorter = measure(c.ids(), 512);
    double last = whole.meanSurprise() * whole.tokens() - shorter.meanSurprise() * shorter.tokens();
    assertThat(whole.tokens()).isEqualTo(ids.length - 1);
    assertThat(last).isCloseTo(expected, within(SURPRISE_TOLERANCE));
  }

  @Test
  void familiarTextSurprisesLessThanNoise() {
    Tokenizer tokenizer = Tokenizer.of(file.metadata());
    int[] text = tokenizer.encode("The capital of France is Paris.", true, false);
    int[] noise = tokenizer.encode("is Paris capital. of The France", true, false);
    assertThat(measure(text, 512).value()).isLessThan(measure(noise, 512).value() / 2);
  }

  @Test
  void secondHalvesOfWindowsCount() {
    int[] ids = new int[100];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = 100 + i;
    }
    Perplexity perplexity = measure(ids, 32);
    assertThat(perplexity.tokens()).isEqualTo(3 * 15);
    assertThat(perplexity.error()).isPositive();
    double sum = 0;
    for (int from : new int[] {0, 32, 64}) {
      int[] window = Arrays.copyOfRange(ids, from, from + 32);
      window[0] = 1;
      try (Generation generation = new Generation(backend, model, 32)) {
        float[][] logits = generation.append(window, 16);
        for (int i = 0; i < 15; i++) {
          sum += Perplexity.surprise(logits[i], window[17 + i]);
        }
      }
    }
    assertThat(perplexity.meanSurprise()).isCloseTo(sum / 45, within(REORDERING_TOLERANCE));
  }

  @Test
  void stopsWhenAsked() {
    int[] ids = new int[256];
    Arrays.fill(ids, 300);
    Perplexity stopped = Perplexity.of(model, backend, ids, 32, 1, done -> done < 64);
    assertThat(stopped.tokens()).isEqualTo(30);
  }

  @Test
  void tooShortATextIsRefused() {
    assertThatThrownBy(() -> measure(new int[] {1}, 512))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("expected at least 2 tokens");
  }
}

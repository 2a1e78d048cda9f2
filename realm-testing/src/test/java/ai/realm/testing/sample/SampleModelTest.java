package ai.realm.testing.sample;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class SampleModelTest {
  @Test
  void modelLiesInTheCheckout() {
    assertThat(SampleModel.path()).isRegularFile().hasSize(5_557_856);
  }

  @Test
  void referenceHasPromptsLogitsAndCapitals() {
    SampleReference reference = SampleModel.reference();
    assertThat(reference.vocabularySize()).isEqualTo(1792);
    assertThat(reference.cases()).hasSize(8);
    assertThat(reference.capitals()).hasSize(173);
    assertThat(reference.capitalsRight()).isEqualTo(173);
    SampleReference.Case france = reference.cases().getFirst();
    assertThat(france.chat()).isTrue();
    assertThat(france.messages()).hasSize(1);
    assertThat(france.ids()).startsWith(1, 4).endsWith(2, 5);
    assertThat(france.greedyText()).isEqualTo("The capital of France is Paris.");
  }

  @Test
  void bestLogitOfTheLastPositionIsTheFirstGreedyId() {
    for (SampleReference.Case prompt : SampleModel.reference().cases()) {
      float[] last = prompt.logits()[prompt.logits().length - 1];
      int best = 0;
      for (int i = 1; i < last.length; i++) {
        best = last[i] > last[best] ? i : best;
      }
      assertThat(best).as(prompt.text()).isEqualTo(prompt.greedyIds()[0]);
    }
  }
}

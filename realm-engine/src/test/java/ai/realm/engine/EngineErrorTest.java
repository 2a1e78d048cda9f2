package ai.realm.engine;

import static ai.realm.engine.GreedySteps.await;
import static ai.realm.engine.GreedySteps.request;
import static ai.realm.engine.GreedySteps.step;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// An [Error] in the middle of a step, such as exhausted memory, is the affair of who asked for it.
@Timeout(60)
final class EngineErrorTest {
  private static final EngineConfig CONFIG = FakeModel.sizes(16, 4, 8, 100).build();

  /// A constraint whose mask exhausts the memory.
  private static final TokenConstraint EXHAUSTING =
      new TokenConstraint() {
        @Override
        public void mask(long[] allowed) {
          throw new OutOfMemoryError("thrown by a test");
        }

        @Override
        public void accept(int token) {}
      };

  @Test
  @DisplayName("memory exhausted while a token is chosen fails that request alone")
  void anErrorOfTheChoiceFailsItsRequestAlone() throws Exception {
    FakeModel model = new FakeModel(100);
    try (Engine engine = Engine.start(model, model.backend, CONFIG)) {
      EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
      EngineTenant stranger = engine.tenant("b", TenantShare.UNBOUNDED);
      try (Sequence s = engine.newSequence(tenant);
          Sequence other = engine.newSequence(stranger)) {
        StepRequest failing = request(s, 1, 2, 3).constrain(EXHAUSTING);
        StepRequest beside = request(other, 4, 5);
        engine.submit(List.of(failing, beside));
        assertThatThrownBy(() -> await(failing))
            .isInstanceOfSatisfying(
                EngineException.class, e -> assertThat(e.code()).isEqualTo("SAMPLING_FAILED"));
        assertThat(await(beside)).isEqualTo(FakeModel.next(new int[] {4, 5}, 2));
        assertThat(engine.isAlive()).isTrue();
        assertThat(step(engine, s, 1, 2, 3)).isEqualTo(FakeModel.next(new int[] {1, 2, 3}, 3));
      }
    }
  }

  @Test
  @DisplayName("an error of the forward pass fails the step's requests, and the engine goes on")
  void anErrorOfTheForwardPassFailsTheStep() throws Exception {
    FakeModel model = new FakeModel(100);
    try (Engine engine = Engine.start(model, model.backend, CONFIG)) {
      try (Sequence s = engine.newSequence(engine.tenant("a", TenantShare.UNBOUNDED))) {
        model.errorNext = new InternalError("a fault in mapped memory, thrown by a test");
        StepRequest failing = request(s, 1, 2, 3);
        engine.submit(failing);
        assertThatThrownBy(() -> await(failing))
            .isInstanceOfSatisfying(
                EngineException.class, e -> assertThat(e.code()).isEqualTo("ENGINE_FAILURE"));
        assertThat(step(engine, s, 1, 2, 3)).isEqualTo(FakeModel.next(new int[] {1, 2, 3}, 3));
      }
    }
  }
}

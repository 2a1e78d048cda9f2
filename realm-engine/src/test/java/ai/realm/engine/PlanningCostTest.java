package ai.realm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.time.CpuTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/// What a step costs before it computes anything, while thousands wait for blocks that another has.
final class PlanningCostTest {
  private static final int WAITING = 2000;

  /// Two thousand prompts for which there is nothing. Each plan looked at all of them for each of them, and took most
  /// of a second, which the stream that has the blocks waited; now it is some hundred microseconds.
  @Test
  void promptsThatFindNoBlocksCostTheOthersNoTime() {
    SimulatedEngine engine =
        new SimulatedEngine(
            SimulatedEngine.sizes().blockSize(64).kvPositions(64 * 16).build(), 2048);
    // All 16 blocks, with room for 63 tokens in the last.
    SimulatedEngine.Client stream =
        engine.client(engine.state.tenant("stream", TenantShare.UNBOUNDED), 961, 60, 1L << 60);
    CpuTime.assertWithin(
        Duration.ofSeconds(20),
        () -> {
          engine.run(0.3);
          assertThat(stream.interTokenNanos).hasSizeBetween(1, 20);
          List<StepRequest> many = new ArrayList<>();
          EngineTenant tenant = engine.state.tenant("many", TenantShare.UNBOUNDED);
          for (int i = 0; i < WAITING; i++) {
            many.add(engine.send(tenant, new int[10 + i % 7]));
          }
          while (stream.answers == 0) {
            engine.step();
          }
          assertThat(states(many)).containsOnly(StepRequest.State.QUEUED);
          // Then all of them come to their end.
          engine.run(10);
          assertThat(states(many)).containsOnly(StepRequest.State.DONE);
        });
  }

  private static Set<StepRequest.State> states(List<StepRequest> requests) {
    return requests.stream().map(StepRequest::state).collect(Collectors.toSet());
  }
}

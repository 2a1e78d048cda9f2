package ai.realm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;

/// What a step costs before it computes anything, while thousands wait for blocks that another has.
final class PlanningCostTest {
  private static final int WAITING = 2000;

  /// Two thousand prompts for which there is nothing. Each plan looked at all of them for each of them, and took most
  /// of a second, which the stream that has the blocks waited; now it is some hundred microseconds.
  @Test
  void promptsThatFindNoBlocksCostTheOthersNoTime() {
    SimulatedEngine engine =
        new SimulatedEngine(SimulatedEngine.sizes().kvPositions(16 * 64).build(), 2048);
    SimulatedEngine.Client stream =
        engine.client(engine.state.tenant("stream", TenantShare.UNBOUNDED), 900, 110, 1L << 60);
    Assertions.assertTimeout(
        Duration.ofSeconds(20),
        () -> {
          engine.run(0.3);
          List<SimulatedEngine.Client> many = new ArrayList<>();
          EngineTenant tenant = engine.state.tenant("many", TenantShare.UNBOUNDED);
          for (int i = 0; i < WAITING; i++) {
            many.add(engine.client(tenant, 10 + i % 7, 1, 1L << 60));
          }
          engine.run(0.8);
          assertThat(stream.answers).as("the stream has the blocks still").isZero();
          assertThat(stream.interTokenNanos).hasSizeGreaterThan(50);
          // All of them come to their end, and the stream to its own.
          engine.run(20);
          assertThat(many).allSatisfy(client -> assertThat(client.answers).isEqualTo(1));
          assertThat(stream.answers).isEqualTo(1);
        });
  }
}

package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.engine.Engine;
import ai.realm.engine.EngineConfig;
import ai.realm.engine.EngineTenant;
import ai.realm.engine.LoadedModel;
import ai.realm.engine.TenantShare;
import ai.realm.testing.sample.SampleModel;
import java.util.List;
import org.junit.jupiter.api.Test;

final class BreakerCacheTest {
  @Test
  void breakersAreMadeOnceForATenantAndTheUsualOnesForAll() {
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend();
        LoadedModel model = LoadedModel.open(SampleModel.path(), backend);
        Engine engine = Engine.start(model.model(), backend, EngineConfig.of(64))) {
      EngineTenant one = engine.tenant("one", TenantShare.UNBOUNDED);
      EngineTenant two = engine.tenant("two", TenantShare.UNBOUNDED);
      BreakerCache cache = new BreakerCache(model.tokenizer());
      assertThat(cache.get(one, BreakerCache.USUAL)).isSameAs(cache.get(two, BreakerCache.USUAL));
      List<String> own = List.of("\n", "the end");
      assertThat(cache.get(one, own)).isSameAs(cache.get(one, List.copyOf(own)));
      assertThat(cache.get(two, own)).isNotSameAs(cache.get(one, own));
      for (int i = 0; i < 100; i++) {
        assertThat(cache.get(one, List.of("breaker " + i)).bytes()).isLessThan(10_000);
      }
      assertThat(cache.size()).isEqualTo(32);
      assertThatThrownBy(() -> cache.get(one, List.of("")))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("expected text");
    }
  }
}

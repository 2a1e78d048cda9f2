package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.engine.EngineException;
import ai.realm.engine.LoadedModel;
import ai.realm.testing.sample.SampleModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Models are loaded once, and who wants one does not wait for another.
@Timeout(120)
final class ModelCatalogTest extends SampleFixture {
  private static final Path SLOW = Path.of("slow.gguf");

  private final RuntimeConfig config =
      builder().model("slow", SLOW).maxContext(64).memory64Bytes(0).build();

  private final CountDownLatch begun = new CountDownLatch(1);
  private final CountDownLatch released = new CountDownLatch(1);
  private final AtomicInteger failures = new AtomicInteger();

  private ModelCatalog catalog() {
    return new ModelCatalog(config, this::load);
  }

  private ModelHost load(Path path) {
    if (path.equals(SLOW)) {
      begun.countDown();
      try {
        assertThat(released.await(60, TimeUnit.SECONDS)).isTrue();
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
      if (failures.getAndDecrement() > 0) {
        throw new IllegalArgumentException("not this time");
      }
    }
    return ModelHost.start(LoadedModel.open(SampleModel.path(), backend), config);
  }

  private static long in(int seconds) {
    return System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
  }

  @Test
  void modelThatIsBeingLoadedKeepsNobodyFromAnother() throws Exception {
    try (ModelCatalog models = catalog();
        ExecutorService threads = Executors.newFixedThreadPool(1)) {
      Future<ModelCatalog.Entry> slow = threads.submit(() -> models.find("slow", in(60)));
      assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
      assertThat(models.find("sample", in(60))).isNotNull();
      assertThat(models.find("other", in(60))).isNull();
      assertThat(models.has("slow")).isTrue();
      assertThatThrownBy(() -> models.find("slow", System.nanoTime()))
          .isInstanceOf(TimeoutException.class);
      released.countDown();
      assertThat(slow.get(60, TimeUnit.SECONDS)).isNotNull();
      assertThat(models.loads()).isEqualTo(2);
    }
  }

  @Test
  void whoWaitsCanBeInterrupted() throws Exception {
    try (ModelCatalog models = catalog();
        ExecutorService threads = Executors.newFixedThreadPool(1)) {
      Future<ModelCatalog.Entry> waiting = threads.submit(() -> models.find("slow", in(3600)));
      assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
      threads.shutdownNow();
      assertThatThrownBy(() -> waiting.get(60, TimeUnit.SECONDS))
          .isInstanceOf(ExecutionException.class)
          .hasCauseInstanceOf(InterruptedException.class);
      released.countDown();
      assertThat(models.find("slow", in(60))).as("loaded all the same").isNotNull();
    }
  }

  @Test
  void manyThatWantAModelAtOnceGetTheSame() throws Exception {
    try (ModelCatalog models = catalog();
        ExecutorService threads = Executors.newFixedThreadPool(8)) {
      List<Future<ModelCatalog.Entry>> all = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        all.add(threads.submit(() -> models.find("slow", in(60))));
      }
      released.countDown();
      ModelHost host = models.find("slow", in(60)).host();
      for (Future<ModelCatalog.Entry> one : all) {
        assertThat(one.get(60, TimeUnit.SECONDS).host()).isSameAs(host);
      }
      assertThat(models.loads()).isEqualTo(1);
    }
  }

  @Test
  void modelThatFailedToLoadIsTriedAgain() throws Exception {
    failures.set(1);
    released.countDown();
    try (ModelCatalog models = catalog()) {
      assertThatThrownBy(() -> models.find("slow", in(60))).hasMessage("not this time");
      assertThat(models.find("slow", in(60))).isNotNull();
    }
  }

  @Test
  void closedCatalogGivesNothingAndKeepsNothing() throws Exception {
    ModelCatalog models = catalog();
    try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
      Future<ModelCatalog.Entry> waiting = threads.submit(() -> models.find("slow", in(60)));
      assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
      Future<?> closing = threads.submit(models::close);
      while (true) {
        try {
          models.find("other", in(60));
        } catch (EngineException e) {
          break;
        }
      }
      released.countDown();
      closing.get(60, TimeUnit.SECONDS);
      assertThatThrownBy(() -> waiting.get(60, TimeUnit.SECONDS))
          .isInstanceOf(ExecutionException.class)
          .hasCauseInstanceOf(EngineException.class);
      assertThatThrownBy(() -> models.find("sample", in(60))).isInstanceOf(EngineException.class);
    }
  }
}

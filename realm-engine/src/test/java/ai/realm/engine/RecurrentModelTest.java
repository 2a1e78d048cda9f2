package ai.realm.engine;

import static ai.realm.engine.GreedySteps.step;
import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.compute.KvType;
import ai.realm.gguf.GgufFile;
import ai.realm.model.Architectures;
import ai.realm.model.CausalLm;
import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Real recurrent models through the engine, on the reference backend, whose rows do not depend on what they are
/// batched with: whichever way a sequence comes to its tokens, the next ones are the same.
@Timeout(120)
final class RecurrentModelTest {
  private static final int BLOCK = 8;
  private static final int LENGTH = 37;
  private static final int MORE = 12;

  @TempDir Path folder;

  /// Tokens behind a sequence whose next one is known.
  private static int[] goOn(Engine engine, Sequence s, int first) throws InterruptedException {
    int[] out = new int[MORE];
    out[0] = first;
    for (int i = 1; i < MORE; i++) {
      out[i] = step(engine, s, out[i - 1]);
    }
    return out;
  }

  private Path unpack(String name) throws IOException {
    Path packed =
        SampleModel.repositoryRoot()
            .resolve("realm-models/src/test/resources/ai/realm/model/tiny")
            .resolve(name + ".gguf.gz");
    Path file = folder.resolve(name + ".gguf");
    try (InputStream in = new GZIPInputStream(Files.newInputStream(packed))) {
      Files.copy(in, file);
    }
    return file;
  }

  @ParameterizedTest
  @ValueSource(strings = {"mamba", "qwen35"})
  void everyWayToTheSameTokensGoesOnAlike(String name) throws Exception {
    try (Backend backend = Backends.open("naive", new BackendOptions(1, true)).backend();
        GgufFile file = GgufFile.open(unpack(name));
        CausalLm model = Architectures.load(file, backend, 128)) {
      // One sequence and a half: a second one takes blocks of the first.
      EngineConfig config =
          EngineConfig.builder()
              .maxRows(16)
              .maxSequences(4)
              .blockSize(BLOCK)
              .kvPositions(11 * BLOCK)
              .kvType(KvType.F32)
              .maxQueuedRequests(64)
              .maxStallMillis(50)
              .build();
      try (Engine engine = Engine.start(model, backend, config)) {
        check(engine);
      }
    }
  }

  private static void check(Engine engine) throws InterruptedException {
    assertThat(engine.kvLayout().stateFloats()).isPositive();
    EngineTenant tenant = engine.tenant("a", TenantShare.UNBOUNDED);
    EngineTenant other = engine.tenant("b", TenantShare.UNBOUNDED);
    int vocabulary = engine.model().config().vocabularySize();
    int[] prompt = new int[LENGTH];
    Arrays.setAll(prompt, i -> (i * 17 + 5) % vocabulary);
    int[] expected;
    SavedSequence saved;
    Sequence s = engine.newSequence(tenant);
    int first = step(engine, s, prompt);
    saved = s.save();
    Sequence fork = s.fork();
    expected = goOn(engine, s, first);
    assertThat(goOn(engine, fork, first)).as("a fork").isEqualTo(expected);
    fork.close();

    s.truncate(LENGTH - 2);
    int[] rest = Arrays.copyOfRange(prompt, LENGTH - 2, LENGTH);
    assertThat(goOn(engine, s, step(engine, s, rest))).as("truncated").isEqualTo(expected);

    try (Sequence opened = engine.openSequence(tenant, null, saved)) {
      assertThat(goOn(engine, opened, first)).as("saved").isEqualTo(expected);
    }
    // Another tenant's prompts take its blocks.
    s.truncate(LENGTH);
    for (int i = 0; i < 2; i++) {
      int[] strange = new int[60];
      Arrays.fill(strange, i + 1);
      try (Sequence stranger = engine.newSequence(other)) {
        step(engine, stranger, strange);
      }
    }
    assertThat(engine.stats().preemptions()).isPositive();
    assertThat(goOn(engine, s, first)).as("preempted").isEqualTo(expected);
    s.close();
    long found = engine.stats().prefixBlocks();
    try (Sequence again = engine.newSequence(tenant)) {
      assertThat(goOn(engine, again, step(engine, again, prompt))).as("found").isEqualTo(expected);
    }
    assertThat(engine.stats().prefixBlocks()).isGreaterThan(found);
  }
}

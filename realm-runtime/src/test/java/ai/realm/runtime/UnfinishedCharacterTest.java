package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.testing.sample.SampleModel;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A character that a sequence's tokens begin and never complete: whose it is when the sequence is freed.
final class UnfinishedCharacterTest {
  private static final int ROOM = 1024;

  @TempDir Path folder;
  private Backend backend;
  private Memory64Manager memory64;
  private ModelCatalog models;
  private Realm realm;
  private GuestState state;
  private GuestMemory memory;
  private Call call;
  private int kv;
  private int half;

  @BeforeEach
  void open() {
    backend = Backends.open("naive", BackendOptions.DEFAULT).backend();
    memory64 = new Memory64Manager(folder, 1 << 20, 1 << 22);
    models = new ModelCatalog(RuntimeConfig.of("sample", SampleModel.path(), backend));
    realm =
        new Realm(
            new TenantId("a"),
            ResourceLimits.unbounded(GuestLimits.DEFAULT),
            models,
            memory64,
            GuestTools.NONE);
    state = new GuestState(realm);
    call = new Call(List.of(), GuestOutput.discard(), realm);
    state.begin(call);
    memory =
        new GuestMemory(
            new FlatMemory(new run.endive.wasm.types.MemoryLimits(2, 2), realm.memory()));
    GuestState.OpenModel model = state.openModel("sample");
    assertThat(model).isNotNull();
    int handle = state.handle(model);
    half = model.host().tokenizer().vocabulary().find("<0xC3>").orElseThrow();
    kv = new SequenceFunctions(state).newSequence(memory, new int[] {handle});
    assertThat(kv).isPositive();
  }

  @AfterEach
  void close() {
    state.close();
    realm.close();
    models.close();
    memory64.close();
    backend.close();
  }

  private String freed() {
    assertThat(new SequenceFunctions(state).freeSequence(memory, new int[] {kv})).isZero();
    return call.result(0).text();
  }

  private void read() {
    assertThat(new SequenceFunctions(state).sequenceText(memory, new int[] {kv, half, 0, ROOM}))
        .isZero();
  }

  /// Writes a mask that has the half character only, and a step with `EMIT` that obeys it.
  private void emit() {
    int mask = 2 * ROOM;
    int request = ROOM;
    memory.putInt(mask + 4 * (half / 32), 1 << half % 32);
    memory.putInt(0, half);
    memory.putInt(request, kv);
    memory.putInt(request + 4, 0);
    memory.putInt(request + 8, 1);
    memory.putInt(request + 12, 8);
    memory.putInt(request + 20, 2);
    memory.putInt(request + 24, mask);
    memory.putFloat(request + 40, 1);
    assertThat(new Steps(state).step(memory, new int[] {request, 1})).isZero();
    assertThat(memory.getInt(8)).isEqualTo(half);
  }

  @Test
  void whatAGuestReadsItselfIsNotSentToTheCaller() {
    read();
    assertThat(freed()).isEmpty();
  }

  @Test
  void whatStepsEmittedEndsInAReplacement() {
    emit();
    assertThat(freed()).isEqualTo("\ufffd");
  }

  @Test
  void whatIsReadAfterAnEmittingStepIsTheGuestsAgain() {
    emit();
    assertThat(new SequenceFunctions(state).sequenceText(memory, new int[] {kv, half, 0, ROOM}))
        .isNotNegative();
    assertThat(freed()).isEmpty();
  }

  @Test
  void nothingIsSentToACallerWhoGaveUp() {
    emit();
    call.cancel();
    assertThat(freed()).isEmpty();
  }
}

package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.testing.sample.SampleModel;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import run.endive.wasm.types.MemoryLimits;

/// W09 and W11: every host function with pointers, lengths and handles at every edge gives a result or
/// traps the guest, and never fails in another way.
@Timeout(120)
final class HostFunctionPointersTest {
  private static final int SIZE = 65_536;

  @Test
  void everyEdgeGivesAResultOrATrap(@TempDir Path folder) {
    try (Backend backend = Backends.open("auto", BackendOptions.DEFAULT).backend();
        Memory64Manager memory64 = new Memory64Manager(folder, 1 << 20, 1 << 22);
        ModelCatalog models =
            new ModelCatalog(RuntimeConfig.of("sample", SampleModel.path(), backend));
        Realm realm =
            new Realm(
                new TenantId("a"),
                ResourceLimits.unbounded(GuestLimits.DEFAULT),
                models,
                memory64,
                GuestTools.NONE);
        GuestState state = new GuestState(realm)) {
      TreeMap<String, int[]> outcomes = sweep(state, new HostFunctions(state));
      for (String name : outcomes.keySet()) {
        int[] counts = outcomes.get(name);
        assertThat(counts[0] + counts[1] + counts[2]).as(name).isEqualTo(2000);
      }
      // Functions that take a pointer must have trapped, and some calls must have succeeded.
      for (String name : new String[] {"emit_text", "tokenize", "step", "memory64_store_layer"}) {
        assertThat(outcomes.get(name)[1]).as(name + " traps").isPositive();
      }
      assertThat(outcomes.get("kv_new")[0]).as("kv_new results").isPositive();
      assertThat(outcomes.get("kv_len")[2]).as("kv_len errors").isPositive();
    }
  }

  /// Results, traps and errors of each function.
  private static TreeMap<String, int[]> sweep(GuestState state, HostFunctions functions) {
    SplittableRandom random = new SplittableRandom(9);
    TreeMap<String, int[]> outcomes = new TreeMap<>();
    for (HostFunction f : functions.all()) {
      int[] counts = new int[3];
      for (int i = 0; i < 2000; i++) {
        state.begin(
            new Call(Call.texts("some text", "more"), GuestOutput.discard(), state.realm()));
        MemoryBudget budget = new MemoryBudget(SIZE);
        FlatMemory linear = new FlatMemory(new MemoryLimits(1, 1), budget);
        GuestMemory memory = new GuestMemory(linear);
        int[] edges = edges(state, memory);
        int[] arguments = new int[f.parameters()];
        for (int k = 0; k < arguments.length; k++) {
          arguments[k] = edges[random.nextInt(edges.length)];
        }
        // All that the host writes goes by here; now and then the bytes themselves are compared.
        boolean[] written = new boolean[1];
        memory.observe(
            new GuestMemory.Observer() {
              @Override
              public void read(MemorySegment segment, int pointer, int length) {}

              @Override
              public void wrote(MemorySegment segment, int pointer, int length) {
                written[0] = true;
              }
            });
        byte[] before = i % 50 == 0 ? linear.readBytes(0, SIZE) : null;
        int outcome;
        try {
          outcome = f.body().call(memory, arguments) >= 0 ? 0 : 2;
        } catch (GuestTrapException e) {
          outcome = 1;
        }
        counts[outcome]++;
        if (outcome != 0) {
          String call = f.name() + Arrays.toString(arguments);
          assertThat(written[0]).as("%s refuses and writes", call).isFalse();
          if (before != null) {
            assertThat(linear.readBytes(0, SIZE)).as(call).isEqualTo(before);
          }
        }
        state.close();
        state.end();
      }
      outcomes.put(f.name(), counts);
    }
    return outcomes;
  }

  private static int[] edges(GuestState state, GuestMemory memory) {
    GuestState.OpenModel model = state.openModel("sample");
    List<Integer> edges = new ArrayList<>(List.of(0, -1, 1, 2, 7, 64, 1000));
    edges.addAll(List.of(Integer.MAX_VALUE, Integer.MIN_VALUE, Integer.MIN_VALUE + 1));
    edges.addAll(List.of(SIZE - 64, SIZE - 1, SIZE, SIZE + 1, -SIZE));
    edges.add(state.handles().add(model));
    int sequence = state.handles().add(state.openSequence(model));
    edges.add(sequence);
    // A step that runs, at address 1000: one token of the sequence.
    memory.putInt(1000, sequence);
    memory.putInt(1004, 2000);
    memory.putInt(1008, 1);
    memory.putInt(1012, 3000);
    memory.putInt(2000, 1);
    return edges.stream().mapToInt(Integer::intValue).toArray();
  }
}

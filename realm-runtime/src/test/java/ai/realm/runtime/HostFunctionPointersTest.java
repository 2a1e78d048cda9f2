package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.runtime.HostParameters.Kind;
import ai.realm.runtime.HostParameters.Parameter;
import ai.realm.testing.sample.SampleModel;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
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
/// traps the guest, never fails in another way, and writes nothing but what it was asked to.
@Timeout(120)
final class HostFunctionPointersTest {
  private static final int SIZE = 65_536;
  private static final int CALLS = 2000;

  /// A text that the function at hand can use; its length is an edge.
  private static final int TEXT = 64;

  // A step that runs: one token of the sequence.
  private static final int STEP = 1000;
  private static final int STEP_TOKENS = 2000;
  private static final int STEP_OUT = 3000;

  /// How the calls of a function ended.
  private static final class Outcomes {
    int results;
    int traps;
    int unknownHandles;
    int otherErrors;

    /// Of the calls with the handles that the function asks for: those that did not trap.
    int answeredWithHandles;
  }

  /// A part of the guest's memory.
  private record Range(int from, long length) {
    boolean holds(Range other) {
      return other.from >= from && other.from + other.length <= from + length;
    }
  }

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
                OneOfEach.TOOLS);
        GuestState state = new GuestState(realm)) {
      HostFunctions functions = new HostFunctions(state);
      TreeMap<String, Outcomes> outcomes = new Sweep(state, functions).run();
      // Without a result not even the right arguments were among those tried.
      List<String> neverGave = new ArrayList<>();
      for (HostFunction f : functions.all()) {
        List<Parameter> parameters = HostParameters.of(f.name()).list();
        Outcomes o = outcomes.get(f.name());
        if (parameters.stream().anyMatch(Parameter::isPointer)) {
          assertThat(o.traps).as(f.name() + " traps").isPositive();
        } else {
          assertThat(o.traps).as(f.name() + " traps").isZero();
        }
        if (parameters.stream().anyMatch(OneOfEach::isHandle)) {
          assertThat(o.answeredWithHandles).as(f.name() + " with handles").isPositive();
          assertThat(o.unknownHandles).as(f.name() + " without").isPositive();
        }
        if (o.results == 0) {
          neverGave.add(f.name());
        }
      }
      assertThat(neverGave).isEmpty();
    }
  }

  private static byte[] text(String function) {
    String text =
        switch (function) {
          case "model_open" -> "sample";
          case "tool_call" -> "echo";
          case "chat_template" -> "[{\"role\":\"user\",\"content\":\"x\"}]";
          default -> "{}";
        };
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static final class Sweep {
    private final SplittableRandom random = new SplittableRandom(9);
    private final GuestState state;
    private final HostFunctions functions;
    private final OneOfEach things;
    private FlatMemory linear;
    private GuestMemory memory;

    Sweep(GuestState state, HostFunctions functions) {
      this.state = state;
      this.functions = functions;
      begin();
      Direct guest = new Direct();
      this.things = new OneOfEach(guest);
      int key = guest.text("{}");
      guest.call("kvs_put", HostCaller.TEXT, key, HostCaller.TEXT, key);
    }

    /// What guests do, in this memory.
    private final class Direct implements OneOfEach.Guest {
      @Override
      public int call(String function, int... arguments) {
        return functions.find(function).body().call(memory, arguments);
      }

      @Override
      public int text(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        return memory.put(utf8, HostCaller.TEXT, utf8.length);
      }

      @Override
      public void poke(int address, int... values) {
        memory.put(values, address, values.length);
      }
    }

    private void begin() {
      state.begin(new Call(Call.texts("some text", "more"), GuestOutput.discard(), state.realm()));
      linear = new FlatMemory(new MemoryLimits(1, 1), new MemoryBudget(SIZE));
      memory = new GuestMemory(linear);
    }

    TreeMap<String, Outcomes> run() {
      TreeMap<String, Outcomes> all = new TreeMap<>();
      for (HostFunction f : functions.all()) {
        List<Parameter> parameters = HostParameters.of(f.name()).list();
        Outcomes outcomes = new Outcomes();
        for (int i = 0; i < CALLS; i++) {
          begin();
          prepare(f.name());
          call(f, arguments(f.name(), parameters, i), i, outcomes);
          state.end();
        }
        all.put(f.name(), outcomes);
      }
      return all;
    }

    /// What the edges point to.
    private void prepare(String name) {
      Parameter kv = HostParameters.of("kv_len").list().getFirst();
      Parameter sampler = HostParameters.of("sampler_free").list().getFirst();
      Parameter matcher = HostParameters.of("matcher_free").list().getFirst();
      int[] step = new int[StepRow.BYTES / Integer.BYTES];
      step[0] = things.of(kv);
      step[1] = STEP_TOKENS;
      step[2] = 1;
      step[3] = STEP_OUT;
      step[7] = random.nextBoolean() ? things.of(matcher) : 0;
      step[15] = random.nextBoolean() ? things.of(sampler) : 0;
      memory.put(step, STEP, step.length);
      memory.putInt(STEP_TOKENS, 1);
      byte[] utf8 = text(name);
      memory.put(utf8, TEXT, utf8.length);
    }

    /// Edges; of four calls two with the handles that are asked for, one of them with what could be right
    /// for the rest as well.
    private int[] arguments(String name, List<Parameter> parameters, int i) {
      List<Integer> edges = new ArrayList<>(List.of(0, 1, 2, 7, TEXT, text(name).length));
      if (i % 4 != 1) {
        edges.addAll(List.of(Integer.MAX_VALUE, Integer.MIN_VALUE, Integer.MIN_VALUE + 1));
        edges.addAll(List.of(-1, STEP, SIZE - 64, SIZE - 1, SIZE, SIZE + 1, -SIZE));
        edges.addAll(things.all());
      }
      int[] arguments = new int[parameters.size()];
      for (int k = 0; k < arguments.length; k++) {
        Parameter parameter = parameters.get(k);
        if (hasHandles(i) && OneOfEach.isHandle(parameter)) {
          arguments[k] = things.of(parameter);
        } else if (i % 4 == 1 && parameter.kind() == Kind.REQUESTS) {
          arguments[k] = STEP;
        } else {
          arguments[k] = edges.get(random.nextInt(edges.size()));
        }
      }
      if (name.startsWith("candle") && hasHandles(i)) {
        // Pointers are looked at where the sizes of the factors fit.
        arguments[4] = 1 + random.nextInt(8);
        arguments[5] = 1 + random.nextInt(8);
        arguments[6] = 1 + random.nextInt(8);
        arguments[1] = arguments[4] * arguments[5];
        arguments[3] = arguments[5] * arguments[6];
      }
      return arguments;
    }

    private static boolean hasHandles(int i) {
      return i % 4 < 2;
    }

    private void call(HostFunction f, int[] arguments, int i, Outcomes outcomes) {
      String call = f.name() + Arrays.toString(arguments);
      // All that the host writes goes by here; now and then the bytes themselves are compared.
      List<Range> written = new ArrayList<>();
      memory.observe(
          new GuestMemory.Observer() {
            @Override
            public void read(MemorySegment segment, int pointer, int length) {}

            @Override
            public void wrote(MemorySegment segment, int pointer, int length) {
              written.add(new Range(pointer, length));
            }
          });
      byte[] before = i % 50 == 0 ? linear.readBytes(0, SIZE) : null;
      List<Range> room = List.of();
      int opened = 0;
      try {
        int result = f.body().call(memory, arguments);
        if (result >= 0) {
          outcomes.results++;
          opened = result;
          room = room(f, arguments);
        } else if (result == Errno.EBADF) {
          outcomes.unknownHandles++;
        } else {
          outcomes.otherErrors++;
        }
        List<Parameter> parameters = HostParameters.of(f.name()).list();
        if (hasHandles(i) && parameters.stream().anyMatch(OneOfEach::isHandle)) {
          assertThat(result).as("%s has its handles", call).isNotEqualTo(Errno.EBADF);
          outcomes.answeredWithHandles++;
        }
      } catch (GuestTrapException e) {
        assertThat(e.code()).as(call).isEqualTo("GUEST_MEMORY");
        outcomes.traps++;
        closeAfterTrap();
      }
      memory.observe(null);
      for (Range write : written) {
        assertThat(room).as("%s writes %s", call, write).anyMatch(range -> range.holds(write));
      }
      if (before != null) {
        byte[] after = linear.readBytes(0, SIZE);
        for (Range range : room) {
          Arrays.fill(before, range.from, range.from + (int) range.length, (byte) 0);
          Arrays.fill(after, range.from, range.from + (int) range.length, (byte) 0);
        }
        assertThat(after).as(call).isEqualTo(before);
      }
      tidy(opened);
    }

    /// Where a call that succeeds may write.
    private static List<Range> room(HostFunction f, int[] a) {
      List<Parameter> parameters = HostParameters.of(f.name()).list();
      List<Range> room = new ArrayList<>();
      for (int k = 0; k < a.length; k++) {
        Parameter parameter = parameters.get(k);
        if (parameter.kind() == Kind.REQUESTS) {
          room.add(new Range(STEP_OUT, Integer.BYTES));
          room.add(new Range(STEP + 56, Integer.BYTES));
        } else if (parameter.kind() == Kind.WRITTEN) {
          // A product's size follows from those of its factors.
          long elements = f.name().startsWith("candle") ? (long) a[4] * a[6] : a[k + 1];
          room.add(new Range(a[k], elements * parameter.content().elementBytes()));
        }
      }
      if (f.name().equals("step_wait")) {
        room.add(new Range(OneOfEach.OUT, Integer.BYTES));
        room.add(new Range(OneOfEach.REQUEST + 56, Integer.BYTES));
      }
      return room;
    }

    /// Ends what a call opened before it trapped, with all else, as whoever runs the guest does.
    private void closeAfterTrap() {
      if (state.handles().size() != things.all().size()) {
        state.close();
      }
    }

    /// Closes what a call opened, and opens what it closed.
    private void tidy(int opened) {
      AutoCloseable object = state.handles().find(opened, AutoCloseable.class);
      if (object != null && !things.all().contains(opened)) {
        state.handles().remove(opened);
        switch (object) {
          case Steps.Ticket ticket -> ticket.close();
          case HeldObject held -> held.close();
          default -> {}
        }
      }
      things.refresh(handle -> state.handles().find(handle, AutoCloseable.class) != null);
      assertThat(state.handles().size()).isEqualTo(things.all().size());
    }
  }
}

package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import ai.realm.runtime.HostParameters.Parameter;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// W11 and W15: handles that a guest guesses, has freed, or had before it trapped.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
final class HostileHandleTest extends SampleFixture {
  private static final int SWEPT = 65_536;

  private RealmRuntime runtime(ResourceLimits limits) {
    return new RealmRuntime(sample(), limits, GuestTools.NONE);
  }

  /// Every parameter of every host function that takes a handle.
  Stream<Arguments> handleParameters() {
    List<Arguments> all = new ArrayList<>();
    try (RealmRuntime runtime = runtime(ResourceLimits.unbounded(GuestLimits.DEFAULT))) {
      for (HostFunction f : runtime.hostFunctions()) {
        List<Parameter> parameters = HostParameters.of(f.name()).list();
        for (int i = 0; i < parameters.size(); i++) {
          if (OneOfEach.isHandle(parameters.get(i))) {
            all.add(Arguments.of(f.name(), i));
          }
        }
      }
    }
    return all.stream();
  }

  /// The guest itself asks for each of the first 65,536 numbers, with things of every kind open.
  @ParameterizedTest(name = "{0}, parameter {1}")
  @MethodSource("handleParameters")
  void sweptHandlesAreAllUnknown(String name, int swept) {
    List<Parameter> parameters = HostParameters.of(name).list();
    try (RealmRuntime runtime =
        new RealmRuntime(
            sample(), ResourceLimits.unbounded(GuestLimits.DEFAULT), OneOfEach.TOOLS)) {
      HostCaller guest = HostCaller.of(runtime, sweeper(name, parameters.size(), swept));
      OneOfEach things = new OneOfEach(guest.things());
      Object[] arguments = new Object[parameters.size()];
      for (int i = 0; i < arguments.length; i++) {
        arguments[i] = OneOfEach.isHandle(parameters.get(i)) ? things.of(parameters.get(i)) : 0;
      }
      Object right = arguments[swept];
      arguments[swept] = SWEPT - 1;
      // By chance a handle is small; and 0 for a sequence makes kv_save forget a name.
      long small = things.taken(parameters.get(swept)).stream().filter(h -> h < SWEPT).count();
      long found = small + (name.equals("kv_save") ? 1 : 0);
      long before = runtime.usage().hostCalls();
      assertThat(runtime.callFunction("sweep", arguments).value()).isEqualTo(found);
      assertThat(runtime.usage().hostCalls() - before).isEqualTo(SWEPT);
      arguments[swept] = right;
      assertThat(runtime.callFunction("finds", arguments).value()).as("the handle").isOne();
    }
  }

  /// A guest with what opens things, `finds`, which calls a function and tells whether the result is not
  /// `EBADF`, and `sweep`, which counts that for a parameter from what it is down to 0.
  private static byte[] sweeper(String name, int parameters, int swept) {
    Map<String, Integer> functions = new HashMap<>();
    Stream.concat(OneOfEach.FUNCTIONS.stream(), Stream.of(name))
        .forEach(f -> functions.put(f, HostParameters.of(f).list().size()));
    Code arguments = new Code();
    for (int i = 0; i < parameters; i++) {
      arguments.get(i);
    }
    return HostCaller.guest(
        functions,
        (module, imported) -> {
          Code finds = new Code().append(arguments).call(imported.get(name));
          module.function("finds", parameters, 0, finds.constant(Errno.EBADF).raw(0x47));
          Code sweep = new Code().raw(0x03, 0x40).append(finds);
          sweep.get(parameters).raw(0x6a).set(parameters);
          sweep.get(swept).constant(1).raw(0x6b).raw(0x22, swept);
          sweep.constant(0).raw(0x4e, 0x0d, 0, 0x0b).get(parameters);
          module.function("sweep", parameters, 1, sweep);
        });
  }

  @Test
  void handlesAndTicketsAreNeverUsedAgain() {
    try (RealmRuntime runtime = runtime(ResourceLimits.unbounded(GuestLimits.DEFAULT))) {
      HostCaller guest =
          HostCaller.of(
              runtime,
              HostCaller.guest(
                  Map.of(
                      "kv_new", 1, "kv_free", 1, "kv_len", 1, "step_submit", 2, "step_wait", 2)));
      int model = guest.open("sample");
      Set<Integer> seen = new HashSet<>(Set.of(model));
      for (int i = 0; i < 200; i++) {
        int kv = guest.call("kv_new", model);
        assertThat(seen.add(kv)).isTrue();
        guest.poke(512, kv, 600, 1, 700, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        guest.poke(600, 1);
        int ticket = guest.call("step_submit", 512, 1);
        assertThat(seen.add(ticket)).isTrue();
        assertThat(guest.call("step_wait", ticket, 60_000)).isZero();
        assertThat(guest.call("step_wait", ticket, 0)).isEqualTo(Errno.EBADF);
        assertThat(guest.call("kv_free", kv)).isZero();
        assertThat(guest.call("kv_len", kv)).isEqualTo(Errno.EBADF);
      }
    }
  }

  /// W15. What a guest had open when it trapped is closed: the only sequence that it may have is free again.
  @Test
  void trapClosesWhatTheGuestHadOpen() {
    WasmModuleBuilder module = new WasmModuleBuilder();
    int argument = module.importFunction("realm_host", "arg_read", 3);
    int open = module.importFunction("realm_host", "model_open", 2);
    int fresh = module.importFunction("realm_host", "kv_new", 1);
    int length = module.importFunction("realm_host", "kv_len", 1);
    module.memory(1, 1);
    Code opening = new Code().constant(0).constant(1024).constant(64).call(argument).drop();
    module.function("open", 0, 0, opening.constant(1024).constant(6).call(open).call(fresh));
    module.function("length", 1, 0, new Code().get(0).call(length));
    module.function("crash", 0, 0, new Code().unreachable());
    ResourceLimits limits = ResourceLimits.builder().maxSequences(1).build();
    try (RealmRuntime runtime = runtime(limits)) {
      runtime.loadWasm(module.build());
      for (int i = 0; i < 5; i++) {
        long kv = runtime.callFunction("open", "sample").value();
        assertThat(kv).isPositive();
        assertThat(runtime.callFunction("length", (int) kv).value()).isZero();
        assertThatThrownBy(() -> runtime.callFunction("open", "sample"))
            .isInstanceOfSatisfying(
                RealmException.class, e -> assertThat(e.code()).isEqualTo("SEQUENCE_LIMIT"));
        assertThatThrownBy(() -> runtime.callFunction("crash"))
            .isInstanceOf(GuestTrapException.class);
        assertThat(runtime.callFunction("length", (int) kv).value()).isEqualTo(Errno.EBADF);
      }
    }
  }
}

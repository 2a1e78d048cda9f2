package ai.realm.runtime;

import ai.realm.compute.Backend;
import ai.realm.error.RealmException;
import ai.realm.runtime.GuestPointers.Place;
import ai.realm.runtime.HostParameters.Kind;
import ai.realm.runtime.HostParameters.Parameter;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Runs a guest against a recording instead of a model: every host call must be the one that was recorded,
/// and gets what was given then. So a guest has unit tests that are fast and always the same.
///
/// Compared is what the host would read: arguments that are no pointers, the bytes behind those that are,
/// the fields of a step's requests. Where they lie is the guest's own affair.
public final class GuestReplay {
  /// Those that are one to a guest that asks nothing of its host any more.
  private static final Set<String> OUT_OF_TIME =
      Set.of("GUEST_CANCELLED", "GUEST_CPU", "GUEST_DEADLINE", "CPU_RATE");

  private final GuestRecording recording;
  private final GuestPointers pointers = new GuestPointers();
  private final StringBuilder text = new StringBuilder();
  private List<GuestRecording.HostCall> expected = List.of();
  private String end = "";
  private int at;
  private int hostCalls;

  private GuestReplay(GuestRecording recording) {
    this.recording = recording;
  }

  /// How a replay went.
  ///
  /// @param difference where the guest left the recording, and how; empty where it did not
  /// @param hostCalls calls of host functions that were answered
  /// @param text what was emitted
  public record Report(String difference, int hostCalls, String text) {
    /// Whether the guest did what was recorded.
    public boolean same() {
      return difference.isEmpty();
    }
  }

  /// Where a replay ends that differs.
  private static final class DifferenceException extends RealmException {
    private static final long serialVersionUID = 1L;

    DifferenceException(String message) {
      super("REPLAY_DIFFERS", message);
    }
  }

  /// Replays a recording.
  ///
  /// @param backend is not used to compute anything
  /// @throws GuestFormatException when the module cannot be a guest
  /// @throws RealmException `RECORDING_INVALID` when the file is no recording
  public static Report run(byte[] wasm, Path file, Backend backend) {
    GuestReplay replay = new GuestReplay(GuestRecordingReader.read(file));
    GuestLimits limits = replay.limits().withMaxModuleBytes(Math.max(8, wasm.length));
    RuntimeConfig config =
        RuntimeConfig.builder(backend)
            .maxContext(1)
            .sequences(1)
            .memory64Bytes(0)
            .limits(limits)
            .build();
    try (RealmRuntime runtime = new RealmRuntime(config)) {
      runtime.loadWasm(wasm);
      runtime.trace(replay::answer);
      String difference = replay.difference(runtime);
      return new Report(difference, replay.hostCalls, replay.text.toString());
    }
  }

  /// Memory and stack as they were. Time as it was only where it ran out: elsewhere another machine must not
  /// be too slow for a test.
  private GuestLimits limits() {
    GuestLimits then = recording.limits();
    return recording.calls().stream().anyMatch(c -> OUT_OF_TIME.contains(c.failure()))
        ? then
        : then.withDeadline(GuestLimits.DEFAULT.deadline())
            .withCpuTime(GuestLimits.DEFAULT.cpuTime());
  }

  private String difference(RealmRuntime runtime) {
    int number = 0;
    for (GuestRecording.ExportCall call : recording.calls()) {
      number++;
      expected = call.hostCalls();
      end = call.failure();
      at = 0;
      String code = null;
      long value = 0;
      try {
        value = runtime.callFunction(call.name(), call.arguments().toArray()).value();
      } catch (DifferenceException e) {
        return "call %d, %s: %s".formatted(number, call.name(), e.getMessage());
      } catch (RealmException e) {
        code = e.code();
        pointers.forget();
      }
      String wrong = end(call, code, value);
      if (!wrong.isEmpty()) {
        return "call %d, %s: %s".formatted(number, call.name(), wrong);
      }
    }
    return "";
  }

  private String end(GuestRecording.ExportCall call, @Nullable String code, long value) {
    String now = code == null ? "result " + value : "failure " + code;
    if (at < expected.size()) {
      return "expected host call %d, %s, found the end of the call: %s"
          .formatted(at + 1, expected.get(at).describe(), now);
    }
    if (code != null && OUT_OF_TIME.contains(code) && OUT_OF_TIME.contains(call.failure())) {
      return "";
    }
    String then = call.code() == null ? "result " + call.result() : "failure " + call.code();
    return then.equals(now) ? "" : "expected %s, found %s".formatted(then, now);
  }

  private int answer(HostFunction function, GuestMemory memory, int[] arguments, Call call) {
    if (at == expected.size()) {
      if (GuestRecording.ENDED_BY_HOST.contains(end)) {
        throw new GuestTrapException(end, "as it was recorded");
      }
      throw new DifferenceException(
          "host call %d: expected the end of the call, found %s"
              .formatted(at + 1, called(function, arguments)));
    }
    GuestRecording.HostCall then = expected.get(at);
    GuestPointers.OfCall places = pointers.of(function, memory, arguments);
    compare(then, function, memory, arguments, places);
    hostCalls++;
    at++;
    GuestRecording.Answer answer = then.answer();
    pointers.answered(function, arguments, places, answer.result());
    for (GuestRecording.Output output : then.outputs()) {
      text.append(output.kind().equals("text") ? output.text() : "");
    }
    for (GuestRecording.Data write : then.writes()) {
      write(write, memory, places);
    }
    if (answer.code() != null) {
      throw new GuestTrapException(answer.code(), "as it was recorded");
    }
    if (answer.refusal() != null) {
      call.refuse(answer.result(), new GuestTrapException(answer.refusal(), "as it was recorded"));
    }
    return answer.result();
  }

  // ---- what the guest asks ----------------------------------------------------------------------

  private void compare(
      GuestRecording.HostCall then,
      HostFunction function,
      GuestMemory memory,
      int[] arguments,
      GuestPointers.OfCall places) {
    if (!then.name().equals(function.name())) {
      throw new DifferenceException(
          "host call %d: expected %s, found %s"
              .formatted(at + 1, then.describe(), called(function, arguments)));
    }
    List<Parameter> parameters = HostParameters.of(function.name()).list();
    for (int i = 0; i < arguments.length; i++) {
      Parameter parameter = parameters.get(i);
      int before = then.arguments()[i];
      boolean same =
          switch (parameter.kind()) {
            case VALUE -> before == arguments[i];
            case CAPACITY -> fits(before, arguments[i], then.answer().result());
            case READ, WRITTEN, REQUESTS -> true;
          };
      if (!same) {
        throw differs(
            function, parameter.name(), Integer.toString(before), Integer.toString(arguments[i]));
      }
      if (parameter.kind() == Kind.CAPACITY && then.answer().isResult()) {
        Parameter pointer = parameters.get(i - 1);
        long bytes = (long) pointer.content().elementBytes() * arguments[i];
        if (!memory.holds(arguments[i - 1], bytes)) {
          throw differs(function, pointer.name(), bytes + " bytes", "fewer up to the memory's end");
        }
      }
    }
    if ("GUEST_MEMORY".equals(then.answer().code())
        && HostParameters.of(function.name()).isInside(memory, arguments)) {
      throw differs(function, "pointers", "one outside of the memory", "none");
    }
    for (int i = 0; i < then.requests().size(); i++) {
      if (i == places.requests().size()) {
        throw differs(function, "requests_ptr", "requests", "a pointer outside of the memory");
      }
      compareRequest(function, i, then.requests().get(i), places.requests().get(i));
    }
    for (GuestRecording.Data read : then.reads()) {
      compareRead(function, read, memory, places);
    }
  }

  /// Whether as much of a result fits into one capacity as into the other.
  private static boolean fits(int then, int now, int result) {
    int size = Math.max(0, result);
    return then == now || then >= 0 && now >= 0 && Math.min(then, size) == Math.min(now, size);
  }

  private void compareRequest(HostFunction function, int request, int[] then, int[] words) {
    int[] now = StepFields.counting(words);
    // The last field first: what a sampler has instead of it says nothing.
    for (int field = StepFields.COUNT - 1; field >= 0; field--) {
      if (then[field] != now[field]) {
        throw differs(
            function,
            "requests[%d].%s".formatted(request, StepFields.name(field)),
            StepFields.show(field, then[field]),
            StepFields.show(field, now[field]));
      }
    }
  }

  private void compareRead(
      HostFunction function,
      GuestRecording.Data then,
      GuestMemory memory,
      GuestPointers.OfCall places) {
    Place place = places.find(then.place(), Kind.READ);
    if (place == null && !then.place().isEmpty()) {
      throw differs(function, then.place(), then.length() + " bytes", "none");
    }
    int pointer = (place == null ? 0 : place.pointer()) + then.offset();
    String name = place == null ? "bytes at " + pointer : place.name();
    if (!memory.holds(pointer, then.length())) {
      throw differs(function, name, then.length() + " bytes", "a pointer outside of the memory");
    }
    byte[] bytes = memory.bytes(pointer, then.length());
    if (!then.isSame(GuestRecording.Data.of(then.place(), then.offset(), bytes))) {
      throw new DifferenceException(
          "host call %d, %s: %s"
              .formatted(
                  at + 1,
                  function.name(),
                  ShownBytes.difference(
                      name,
                      place == null ? HostParameters.Content.TEXT : place.content(),
                      then,
                      bytes)));
    }
  }

  private DifferenceException differs(HostFunction function, String what, String then, String now) {
    return new DifferenceException(
        "host call %d, %s: %s: expected %s, found %s"
            .formatted(at + 1, function.name(), what, then, now));
  }

  private static String called(HostFunction function, int[] arguments) {
    return function.name() + HostParameters.of(function.name()).describe(arguments);
  }

  // ---- what the host answers --------------------------------------------------------------------

  /// Writes to where the guest asks for it now.
  private static void write(
      GuestRecording.Data write, GuestMemory memory, GuestPointers.OfCall places) {
    Place place = places.find(write.place(), Kind.WRITTEN);
    if (place != null || write.place().isEmpty()) {
      int pointer = (place == null ? 0 : place.pointer()) + write.offset();
      memory.put(write.bytes(), pointer, write.bytes().length);
    }
  }
}

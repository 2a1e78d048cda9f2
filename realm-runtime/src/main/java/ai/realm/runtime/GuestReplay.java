package ai.realm.runtime;

import ai.realm.compute.Backend;
import ai.realm.compute.KvType;
import ai.realm.error.RealmException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Runs a guest against a recording instead of a model: every host call must be the one that was recorded,
/// and gets what was given then. So a guest has unit tests that are fast and always the same.
///
/// What a guest emits itself (`emit_text`, `emit_token`, `emit_event`, `log`) is compared with what it
/// emitted then; the same calls with other pointers are another run.
public final class GuestReplay {
  /// Functions whose effect is the guest's own words: they are run and compared.
  private static final Set<String> OWN_WORDS =
      Set.of("emit_text", "emit_token", "emit_event", "log");

  private final GuestRecording recording;
  private final StringBuilder text = new StringBuilder();
  private List<GuestRecording.HostCall> expected = List.of();
  private List<GuestRecording.Output> said = new ArrayList<>();
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
    GuestReplay replay = new GuestReplay(GuestRecording.read(file));
    RuntimeConfig config =
        new RuntimeConfig(Map.of(), backend, 1, 1, KvType.F16, 0, GuestLimits.DEFAULT);
    try (RealmRuntime runtime = new RealmRuntime(config)) {
      runtime.loadWasm(wasm);
      runtime.trace(replay::answer);
      String difference = replay.difference(runtime);
      return new Report(difference, replay.hostCalls, replay.text.toString());
    }
  }

  private String difference(RealmRuntime runtime) {
    int number = 0;
    for (GuestRecording.ExportCall call : recording.calls()) {
      number++;
      expected = call.hostCalls();
      at = 0;
      String code = null;
      long value = 0;
      try {
        value =
            runtime
                .callFunction(
                    call.name(), new GuestRecorder.Outputs(this::hear), call.arguments().toArray())
                .value();
      } catch (DifferenceException e) {
        return "call %d, %s: %s".formatted(number, call.name(), e.getMessage());
      } catch (RealmException e) {
        code = e.code();
      }
      String wrong = end(call, code, value);
      if (!wrong.isEmpty()) {
        return "call %d, %s: %s".formatted(number, call.name(), wrong);
      }
    }
    return "";
  }

  private String end(GuestRecording.ExportCall call, @Nullable String code, long value) {
    if (at < expected.size()) {
      return "expected host call %d, %s, found the end of the call"
          .formatted(at + 1, expected.get(at).describe());
    }
    String then = call.code() == null ? "result " + call.result() : "failure " + call.code();
    String now = code == null ? "result " + value : "failure " + code;
    return then.equals(now) ? "" : "expected %s, found %s".formatted(then, now);
  }

  private void hear(GuestRecording.Output output) {
    said.add(output);
    if (output.kind().equals("text")) {
      text.append(output.text());
    }
  }

  private int answer(HostFunction function, GuestMemory memory, int[] arguments) {
    if (at == expected.size()) {
      throw differs("the end of the call", called(function, arguments));
    }
    GuestRecording.HostCall then = expected.get(at);
    if (!then.name().equals(function.name()) || !Arrays.equals(then.arguments(), arguments)) {
      throw differs(then.describe(), called(function, arguments));
    }
    hostCalls++;
    said = new ArrayList<>();
    if (OWN_WORDS.contains(function.name()) && then.code() == null) {
      int result = function.body().call(memory, arguments);
      if (!said.equals(then.outputs()) || result != then.result()) {
        throw differs(
            "%s → %d %s".formatted(then.describe(), then.result(), then.outputs()),
            "%d %s".formatted(result, said));
      }
    } else {
      then.outputs().forEach(this::hear);
      for (GuestRecording.Write write : then.writes()) {
        memory.put(write.bytes(), write.pointer(), write.bytes().length);
      }
    }
    at++;
    if (then.code() != null) {
      throw new GuestTrapException(then.code(), "as it was recorded");
    }
    return then.result();
  }

  private DifferenceException differs(String then, String now) {
    return new DifferenceException(
        "host call %d: expected %s, found %s".formatted(at + 1, then, now));
  }

  private static String called(HostFunction function, int[] arguments) {
    return function.name() + Arrays.toString(arguments).replace('[', '(').replace(']', ')');
  }
}

package ai.realm.runtime;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.MalformedInputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Reads the file of a recording.
final class GuestRecordingReader {
  private final Path file;
  private final BufferedReader in;
  private @Nullable String line;
  private int number;

  private GuestRecordingReader(Path file, BufferedReader in) throws IOException {
    this.file = file;
    this.in = in;
    this.line = in.readLine();
  }

  /// @throws GuestRecording.RecordingException `RECORDING_INVALID`, naming the line, what was expected and
  ///     what was found
  static GuestRecording read(Path file) {
    try (BufferedReader in = Files.newBufferedReader(file)) {
      if (Files.size(file) > GuestRecording.MOST_BYTES) {
        throw invalid(
            "recording %s: expected at most %d bytes, found %d"
                .formatted(file, GuestRecording.MOST_BYTES, Files.size(file)));
      }
      return new GuestRecordingReader(file, in).recording();
    } catch (MalformedInputException e) {
      throw invalid("recording %s: expected UTF-8, found other bytes".formatted(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static GuestRecording.RecordingException invalid(String message) {
    return new GuestRecording.RecordingException("RECORDING_INVALID", message);
  }

  private GuestRecording recording() throws IOException {
    Map<?, ?> head = next("the head of a recording");
    if (!(head.get("realm_recording") instanceof Double version)) {
      throw wrong("realm_recording " + GuestRecording.VERSION, "another object");
    }
    if (version != GuestRecording.VERSION) {
      throw wrong(
          "realm_recording " + GuestRecording.VERSION,
          "%.0f; record the run again, version 1 does not tell what the host read"
              .formatted(version));
    }
    long abi = number(head.get("abi"));
    if (abi != HostFunctions.ABI_VERSION) {
      throw wrong("abi " + HostFunctions.ABI_VERSION, abi);
    }
    String guest = text(head, "guest");
    GuestLimits limits = limits(head.get("limits"));
    List<GuestRecording.ExportCall> calls = new ArrayList<>();
    while (line != null) {
      calls.add(call());
    }
    return new GuestRecording(guest, limits, calls);
  }

  private GuestLimits limits(@Nullable Object value) {
    if (!(value instanceof Map<?, ?> limits)) {
      throw wrong("limits", value);
    }
    GuestLimits known = GuestLimits.DEFAULT;
    try {
      return new GuestLimits(
          number(limits.get("memory")),
          Duration.ofMillis(number(limits.get("deadline_ms"))),
          Duration.ofMillis(number(limits.get("cpu_ms"))),
          known.maxModuleBytes(),
          known.maxHandles(),
          number(limits.get("stack")),
          known.logBytes());
    } catch (IllegalArgumentException e) {
      throw wrong("limits of a guest", e.getMessage());
    }
  }

  private GuestRecording.ExportCall call() throws IOException {
    Map<?, ?> head = next("a call");
    String name = text(head, "call");
    List<Object> arguments = new ArrayList<>();
    for (Object argument : list(head.get("args"))) {
      arguments.add(argument instanceof String text ? text : (Object) number(argument));
    }
    List<GuestRecording.HostCall> hostCalls = new ArrayList<>();
    while (true) {
      Map<?, ?> next = next("a host call or the end of " + name);
      if (next.containsKey("end")) {
        return new GuestRecording.ExportCall(
            name, arguments, hostCalls, null, number(next.get("end")));
      }
      if (next.containsKey("failed")) {
        return new GuestRecording.ExportCall(name, arguments, hostCalls, text(next, "failed"), 0);
      }
      hostCalls.add(hostCall(next));
    }
  }

  private GuestRecording.HostCall hostCall(Map<?, ?> call) {
    String name = text(call, "f");
    List<HostParameters.Parameter> parameters;
    try {
      parameters = HostParameters.of(name).list();
    } catch (IllegalArgumentException e) {
      throw wrong("a host function", name);
    }
    List<?> given = list(call.get("a"));
    if (given.size() != parameters.size()) {
      throw wrong("%d arguments of %s".formatted(parameters.size(), name), given.size());
    }
    int[] arguments = new int[given.size()];
    for (int i = 0; i < arguments.length; i++) {
      arguments[i] = parameters.get(i).isPointer() ? 0 : (int) number(given.get(i));
    }
    List<int[]> requests = new ArrayList<>();
    for (Object request : optional(call.get("s"))) {
      List<?> words = list(request);
      if (words.size() != StepFields.COUNT) {
        throw wrong(StepFields.COUNT + " fields of a request", words.size());
      }
      requests.add(words.stream().mapToInt(w -> (int) number(w)).toArray());
    }
    return new GuestRecording.HostCall(
        name,
        arguments,
        requests,
        data(call.get("i")),
        data(call.get("w")),
        outputs(call.get("o")),
        answer(call));
  }

  private GuestRecording.Answer answer(Map<?, ?> call) {
    return call.containsKey("x")
        ? GuestRecording.Answer.failed(text(call, "x"))
        : new GuestRecording.Answer(
            (int) number(call.get("r")),
            null,
            call.containsKey("refused") ? text(call, "refused") : null);
  }

  private List<GuestRecording.Data> data(@Nullable Object value) {
    List<GuestRecording.Data> all = new ArrayList<>();
    for (Object item : optional(value)) {
      List<?> parts = list(item);
      if (parts.size() == 3) {
        all.add(
            GuestRecording.Data.whole(
                String.valueOf(parts.get(0)), (int) number(parts.get(1)), base64(parts.get(2))));
      } else if (parts.size() == 4) {
        all.add(
            new GuestRecording.Data(
                String.valueOf(parts.get(0)),
                (int) number(parts.get(1)),
                (int) number(parts.get(2)),
                digest(parts.get(3))));
      } else {
        throw wrong("place, offset and bytes", parts);
      }
    }
    return all;
  }

  private List<GuestRecording.Output> outputs(@Nullable Object value) {
    List<GuestRecording.Output> outputs = new ArrayList<>();
    for (Object output : optional(value)) {
      List<?> parts = list(output);
      if (parts.size() != 3) {
        throw wrong("kind, number and text of an output", parts);
      }
      outputs.add(
          new GuestRecording.Output(
              String.valueOf(parts.get(0)),
              (int) number(parts.get(1)),
              String.valueOf(parts.get(2))));
    }
    return outputs;
  }

  private Map<?, ?> next(String expected) throws IOException {
    String present = line;
    if (present == null) {
      throw wrong(expected, "the end of the file");
    }
    number++;
    line = in.readLine();
    try {
      if (JsonText.parse(present.getBytes(StandardCharsets.UTF_8)) instanceof Map<?, ?> object) {
        return object;
      }
    } catch (IllegalArgumentException e) {
      throw wrong(expected, e.getMessage());
    }
    throw wrong(expected, "another value");
  }

  private List<?> list(@Nullable Object value) {
    if (value instanceof List<?> items) {
      return items;
    }
    throw wrong("an array", value);
  }

  private List<?> optional(@Nullable Object value) {
    return value == null ? List.of() : list(value);
  }

  private String text(Map<?, ?> object, String key) {
    if (object.get(key) instanceof String text) {
      return text;
    }
    throw wrong("a text " + key, object.get(key));
  }

  private long number(@Nullable Object value) {
    if (value instanceof Double number && number == Math.rint(number)) {
      return number.longValue();
    }
    throw wrong("a whole number", value);
  }

  private byte[] base64(@Nullable Object value) {
    try {
      return Base64.getDecoder().decode(String.valueOf(value));
    } catch (IllegalArgumentException e) {
      throw wrong("base64", e.getMessage());
    }
  }

  private byte[] digest(@Nullable Object value) {
    try {
      return HexFormat.of().parseHex(String.valueOf(value));
    } catch (IllegalArgumentException e) {
      throw wrong("a SHA-256", e.getMessage());
    }
  }

  private GuestRecording.RecordingException wrong(String expected, @Nullable Object found) {
    return invalid(
        "recording %s line %d: expected %s, found %s".formatted(file, number, expected, found));
  }
}

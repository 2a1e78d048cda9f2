package ai.realm.runtime;

import ai.realm.runtime.HostParameters.Kind;
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
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Reads the file of a recording.
final class GuestRecordingReader {
  private static final List<String> OUTPUTS = List.of("text", "token", "event", "log");
  private static final Pattern CODE = Pattern.compile("[A-Z][A-Z0-9_]*");
  private static final Pattern SHA_256 = Pattern.compile("[0-9a-f]{64}");

  private final Path file;
  private final BufferedReader in;
  private @Nullable String line;
  private int number;
  private long memoryBytes;

  private GuestRecordingReader(Path file, BufferedReader in) throws IOException {
    this.file = file;
    this.in = in;
    this.line = in.readLine();
  }

  /// @throws GuestRecording.RecordingException `RECORDING_INVALID`, naming the line, what was expected and
  ///     what was found
  static GuestRecording read(Path file) {
    if (Files.isDirectory(file)) {
      throw invalid("recording %s: expected a file, found a folder".formatted(file));
    }
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
          "%.0f; record the run again".formatted(version));
    }
    long abi = number(head.get("abi"));
    if (abi != HostFunctions.ABI_VERSION) {
      throw wrong("abi " + HostFunctions.ABI_VERSION, abi);
    }
    String guest = sha256(head.get("guest"));
    GuestLimits limits = limits(head.get("limits"));
    memoryBytes = limits.maxMemoryBytes();
    List<GuestRecording.ExportCall> calls = new ArrayList<>();
    Map<?, ?> next = next("a call");
    while (!next.containsKey("calls")) {
      calls.add(call(next));
      next = next("a call or the last line");
    }
    checkLast(next, calls);
    return new GuestRecording(guest, limits, calls);
  }

  /// What is cut somewhere must not pass as a shorter run.
  private void checkLast(Map<?, ?> last, List<GuestRecording.ExportCall> calls) {
    long hostCalls = calls.stream().mapToLong(call -> call.hostCalls().size()).sum();
    if (calls.isEmpty()) {
      throw wrong("a call", "none");
    }
    if (number(last.get("calls")) != calls.size() || number(last.get("host_calls")) != hostCalls) {
      throw wrong("calls %d, host_calls %d".formatted(calls.size(), hostCalls), last);
    }
    if (line != null) {
      number++;
      throw wrong("the end of the file", "more");
    }
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

  private GuestRecording.ExportCall call(Map<?, ?> head) throws IOException {
    String name = text(head, "call");
    List<Object> arguments = new ArrayList<>();
    for (Object argument : list(head.get("args"))) {
      arguments.add(argument instanceof String text ? text : (Object) number(argument));
    }
    List<GuestRecording.HostCall> hostCalls = new ArrayList<>();
    while (true) {
      Map<?, ?> next = next("a host call or the end of " + name);
      GuestRecording.Answer last = hostCalls.isEmpty() ? null : hostCalls.getLast().answer();
      if (last != null && last.isFailure() && !next.containsKey("failed")) {
        throw wrong("the end of %s, which failed with %s".formatted(name, last.code()), next);
      }
      if (next.containsKey("end")) {
        return new GuestRecording.ExportCall(
            name, arguments, hostCalls, null, number(next.get("end")));
      }
      if (next.containsKey("failed")) {
        String code = code(next, "failed");
        checkFailure(code, hostCalls);
        return new GuestRecording.ExportCall(name, arguments, hostCalls, code, 0);
      }
      hostCalls.add(hostCall(next));
    }
  }

  /// A call that asked something of its host fails as that said, or as a guest itself can.
  private void checkFailure(String code, List<GuestRecording.HostCall> hostCalls) {
    if (hostCalls.isEmpty() || GuestRecording.ENDED_BY_HOST.contains(code)) {
      return;
    }
    String failed = hostCalls.getLast().answer().code();
    Set<String> possible = new TreeSet<>();
    if (failed != null) {
      possible.add(failed);
    } else {
      hostCalls.forEach(call -> {
        String refusal = call.answer().refusal();
        if (refusal != null) {
          possible.add(refusal);
        }
      });
      possible.addAll(GuestRecording.ENDED_BY_GUEST);
    }
    if (!possible.contains(code)) {
      throw wrong("a failure of " + String.join(", ", possible), code);
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
      arguments[i] = argument(parameters.get(i), given.get(i));
    }
    GuestRecordingPlaces places = new GuestRecordingPlaces(name, arguments);
    return new GuestRecording.HostCall(
        name,
        arguments,
        requests(call.get("s"), places.mostRequests()),
        reads(call.get("i"), places),
        writes(call.get("w"), places),
        outputs(call.get("o")),
        answer(call));
  }

  private int argument(HostParameters.Parameter parameter, @Nullable Object value) {
    if (!parameter.isPointer()) {
      return integer(value);
    }
    if (value != null) {
      throw wrong("null for the pointer " + parameter.name(), value);
    }
    return 0;
  }

  private List<int[]> requests(@Nullable Object value, int most) {
    List<int[]> requests = new ArrayList<>();
    for (Object request : optional(value)) {
      List<?> words = list(request);
      if (words.size() != StepFields.COUNT) {
        throw wrong(StepFields.COUNT + " fields of a request", words.size());
      }
      requests.add(words.stream().mapToInt(this::integer).toArray());
    }
    if (requests.size() > most) {
      throw wrong("at most %d requests".formatted(most), requests.size());
    }
    return requests;
  }

  private GuestRecording.Answer answer(Map<?, ?> call) {
    if (call.containsKey("x")) {
      return GuestRecording.Answer.failed(code(call, "x"));
    }
    int result = integer(call.get("r"));
    String refusal = call.containsKey("refused") ? code(call, "refused") : null;
    if (refusal != null && result >= 0) {
      throw wrong("a negative result beside " + refusal, result);
    }
    return new GuestRecording.Answer(result, null, refusal);
  }

  private List<GuestRecording.Data> reads(@Nullable Object value, GuestRecordingPlaces places) {
    List<GuestRecording.Data> reads = new ArrayList<>();
    for (Object item : optional(value)) {
      List<?> parts = list(item);
      boolean whole = parts.size() == 3;
      if (!whole && parts.size() != 4) {
        throw wrong("place, offset and bytes, or their length and SHA-256", parts);
      }
      String place = place(parts.get(0), places, Kind.READ);
      int offset = integer(parts.get(1));
      if (!place.isEmpty() && offset != 0) {
        throw wrong("offset 0 of " + place, offset);
      }
      GuestRecording.Data data =
          whole
              ? GuestRecording.Data.whole(place, offset, base64(parts.get(2)))
              : new GuestRecording.Data(
                  place,
                  offset,
                  integer(parts.get(2)),
                  HexFormat.of().parseHex(sha256(parts.get(3))));
      if (whole == data.length() > GuestRecording.SHORT_BYTES) {
        throw wrong(
            "a SHA-256 of more than %d bytes, else the bytes".formatted(GuestRecording.SHORT_BYTES),
            data.length());
      }
      reads.add(inside(data, memoryBytes));
    }
    return reads;
  }

  private List<GuestRecording.Data> writes(@Nullable Object value, GuestRecordingPlaces places) {
    List<GuestRecording.Data> writes = new ArrayList<>();
    for (Object item : optional(value)) {
      List<?> parts = list(item);
      if (parts.size() != 3) {
        throw wrong("place, offset and bytes", parts);
      }
      String place = place(parts.get(0), places, Kind.WRITTEN);
      GuestRecording.Data data =
          GuestRecording.Data.whole(place, integer(parts.get(1)), base64(parts.get(2)));
      writes.add(inside(data, places.room(place, memoryBytes)));
    }
    return writes;
  }

  private String place(@Nullable Object value, GuestRecordingPlaces places, Kind kind) {
    if (value instanceof String place && places.has(place, kind)) {
      return place;
    }
    throw wrong(
        "a pointer of %s to what is %s"
            .formatted(places.function(), kind == Kind.READ ? "read" : "written"),
        value);
  }

  private GuestRecording.Data inside(GuestRecording.Data data, long room) {
    if (data.offset() < 0 || data.length() < 0 || (long) data.offset() + data.length() > room) {
      throw wrong(
          "bytes within %d of %s"
              .formatted(room, data.place().isEmpty() ? "the memory" : data.place()),
          "%d at offset %d".formatted(data.length(), data.offset()));
    }
    return data;
  }

  private List<GuestRecording.Output> outputs(@Nullable Object value) {
    List<GuestRecording.Output> outputs = new ArrayList<>();
    for (Object output : optional(value)) {
      List<?> parts = list(output);
      if (parts.size() != 3 || !(parts.get(2) instanceof String text)) {
        throw wrong("kind, number and text of an output", parts);
      }
      if (!OUTPUTS.contains(String.valueOf(parts.get(0)))) {
        throw wrong("an output, " + String.join(", ", OUTPUTS), parts.get(0));
      }
      outputs.add(
          new GuestRecording.Output(String.valueOf(parts.get(0)), integer(parts.get(1)), text));
    }
    return outputs;
  }

  private Map<?, ?> next(String expected) throws IOException {
    String present = line;
    number++;
    if (present == null) {
      throw wrong(expected, "the end of the file");
    }
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

  private String code(Map<?, ?> object, String key) {
    String code = text(object, key);
    if (!CODE.matcher(code).matches()) {
      throw wrong("a code in " + key, code);
    }
    return code;
  }

  private long number(@Nullable Object value) {
    if (value instanceof Double number
        && number == Math.rint(number)
        && Math.abs(number) <= Long.MAX_VALUE) {
      return number.longValue();
    }
    throw wrong("a whole number", value);
  }

  private int integer(@Nullable Object value) {
    long number = number(value);
    if (number != (int) number) {
      throw wrong("a number of 32 bits", number);
    }
    return (int) number;
  }

  private byte[] base64(@Nullable Object value) {
    try {
      return Base64.getDecoder().decode(String.valueOf(value));
    } catch (IllegalArgumentException e) {
      throw wrong("base64", e.getMessage());
    }
  }

  private String sha256(@Nullable Object value) {
    if (value instanceof String hex && SHA_256.matcher(hex).matches()) {
      return hex;
    }
    throw wrong("a SHA-256", value);
  }

  private GuestRecording.RecordingException wrong(String expected, @Nullable Object found) {
    return invalid(
        "recording %s line %d: expected %s, found %s".formatted(file, number, expected, found));
  }
}

package ai.realm.runtime;

import ai.realm.error.RealmException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A guest's run in a file: every call of an export, every host call in it with what it gave back, wrote
/// into the guest's memory and sent to the caller. `docs/guest-testing.md` has the format: one JSON object
/// a line.
///
/// @param guest SHA-256 of the module that was recorded
/// @param calls in their order
record GuestRecording(String guest, List<ExportCall> calls) {
  static final int VERSION = 1;
  private static final long MOST_BYTES = 256L << 20;

  GuestRecording {
    calls = List.copyOf(calls);
  }

  /// One call of an export.
  ///
  /// @param arguments numbers and texts
  /// @param code why it failed, or null
  /// @param result what it returned, where it did
  record ExportCall(
      String name,
      List<Object> arguments,
      List<HostCall> hostCalls,
      @Nullable String code,
      long result) {}

  /// One call of a host function.
  ///
  /// @param code why it ended the export's call, or null
  record HostCall(
      String name,
      int[] arguments,
      int result,
      @Nullable String code,
      List<Write> writes,
      List<Output> outputs) {
    String describe() {
      return name + Arrays.toString(arguments).replace('[', '(').replace(']', ')');
    }
  }

  /// Bytes that the host wrote into the guest's memory.
  record Write(int pointer, byte[] bytes) {}

  /// What went to the caller: a kind (`text`, `token`, `event`, `log`), a number and a text or bytes.
  record Output(String kind, int number, String text) {
    @Override
    public String toString() {
      return switch (kind) {
        case "token" -> "token " + number;
        case "text" -> '"' + text + '"';
        default -> kind + " " + number + " \"" + text + '"';
      };
    }
  }

  /// `RECORDING_INVALID`: a file that is no recording.
  static final class InvalidException extends RealmException {
    private static final long serialVersionUID = 1L;

    InvalidException(String message) {
      super("RECORDING_INVALID", message);
    }
  }

  // ---- writing ----------------------------------------------------------------------------------

  List<String> lines() {
    List<String> lines = new ArrayList<>();
    lines.add(
        "{\"realm_recording\":%d,\"abi\":%d,\"guest\":%s}"
            .formatted(VERSION, HostFunctions.ABI_VERSION, quote(guest)));
    for (ExportCall call : calls) {
      lines.add(
          "{\"call\":%s,\"args\":[%s]}"
              .formatted(
                  quote(call.name()),
                  String.join(
                      ",",
                      call.arguments().stream()
                          .map(a -> a instanceof Number n ? n.toString() : quote(a.toString()))
                          .toList())));
      for (HostCall host : call.hostCalls()) {
        lines.add(line(host));
      }
      lines.add(
          call.code() == null
              ? "{\"end\":" + call.result() + "}"
              : "{\"failed\":" + quote(call.code()) + "}");
    }
    return lines;
  }

  private static String line(HostCall call) {
    StringBuilder line = new StringBuilder("{\"f\":").append(quote(call.name()));
    line.append(",\"a\":").append(Arrays.toString(call.arguments()).replace(" ", ""));
    if (call.code() == null) {
      line.append(",\"r\":").append(call.result());
    } else {
      line.append(",\"x\":").append(quote(call.code()));
    }
    if (!call.writes().isEmpty()) {
      line.append(",\"w\":[");
      for (Write write : call.writes()) {
        line.append(line.charAt(line.length() - 1) == '[' ? "" : ",")
            .append('[')
            .append(write.pointer())
            .append(",\"")
            .append(Base64.getEncoder().encodeToString(write.bytes()))
            .append("\"]");
      }
      line.append(']');
    }
    if (!call.outputs().isEmpty()) {
      line.append(",\"o\":[");
      for (Output output : call.outputs()) {
        line.append(line.charAt(line.length() - 1) == '[' ? "" : ",")
            .append(
                "[\"%s\",%d,%s]".formatted(output.kind(), output.number(), quote(output.text())));
      }
      line.append(']');
    }
    return line.append('}').toString();
  }

  static String quote(String text) {
    StringBuilder quoted = new StringBuilder(text.length() + 2).append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '"' || c == '\\') {
        quoted.append('\\').append(c);
      } else if (c < 0x20 || Character.isSurrogate(c)) {
        quoted.append("\\u%04x".formatted((int) c));
      } else {
        quoted.append(c);
      }
    }
    return quoted.append('"').toString();
  }

  // ---- reading ----------------------------------------------------------------------------------

  /// @throws InvalidException naming the line, what was expected and what was found
  static GuestRecording read(Path file) {
    List<String> lines;
    try {
      if (Files.size(file) > MOST_BYTES) {
        throw new InvalidException(
            "recording %s: expected at most %d bytes".formatted(file, MOST_BYTES));
      }
      lines = Files.readAllLines(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new Reader(file, lines).read();
  }

  private static final class Reader {
    private final Path file;
    private final List<String> lines;
    private int at;

    Reader(Path file, List<String> lines) {
      this.file = file;
      this.lines = lines;
    }

    GuestRecording read() {
      Map<?, ?> head = next("the head of a recording");
      if (!(head.get("realm_recording") instanceof Double version) || version != VERSION) {
        throw wrong("realm_recording " + VERSION, head.get("realm_recording"));
      }
      String guest = text(head, "guest");
      List<ExportCall> calls = new ArrayList<>();
      while (at < lines.size()) {
        calls.add(call());
      }
      return new GuestRecording(guest, calls);
    }

    private ExportCall call() {
      Map<?, ?> head = next("a call");
      String name = text(head, "call");
      List<Object> arguments = new ArrayList<>();
      for (Object argument : list(head.get("args"))) {
        arguments.add(
            argument instanceof Double number
                ? (Object) number.longValue()
                : String.valueOf(argument));
      }
      List<HostCall> hostCalls = new ArrayList<>();
      while (true) {
        Map<?, ?> line = next("a host call or the end of " + name);
        if (line.containsKey("end")) {
          return new ExportCall(name, arguments, hostCalls, null, number(line.get("end")));
        }
        if (line.containsKey("failed")) {
          return new ExportCall(name, arguments, hostCalls, text(line, "failed"), 0);
        }
        hostCalls.add(hostCall(line));
      }
    }

    private HostCall hostCall(Map<?, ?> line) {
      int[] arguments = list(line.get("a")).stream().mapToInt(a -> (int) number(a)).toArray();
      List<Write> writes = new ArrayList<>();
      for (Object write : optional(line.get("w"))) {
        List<?> pair = list(write);
        if (pair.size() != 2) {
          throw wrong("a pointer and bytes", pair);
        }
        writes.add(new Write((int) number(pair.get(0)), bytes(pair.get(1))));
      }
      List<Output> outputs = new ArrayList<>();
      for (Object output : optional(line.get("o"))) {
        List<?> parts = list(output);
        if (parts.size() != 3) {
          throw wrong("kind, number and text of an output", parts);
        }
        outputs.add(
            new Output(
                String.valueOf(parts.get(0)),
                (int) number(parts.get(1)),
                String.valueOf(parts.get(2))));
      }
      boolean failed = line.containsKey("x");
      return new HostCall(
          text(line, "f"),
          arguments,
          failed ? 0 : (int) number(line.get("r")),
          failed ? text(line, "x") : null,
          writes,
          outputs);
    }

    private Map<?, ?> next(String expected) {
      if (at >= lines.size()) {
        throw wrong(expected, "the end of the file");
      }
      String line = lines.get(at++);
      try {
        if (JsonText.parse(line.getBytes(StandardCharsets.UTF_8)) instanceof Map<?, ?> object) {
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

    private byte[] bytes(@Nullable Object value) {
      try {
        return Base64.getDecoder().decode(String.valueOf(value));
      } catch (IllegalArgumentException e) {
        throw wrong("base64", e.getMessage());
      }
    }

    private InvalidException wrong(String expected, @Nullable Object found) {
      return new InvalidException(
          "recording %s line %d: expected %s, found %s".formatted(file, at, expected, found));
    }
  }
}

package ai.realm.runtime;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Writes a recording line by line. The lines are kept until the file is written, up to a bound: of a run
/// that is longer nothing is kept.
final class GuestRecordingWriter {
  /// The last line, which is made when the file is written.
  private static final int MOST_END_BYTES = 64;

  private final List<byte[]> lines = new ArrayList<>();
  private final long mostBytes;
  private long bytes = MOST_END_BYTES;
  private int calls;
  private int hostCalls;
  private String last = "the head";
  private String tooLong = "";

  GuestRecordingWriter(String guest, GuestLimits limits, long mostBytes) {
    this.mostBytes = mostBytes;
    add(
        String.format(
            Locale.ROOT,
            "{\"realm_recording\":%d,\"abi\":%d,\"guest\":%s,"
                + "\"limits\":{\"memory\":%d,\"stack\":%d,\"cpu_ms\":%d,\"deadline_ms\":%d}}",
            GuestRecording.VERSION,
            HostFunctions.ABI_VERSION,
            quote(guest),
            limits.maxMemoryBytes(),
            limits.stackBytes(),
            limits.cpuTime().toMillis(),
            limits.deadline().toMillis()));
  }

  private void add(String line) {
    if (!tooLong.isEmpty()) {
      return;
    }
    byte[] utf8 = line.getBytes(StandardCharsets.UTF_8);
    bytes += utf8.length + 1L;
    if (bytes > mostBytes) {
      tooLong = last;
      lines.clear();
    } else {
      lines.add(utf8);
    }
  }

  /// An export's call begins.
  void call(String name, List<Object> arguments) {
    last = name;
    calls++;
    add("{\"call\":%s,\"args\":%s}".formatted(quote(name), array(arguments, this::argument)));
  }

  private String argument(Object argument) {
    return argument instanceof Number number
        ? Long.toString(number.longValue())
        : quote(argument.toString());
  }

  /// A host call in it.
  void hostCall(GuestRecording.HostCall call) {
    last = call.name();
    hostCalls++;
    List<HostParameters.Parameter> parameters = HostParameters.of(call.name()).list();
    StringBuilder line = new StringBuilder("{\"f\":").append(quote(call.name())).append(",\"a\":[");
    for (int i = 0; i < call.arguments().length; i++) {
      line.append(i == 0 ? "" : ",");
      line.append(parameters.get(i).isPointer() ? "null" : String.valueOf(call.arguments()[i]));
    }
    line.append(']');
    list(line, "s", call.requests(), words -> Arrays.toString(words).replace(" ", ""));
    list(line, "i", call.reads(), GuestRecordingWriter::data);
    GuestRecording.Answer answer = call.answer();
    if (answer.code() == null) {
      line.append(",\"r\":").append(answer.result());
    } else {
      line.append(",\"x\":").append(quote(answer.code()));
    }
    if (answer.refusal() != null) {
      line.append(",\"refused\":").append(quote(answer.refusal()));
    }
    list(line, "w", call.writes(), GuestRecordingWriter::data);
    list(
        line,
        "o",
        call.outputs(),
        output ->
            "[%s,%d,%s]".formatted(quote(output.kind()), output.number(), quote(output.text())));
    add(line.append('}').toString());
  }

  /// An export's call ends.
  void end(long result) {
    add("{\"end\":" + result + "}");
  }

  void failed(String code) {
    add("{\"failed\":" + quote(code) + "}");
  }

  /// By it a reader knows that nothing is missing.
  private String summary() {
    return "{\"calls\":%d,\"host_calls\":%d}\n".formatted(calls, hostCalls);
  }

  private static <T> void list(
      StringBuilder line, String key, List<T> items, Function<T, String> text) {
    if (!items.isEmpty()) {
      line.append(",\"").append(key).append("\":").append(array(items, text));
    }
  }

  private static <T> String array(List<T> items, Function<T, String> text) {
    return items.stream().map(text).collect(Collectors.joining(",", "[", "]"));
  }

  private static String data(GuestRecording.Data data) {
    String place = "[%s,%d,".formatted(quote(data.place()), data.offset());
    return data.isDigest()
        ? "%s%d,\"%s\"]".formatted(place, data.length(), HexFormat.of().formatHex(data.bytes()))
        : "%s\"%s\"]".formatted(place, Base64.getEncoder().encodeToString(data.bytes()));
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

  /// Writes the file; it appears as a whole or not at all.
  ///
  /// @throws GuestRecording.RecordingException `RECORDING_LARGE` when the run was too long
  void write(Path file) {
    if (!tooLong.isEmpty()) {
      throw new GuestRecording.RecordingException(
          "RECORDING_LARGE",
          "recording %s: expected at most %d bytes, found more at %s; record a shorter run"
              .formatted(file, mostBytes, tooLong));
    }
    if (calls == 0) {
      throw new IllegalStateException(
          "recording %s: expected a call to record, found none".formatted(file));
    }
    Path folder = checkFile(file);
    try {
      Path part = Files.createTempFile(folder, ".recording", ".part");
      try {
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(part))) {
          for (byte[] line : lines) {
            out.write(line);
            out.write('\n');
          }
          out.write(summary().getBytes(StandardCharsets.UTF_8));
        }
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(part);
      }
    } catch (IOException e) {
      // It names the part; what was asked for is the file.
      throw failure(file, "could not be written: " + FileReason.of(e), e);
    }
  }

  /// Checks that a file can be written, and returns its folder.
  static Path checkFile(Path file) {
    if (Files.exists(file) && !Files.isRegularFile(file)) {
      throw failure(
          file,
          "expected a file to write, found "
              + (Files.isDirectory(file) ? "a folder" : "what is no plain file"),
          null);
    }
    Path folder = file.toAbsolutePath().getParent();
    if (folder == null || !Files.isDirectory(folder)) {
      throw failure(file, "expected a file in a folder that is there, found no such folder", null);
    }
    if (!Files.isWritable(folder)) {
      throw failure(file, "expected a folder that may be written to, found one that may not", null);
    }
    return folder;
  }

  private static UncheckedIOException failure(
      Path file, String reason, @Nullable IOException cause) {
    FileSystemException failure = new FileSystemException(file.toString(), null, reason);
    if (cause != null) {
      failure.initCause(cause);
    }
    return new UncheckedIOException(failure);
  }
}

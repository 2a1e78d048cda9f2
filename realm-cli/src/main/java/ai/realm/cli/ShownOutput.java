package ai.realm.cli;

import ai.realm.runtime.GuestOutput;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/// What a guest emits, on the console as it comes: text on standard output; its log, and events where they
/// are wanted, on standard error.
final class ShownOutput implements GuestOutput {
  /// Characters of an event that are shown.
  private static final int MOST_SHOWN = 2000;

  private final Console console;
  private final boolean events;

  ShownOutput(Console console, boolean events) {
    this.console = console;
    this.events = events;
  }

  @Override
  public void text(String text) {
    console.stream(text);
  }

  @Override
  public void event(int kind, byte[] data) {
    if (events) {
      console.note("[event %d, %d bytes: %s]".formatted(kind, data.length, shown(data)));
    }
  }

  private static String shown(byte[] data) {
    try {
      String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(data)).toString();
      if (text.chars().allMatch(c -> c >= ' ' || c == '\n' || c == '\t')) {
        return '"' + Printable.of(text, MOST_SHOWN) + '"';
      }
    } catch (CharacterCodingException e) {
      // Bytes that are no text are shown as such.
    }
    int most = Math.min(data.length, MOST_SHOWN / 2);
    return HexFormat.of().formatHex(data, 0, most) + (most < data.length ? "…" : "");
  }

  @Override
  public void log(int level, String line) {
    String name =
        switch (level) {
          case 0 -> "error";
          case 1 -> "warning";
          case 2 -> "info";
          default -> "debug";
        };
    console.note("[guest %s: %s]".formatted(name, Printable.of(line)));
  }

  /// Ends the line.
  void end() {
    console.line("");
  }
}

package ai.realm.testing.guest;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What a guest sent to its caller. What takes it has the signatures of `GuestOutput` in realm-runtime, which this
/// module does not know: tests declare `class Sent extends SentByGuest implements GuestOutput {}`.
public class SentByGuest {
  private final List<String> pieces = new ArrayList<>();
  private final List<Integer> tokens = new ArrayList<>();
  private final Map<Integer, byte[]> events = new HashMap<>();
  private final List<String> lines = new ArrayList<>();

  /// Takes text.
  public void text(String piece) {
    pieces.add(piece);
  }

  /// Takes a token.
  public void token(int id) {
    tokens.add(id);
  }

  /// Takes an event; the last of a kind is kept.
  public void event(int kind, byte[] data) {
    events.put(kind, data);
  }

  /// Takes a line of the log.
  public void log(int level, String line) {
    lines.add(level + " " + line);
  }

  /// The text as it came.
  public final List<String> pieces() {
    return List.copyOf(pieces);
  }

  /// All of the text.
  public final String text() {
    return String.join("", pieces);
  }

  /// Tokens that were emitted as such.
  public final List<Integer> tokens() {
    return List.copyOf(tokens);
  }

  /// The log, each line behind its level.
  public final List<String> log() {
    return List.copyOf(lines);
  }

  /// Whether there was an event of a kind.
  public final boolean has(int kind) {
    return events.containsKey(kind);
  }

  /// An event, little-endian.
  ///
  /// @throws AssertionError where none of that kind came
  public final ByteBuffer event(int kind) {
    byte @Nullable [] data = events.get(kind);
    if (data == null) {
      throw new AssertionError("expected an event " + kind + ", found " + events.keySet());
    }
    return ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
  }

  /// An event that is text.
  public final String string(int kind) {
    return StandardCharsets.UTF_8.decode(event(kind)).toString();
  }

  /// An event of 32-bit integers.
  public final int[] ints(int kind) {
    ByteBuffer data = event(kind);
    int[] values = new int[data.remaining() / 4];
    data.asIntBuffer().get(values);
    return values;
  }

  /// An event of 32-bit floats.
  public final float[] floats(int kind) {
    ByteBuffer data = event(kind);
    float[] values = new float[data.remaining() / 4];
    data.asFloatBuffer().get(values);
    return values;
  }
}

package ai.realm.runtime;

import ai.realm.runtime.HostParameters.Content;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;

/// How a recording's bytes and others differ, for people: the first number that is another, or the text
/// around the first byte.
final class ShownBytes {
  private static final int BEFORE = 16;
  private static final int AFTER = 24;

  private ShownBytes() {}

  static String difference(String name, Content content, GuestRecording.Data then, byte[] now) {
    if (then.isDigest()) {
      return "%s: expected %d bytes with SHA-256 %s, found others"
          .formatted(name, then.length(), HexFormat.of().formatHex(then.bytes()));
    }
    int first = Math.max(0, Arrays.mismatch(then.bytes(), now));
    if (content == Content.TEXT || now.length % Integer.BYTES != 0) {
      return "%s at byte %d: expected %s, found %s"
          .formatted(name, first, around(then.bytes(), first), around(now, first));
    }
    int index = first / Integer.BYTES;
    return "%s[%d]: expected %s, found %s"
        .formatted(name, index, number(content, then.bytes(), index), number(content, now, index));
  }

  private static String number(Content content, byte[] bytes, int index) {
    ByteBuffer words = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    return content == Content.FLOATS
        ? Float.toString(words.getFloat(Float.BYTES * index))
        : Integer.toString(words.getInt(Integer.BYTES * index));
  }

  private static String around(byte[] bytes, int at) {
    int from = Math.max(0, at - BEFORE);
    int to = Math.min(bytes.length, at + AFTER);
    byte[] part = Arrays.copyOfRange(bytes, from, to);
    String text = new String(part, StandardCharsets.UTF_8);
    if (text.codePoints().anyMatch(c -> Character.isISOControl(c) && c != '\n' && c != '\t')) {
      return HexFormat.of().formatHex(part);
    }
    return (from > 0 ? "…" : "") + '"' + text + '"' + (to < bytes.length ? "…" : "");
  }
}

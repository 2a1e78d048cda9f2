package ai.realm.runtime;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Reads a guest's JSON: `Map`, `List`, `String`, `Double`, `Boolean` and null. Nesting is bounded; the
/// size is that of the text. Of members with the same key the last counts (RFC 8259 leaves it open).
/// Apart from the reader of schemas in realm-engine, which refuses such members, line ends in strings and halves of
/// characters, keeps numbers exact and works within a grammar's budget: what guests have sent so far stays accepted.
final class JsonText {
  private static final int MAX_DEPTH = 32;

  private final String json;
  private int at;

  private JsonText(String json) {
    this.json = json;
  }

  /// @throws IllegalArgumentException when it is no UTF-8 or no JSON; says where
  static @Nullable Object parse(byte[] utf8) {
    String json;
    try {
      json = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString();
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException("json: expected UTF-8, found other bytes", e);
    }
    JsonText text = new JsonText(json);
    Object value = text.value(0);
    text.skipSpace();
    if (text.at < json.length()) {
      throw text.malformed("the end");
    }
    return value;
  }

  private @Nullable Object value(int depth) {
    if (depth > MAX_DEPTH) {
      throw malformed("at most " + MAX_DEPTH + " levels");
    }
    skipSpace();
    char c = at < json.length() ? json.charAt(at) : 0;
    return switch (c) {
      case '{' -> object(depth);
      case '[' -> array(depth);
      case '"' -> string();
      case 't' -> word("true", true);
      case 'f' -> word("false", false);
      case 'n' -> word("null", null);
      default -> number();
    };
  }

  private Map<String, @Nullable Object> object(int depth) {
    Map<String, @Nullable Object> members = new LinkedHashMap<>();
    expect('{');
    if (!accept('}')) {
      do {
        skipSpace();
        String key = string();
        expect(':');
        members.put(key, value(depth + 1));
      } while (accept(','));
      expect('}');
    }
    return members;
  }

  private List<@Nullable Object> array(int depth) {
    List<@Nullable Object> items = new ArrayList<>();
    expect('[');
    if (!accept(']')) {
      do {
        items.add(value(depth + 1));
      } while (accept(','));
      expect(']');
    }
    return items;
  }

  private @Nullable Object word(String word, @Nullable Object value) {
    if (!json.startsWith(word, at)) {
      throw malformed("a value");
    }
    at += word.length();
    return value;
  }

  private Double number() {
    int from = at;
    while (at < json.length() && "+-.eE0123456789".indexOf(json.charAt(at)) >= 0) {
      at++;
    }
    try {
      return Double.valueOf(json.substring(from, at));
    } catch (NumberFormatException e) {
      at = from;
      throw malformed("a value");
    }
  }

  private String string() {
    expect('"');
    StringBuilder value = new StringBuilder();
    while (at < json.length() && json.charAt(at) != '"') {
      char c = json.charAt(at++);
      value.append(c == '\\' ? escape() : c);
    }
    if (at == json.length()) {
      throw malformed("'\"'");
    }
    at++;
    return value.toString();
  }

  private char escape() {
    char c = at < json.length() ? json.charAt(at++) : 0;
    return switch (c) {
      case '"', '\\', '/' -> c;
      case 'n' -> '\n';
      case 't' -> '\t';
      case 'r' -> '\r';
      case 'b' -> '\b';
      case 'f' -> '\f';
      case 'u' -> {
        int code = 0;
        for (int i = 0; i < 4; i++) {
          int digit = at < json.length() ? Character.digit(json.charAt(at++), 16) : -1;
          if (digit < 0) {
            throw malformed("four hexadecimal digits");
          }
          code = code << 4 | digit;
        }
        yield (char) code;
      }
      default -> throw malformed("an escape");
    };
  }

  private void expect(char c) {
    if (!accept(c)) {
      throw malformed("'" + c + "'");
    }
  }

  private boolean accept(char c) {
    skipSpace();
    if (at < json.length() && json.charAt(at) == c) {
      at++;
      return true;
    }
    return false;
  }

  private void skipSpace() {
    while (at < json.length() && " \t\r\n".indexOf(json.charAt(at)) >= 0) {
      at++;
    }
  }

  private IllegalArgumentException malformed(String expected) {
    return new IllegalArgumentException(
        "json: expected %s at %d, found %s"
            .formatted(expected, at, at < json.length() ? "'" + json.charAt(at) + "'" : "the end"));
  }
}

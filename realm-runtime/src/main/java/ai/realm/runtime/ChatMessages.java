package ai.realm.runtime;

import ai.realm.template.ChatMessage;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Reads a conversation, `[{"role": …, "content": …}, …]`, from a guest's JSON. Members other than
/// these two must be strings as well and are ignored.
final class ChatMessages {
  private static final int MAX_MESSAGES = 10_000;

  private final String json;
  private int at;

  private ChatMessages(String json) {
    this.json = json;
  }

  /// The messages, or null when the JSON is malformed or of another form.
  static @Nullable List<ChatMessage> parse(byte[] utf8) {
    try {
      String json = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString();
      return new ChatMessages(json).messages();
    } catch (CharacterCodingException | IllegalArgumentException e) {
      return null;
    }
  }

  private List<ChatMessage> messages() {
    List<ChatMessage> messages = new ArrayList<>();
    expect('[');
    if (!accept(']')) {
      do {
        messages.add(message());
        if (messages.size() > MAX_MESSAGES) {
          throw malformed("at most " + MAX_MESSAGES + " messages");
        }
      } while (accept(','));
      expect(']');
    }
    skipSpace();
    if (at < json.length()) {
      throw malformed("the end");
    }
    return messages;
  }

  private ChatMessage message() {
    String role = null;
    String content = null;
    expect('{');
    do {
      String key = string();
      expect(':');
      String value = string();
      switch (key) {
        case "role" -> role = value;
        case "content" -> content = value;
        default -> {}
      }
    } while (accept(','));
    expect('}');
    if (role == null || content == null) {
      throw malformed("role and content");
    }
    return new ChatMessage(role, content);
  }

  private String string() {
    expect('"');
    StringBuilder value = new StringBuilder();
    while (at < json.length() && json.charAt(at) != '"') {
      char c = json.charAt(at++);
      value.append(c == '\\' ? escape() : c);
    }
    expect('"');
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
        if (at + 4 > json.length()) {
          throw malformed("four hexadecimal digits");
        }
        at += 4;
        yield (char) Integer.parseInt(json, at - 4, at, 16);
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
    return new IllegalArgumentException("messages: expected " + expected + " at " + at);
  }
}

package ai.realm.runtime;

import ai.realm.template.ChatMessage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// Reads a conversation, `[{"role": …, "content": …}, …]`, from a guest's JSON. Other members are ignored.
final class ChatMessages {
  private static final int MAX_MESSAGES = 10_000;

  private ChatMessages() {}

  /// @throws IllegalArgumentException when the JSON is malformed or of another form, saying where
  static List<ChatMessage> parse(byte[] utf8) {
    if (!(JsonText.parse(utf8) instanceof List<?> items)) {
      throw new IllegalArgumentException(
          "json: expected an array of messages, found another value");
    }
    if (items.size() > MAX_MESSAGES) {
      throw new IllegalArgumentException(
          "json: expected at most %d messages, found %d".formatted(MAX_MESSAGES, items.size()));
    }
    List<ChatMessage> messages = new ArrayList<>();
    for (int i = 0; i < items.size(); i++) {
      if (!(items.get(i) instanceof Map<?, ?> message)) {
        throw new IllegalArgumentException(
            "json[%d]: expected an object, found another value".formatted(i));
      }
      messages.add(new ChatMessage(text(message, "role", i), text(message, "content", i)));
    }
    return messages;
  }

  private static String text(Map<?, ?> message, String key, int index) {
    if (message.get(key) instanceof String text) {
      return text;
    }
    throw new IllegalArgumentException(
        "json[%d].%s: expected a text, found %s"
            .formatted(index, key, message.containsKey(key) ? "another value" : "none"));
  }
}

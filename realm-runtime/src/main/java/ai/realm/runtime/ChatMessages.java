package ai.realm.runtime;

import ai.realm.template.ChatMessage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Reads a conversation, `[{"role": …, "content": …}, …]`, from a guest's JSON. Other members are ignored.
final class ChatMessages {
  private static final int MAX_MESSAGES = 10_000;

  private ChatMessages() {}

  /// The messages, or null when the JSON is malformed or of another form.
  static @Nullable List<ChatMessage> parse(byte[] utf8) {
    Object json;
    try {
      json = JsonText.parse(utf8);
    } catch (IllegalArgumentException e) {
      return null;
    }
    if (!(json instanceof List<?> items) || items.size() > MAX_MESSAGES) {
      return null;
    }
    List<ChatMessage> messages = new ArrayList<>();
    for (Object item : items) {
      if (!(item instanceof Map<?, ?> message)
          || !(message.get("role") instanceof String role)
          || !(message.get("content") instanceof String content)) {
        return null;
      }
      messages.add(new ChatMessage(role, content));
    }
    return messages;
  }
}

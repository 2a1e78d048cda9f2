package ai.realm.guest.sdk;

/// One turn of a conversation; the role is `system`, `user` or `assistant`.
public record Message(String role, String content) {
  public static Message user(String content) {
    return new Message("user", content);
  }

  /// As JSON, as `chat_template` reads it.
  String json() {
    StringBuilder json = new StringBuilder("{\"role\":");
    quote(role, json);
    json.append(",\"content\":");
    quote(content, json);
    return json.append('}').toString();
  }

  private static void quote(String text, StringBuilder json) {
    json.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '"' || c == '\\') {
        json.append('\\').append(c);
      } else if (c < 0x20) {
        json.append("\\u00")
            .append((char) ('0' + (c >> 4)))
            .append("0123456789abcdef".charAt(c & 15));
      } else {
        json.append(c);
      }
    }
    json.append('"');
  }
}

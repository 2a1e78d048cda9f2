package ai.realm.guest.sdk;

import org.jspecify.annotations.Nullable;

/// A flat JSON object of a call's configuration: numbers, texts, lists of texts and flags by their keys. What
/// is malformed reads as absent.
public final class Config {
  private final String json;
  private int at;

  Config(String json) {
    this.json = json;
  }

  public double number(String key, double absent) {
    if (!find(key)) {
      return absent;
    }
    int from = at;
    while (at < json.length() && "+-.0123456789eE".indexOf(json.charAt(at)) >= 0) {
      at++;
    }
    try {
      return Double.parseDouble(json.substring(from, at));
    } catch (NumberFormatException e) {
      return absent;
    }
  }

  public int integer(String key, int absent) {
    return (int) number(key, absent);
  }

  public boolean flag(String key, boolean absent) {
    if (!find(key)) {
      return absent;
    }
    return json.startsWith("true", at) || !json.startsWith("false", at) && absent;
  }

  /// A text, or null.
  public @Nullable String text(String key) {
    return find(key) && peek() == '"' ? readText() : null;
  }

  public String text(String key, String absent) {
    String text = text(key);
    return text == null ? absent : text;
  }

  /// A list of texts; empty where there is none.
  public String[] texts(String key) {
    String[] texts = new String[0];
    if (!find(key) || peek() != '[') {
      return texts;
    }
    at++;
    while (peek() == '"') {
      String[] longer = new String[texts.length + 1];
      System.arraycopy(texts, 0, longer, 0, texts.length);
      longer[texts.length] = readText();
      texts = longer;
      if (peek() == ',') {
        at++;
      }
    }
    return texts;
  }

  /// Moves to the value of a key of the outer object; what stands in texts or in inner values is passed by.
  private boolean find(String key) {
    at = 0;
    int depth = 0;
    for (int c = peek(); c != -1; c = peek()) {
      if (c == '"') {
        String text = readText();
        if (depth == 1 && peek() == ':' && text.equals(key)) {
          at++;
          peek();
          return true;
        }
        continue;
      }
      depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
      at++;
    }
    return false;
  }

  /// The next character that is not space, or -1.
  private int peek() {
    while (at < json.length() && json.charAt(at) <= ' ') {
      at++;
    }
    return at < json.length() ? json.charAt(at) : -1;
  }

  private String readText() {
    StringBuilder text = new StringBuilder();
    at++;
    while (at < json.length()) {
      char c = json.charAt(at++);
      if (c == '"') {
        break;
      }
      text.append(c == '\\' ? escaped() : c);
    }
    return text.toString();
  }

  private char escaped() {
    char c = at < json.length() ? json.charAt(at++) : '"';
    return switch (c) {
      case 'n' -> '\n';
      case 't' -> '\t';
      case 'r' -> '\r';
      case 'b' -> '\b';
      case 'f' -> '\f';
      // Halves of a pair come one after the other, as they stand in a Java string.
      case 'u' -> unit();
      default -> c;
    };
  }

  private char unit() {
    int unit = 0;
    for (int i = 0; i < 4; i++) {
      int digit = at < json.length() ? Character.digit(json.charAt(at++), 16) : -1;
      unit = digit < 0 ? 0xfffd : unit << 4 | digit;
    }
    return (char) unit;
  }
}

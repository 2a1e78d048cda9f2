package ai.realm.guest;

/// What the third argument of `generate` says: a JSON object. Keys that are not this guest's are the host's
/// (`sampler_new`) or another guest's: they are passed on unread.
final class Config {
  boolean raw;
  boolean messages;
  int maxTokens;
  float temperature;
  int topK;
  float topP = 1;
  float minP;
  float repeatPenalty = 1;
  int seed;
  int minTokens;
  boolean logprobs;
  byte[][] stop = new byte[0][];
  int[] stopTokens = new int[0];

  /// Whether there are keys that only the host may know.
  boolean more;

  /// What the output must be, or null: its kind for `grammar_compile` is [#grammarKind].
  byte @org.jspecify.annotations.Nullable [] grammar;

  int grammarKind;

  /// Whether the prompt is embedded in place of answered.
  boolean embed;

  /// The name of the saved sequence that the prompt goes on, or null.
  byte @org.jspecify.annotations.Nullable [] open;

  /// The name under which prompt and answer are saved, or null.
  byte @org.jspecify.annotations.Nullable [] save;

  private final byte[] json;
  private int at;
  private boolean malformed;

  private Config(byte[] json) {
    this.json = json;
  }

  /// Reads a configuration; returns null when it is malformed.
  static @org.jspecify.annotations.Nullable Config parse(byte[] json) {
    Config config = new Config(json);
    config.readObject();
    return config.malformed ? null : config;
  }

  private void readObject() {
    if (!accept('{')) {
      malformed = json.length > 0;
      return;
    }
    if (accept('}')) {
      return;
    }
    do {
      byte[] key = readString();
      if (malformed || !accept(':')) {
        malformed = true;
        return;
      }
      readMember(key);
    } while (!malformed && accept(','));
    malformed |= !accept('}');
  }

  private void readMember(byte[] key) {
    if (is(key, "raw")) {
      raw = readBoolean();
    } else if (is(key, "messages")) {
      messages = readBoolean();
    } else if (is(key, "max_tokens")) {
      maxTokens = (int) readNumber();
    } else if (is(key, "temperature")) {
      temperature = (float) readNumber();
    } else if (is(key, "top_k")) {
      topK = (int) readNumber();
    } else if (is(key, "top_p")) {
      topP = (float) readNumber();
    } else if (is(key, "min_p")) {
      minP = (float) readNumber();
    } else if (is(key, "repeat_penalty")) {
      repeatPenalty = (float) readNumber();
    } else if (is(key, "seed")) {
      seed = (int) (long) readNumber();
    } else if (is(key, "stop")) {
      stop = readStrings();
    } else if (is(key, "min_tokens")) {
      minTokens = (int) readNumber();
    } else if (is(key, "logprobs")) {
      logprobs = readBoolean();
    } else if (is(key, "stop_tokens")) {
      stopTokens = readInts();
    } else if (is(key, "grammar")) {
      grammar = readString();
      grammarKind = Host.GBNF;
    } else if (is(key, "regex")) {
      grammar = readString();
      grammarKind = Host.REGEX;
    } else if (is(key, "json_schema")) {
      grammar = readSource();
      grammarKind = Host.JSON_SCHEMA;
    } else if (is(key, "json")) {
      boolean json = readBoolean();
      grammar = json ? new byte[0] : grammar;
      grammarKind = json ? Host.JSON : grammarKind;
    } else if (is(key, "embed")) {
      embed = readBoolean();
    } else if (is(key, "open")) {
      open = readString();
    } else if (is(key, "save")) {
      save = readString();
    } else {
      more = true;
      skipValue(0);
    }
  }

  private byte[][] readStrings() {
    if (!accept('[')) {
      return new byte[][] {readString()};
    }
    byte[][] values = new byte[4][];
    int n = 0;
    if (!accept(']')) {
      do {
        if (n == values.length) {
          byte[][] longer = new byte[2 * n][];
          for (int i = 0; i < n; i++) {
            longer[i] = values[i];
          }
          values = longer;
        }
        values[n++] = readString();
      } while (!malformed && accept(','));
      malformed |= !accept(']');
    }
    byte[][] exact = new byte[n][];
    for (int i = 0; i < n; i++) {
      exact[i] = values[i];
    }
    return exact;
  }

  private int[] readInts() {
    malformed |= !accept('[');
    int[] values = new int[4];
    int n = 0;
    if (!malformed && !accept(']')) {
      do {
        if (n == values.length) {
          values = copy(values, 2 * n, n);
        }
        values[n++] = (int) readNumber();
      } while (!malformed && accept(','));
      malformed |= !accept(']');
    }
    return copy(values, n, n);
  }

  private static int[] copy(int[] values, int length, int n) {
    int[] copy = new int[length];
    for (int i = 0; i < n; i++) {
      copy[i] = values[i];
    }
    return copy;
  }

  /// A string's text, any other value as it is written.
  private byte[] readSource() {
    skipSpace();
    if (at < json.length && json[at] == '"') {
      return readString();
    }
    int from = at;
    skipValue(0);
    byte[] source = new byte[at - from];
    for (int i = 0; i < source.length; i++) {
      source[i] = json[from + i];
    }
    return source;
  }

  private void skipValue(int depth) {
    skipSpace();
    int c = at < json.length ? json[at] : -1;
    if (depth > 16) {
      malformed = true;
    } else if (c == '"') {
      skipString();
    } else if (c == '[' || c == '{') {
      skipNested(c == '[' ? ']' : '}', depth);
    } else if (c == 't' || c == 'f') {
      readBoolean();
    } else if (c == 'n') {
      readWord("null");
    } else {
      readNumber();
    }
  }

  private void skipNested(char end, int depth) {
    at++;
    if (accept(end)) {
      return;
    }
    do {
      if (end == '}') {
        skipString();
        malformed |= !accept(':');
      }
      skipValue(depth + 1);
    } while (!malformed && accept(','));
    malformed |= !accept(end);
  }

  /// Moves behind a string, without a copy.
  private void skipString() {
    if (!accept('"')) {
      malformed = true;
      return;
    }
    at = endOfString();
    malformed |= !accept('"');
  }

  /// Where the string that begins here ends: its quote, or the end of the text.
  private int endOfString() {
    int end = at;
    while (end < json.length && json[end] != '"') {
      end += json[end] == '\\' ? 2 : 1;
    }
    return Math.min(end, json.length);
  }

  /// UTF-8 bytes of a string, escapes resolved: never more than it is written with.
  private byte[] readString() {
    if (!accept('"')) {
      malformed = true;
      return new byte[0];
    }
    int end = endOfString();
    byte[] buffer = new byte[end - at];
    int n = 0;
    while (at < end) {
      int c = json[at++];
      if (c != '\\') {
        buffer[n++] = (byte) c;
      } else if (at < end) {
        n = readEscape(json[at++], buffer, n);
      }
    }
    malformed |= !accept('"');
    if (n == buffer.length) {
      return buffer;
    }
    byte[] value = new byte[n];
    for (int i = 0; i < n; i++) {
      value[i] = buffer[i];
    }
    return value;
  }

  private int readEscape(int c, byte[] buffer, int n) {
    switch (c) {
      case 'n' -> buffer[n++] = '\n';
      case 't' -> buffer[n++] = '\t';
      case 'r' -> buffer[n++] = '\r';
      case 'b' -> buffer[n++] = '\b';
      case 'f' -> buffer[n++] = '\f';
      case 'u' -> {
        int character = readHex();
        n = malformed ? n : putUtf8(character, buffer, n);
      }
      default -> buffer[n++] = (byte) c;
    }
    return n;
  }

  private int readHex() {
    int value = 0;
    for (int i = 0; i < 4; i++) {
      int c = at < json.length ? json[at++] : 0;
      int digit =
          c >= '0' && c <= '9'
              ? c - '0'
              : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      malformed |= digit < 0;
      value = value << 4 | digit & 15;
    }
    boolean high = value >= 0xd800 && value < 0xdc00;
    if (high && at + 1 < json.length && json[at] == '\\' && json[at + 1] == 'u') {
      at += 2;
      return 0x10000 + ((value - 0xd800) << 10) + (readHex() - 0xdc00);
    }
    return value;
  }

  private static int putUtf8(int c, byte[] buffer, int n) {
    if (c < 0x80) {
      buffer[n++] = (byte) c;
    } else if (c < 0x800) {
      buffer[n++] = (byte) (0xc0 | c >> 6);
      buffer[n++] = (byte) (0x80 | c & 63);
    } else if (c < 0x10000) {
      buffer[n++] = (byte) (0xe0 | c >> 12);
      buffer[n++] = (byte) (0x80 | c >> 6 & 63);
      buffer[n++] = (byte) (0x80 | c & 63);
    } else {
      buffer[n++] = (byte) (0xf0 | c >> 18 & 7);
      buffer[n++] = (byte) (0x80 | c >> 12 & 63);
      buffer[n++] = (byte) (0x80 | c >> 6 & 63);
      buffer[n++] = (byte) (0x80 | c & 63);
    }
    return n;
  }

  private double readNumber() {
    skipSpace();
    boolean negative = at < json.length && json[at] == '-';
    at += negative ? 1 : 0;
    int start = at;
    double value = 0;
    while (isDigit()) {
      value = value * 10 + (json[at++] - '0');
    }
    malformed |= at == start;
    if (at < json.length && json[at] == '.') {
      at++;
      for (double unit = 0.1; isDigit(); unit /= 10) {
        value += unit * (json[at++] - '0');
      }
    }
    if (at < json.length && (json[at] == 'e' || json[at] == 'E')) {
      value *= readExponent();
    }
    return negative ? -value : value;
  }

  private double readExponent() {
    at++;
    boolean negative = at < json.length && json[at] == '-';
    at += at < json.length && (json[at] == '-' || json[at] == '+') ? 1 : 0;
    int exponent = 0;
    while (isDigit()) {
      exponent = Math.min(400, exponent * 10 + (json[at++] - '0'));
    }
    double factor = 1;
    for (int i = 0; i < exponent; i++) {
      factor = negative ? factor / 10 : factor * 10;
    }
    return factor;
  }

  private boolean isDigit() {
    return at < json.length && json[at] >= '0' && json[at] <= '9';
  }

  private boolean readBoolean() {
    skipSpace();
    boolean value = at < json.length && json[at] == 't';
    readWord(value ? "true" : "false");
    return value;
  }

  private void readWord(String word) {
    skipSpace();
    for (int i = 0; i < word.length(); i++) {
      malformed |= at >= json.length || json[at++] != word.charAt(i);
    }
  }

  private boolean accept(char c) {
    skipSpace();
    if (at < json.length && json[at] == c) {
      at++;
      return true;
    }
    return false;
  }

  private void skipSpace() {
    while (at < json.length
        && (json[at] == ' ' || json[at] == '\n' || json[at] == '\t' || json[at] == '\r')) {
      at++;
    }
  }

  private static boolean is(byte[] key, String name) {
    boolean equal = key.length == name.length();
    for (int i = 0; equal && i < key.length; i++) {
      equal = key[i] == name.charAt(i);
    }
    return equal;
  }
}

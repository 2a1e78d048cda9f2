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

  /// How much of what is wrong is told.
  private static final int MOST_FOUND = 32;

  private final byte[] json;
  private int at;
  private boolean malformed;

  /// The outer key whose value is read; null outside of one.
  private byte @org.jspecify.annotations.Nullable [] key;

  /// What should stand at [#wrongAt] where it is malformed.
  private String expected = "";

  private int wrongAt;

  private int valueAt;

  private Config(byte[] json) {
    this.json = json;
  }

  /// Reads a configuration. One that [#isWrong] has no other use than to say why.
  static Config parse(byte[] json) {
    Config config = new Config(json);
    if (json.length > 0) {
      config.readObject();
    }
    return config;
  }

  boolean isWrong() {
    return malformed;
  }

  /// The outer key whose value is wrong; empty where the object itself is.
  byte[] wrongKey() {
    return key == null ? new byte[0] : key;
  }

  /// What was expected there.
  String expected() {
    return expected;
  }

  /// What stands there instead: the begin of it, empty at the end of the text.
  byte[] found() {
    return piece(wrongAt, Math.min(json.length, wrongAt + MOST_FOUND));
  }

  private void wrong(String what, int where) {
    if (!malformed) {
      malformed = true;
      expected = what;
      wrongAt = where;
    }
  }

  private void wrong(String what) {
    wrong(what, at);
  }

  private void readObject() {
    if (!accept('{')) {
      wrong("an object");
      return;
    }
    if (!accept('}')) {
      do {
        byte[] name = readString();
        if (!accept(':')) {
          wrong("a key and a colon");
        }
        if (malformed) {
          return;
        }
        key = name;
        skipSpace();
        valueAt = at;
        readMember(name);
        if (malformed) {
          return;
        }
        key = null;
      } while (accept(','));
      if (!accept('}')) {
        wrong("a comma or the end of the object");
      }
    }
    skipSpace();
    if (at < json.length) {
      wrong("nothing behind the object");
    }
    if (open != null && !raw && !malformed) {
      // A chat template writes whole conversations, not what follows.
      key = new byte[] {'o', 'p', 'e', 'n'};
      wrong("\"raw\":true beside it");
    }
  }

  private void readMember(byte[] key) {
    if (is(key, "raw")) {
      raw = readBoolean();
    } else if (is(key, "messages")) {
      messages = readBoolean();
    } else if (is(key, "max_tokens")) {
      maxTokens = readCount();
    } else if (is(key, "temperature")) {
      temperature = (float) readNumber();
    } else if (is(key, "top_k")) {
      topK = readCount();
    } else if (is(key, "top_p")) {
      topP = (float) readNumber();
    } else if (is(key, "min_p")) {
      minP = (float) readNumber();
    } else if (is(key, "repeat_penalty")) {
      repeatPenalty = (float) readNumber();
    } else if (is(key, "seed")) {
      seed = (int) (long) readWhole();
    } else if (is(key, "stop")) {
      stop = readStrings();
    } else if (is(key, "min_tokens")) {
      minTokens = readCount();
    } else if (is(key, "logprobs")) {
      logprobs = readBoolean();
    } else if (is(key, "stop_tokens")) {
      stopTokens = readInts();
    } else if (is(key, "grammar")) {
      constrain(readString(), Host.GBNF);
    } else if (is(key, "regex")) {
      constrain(readString(), Host.REGEX);
    } else if (is(key, "json_schema")) {
      constrain(readSource(), Host.JSON_SCHEMA);
    } else if (is(key, "json")) {
      if (readBoolean()) {
        constrain(new byte[0], Host.JSON);
      }
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

  private void constrain(byte[] source, int kind) {
    if (grammar != null) {
      wrong("only one of json_schema, grammar, regex and json", valueAt);
    }
    grammar = source;
    grammarKind = kind;
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
      endList();
    }
    byte[][] exact = new byte[n][];
    for (int i = 0; i < n; i++) {
      exact[i] = values[i];
    }
    return exact;
  }

  private int[] readInts() {
    if (!accept('[')) {
      wrong("a list of token ids");
    }
    int[] values = new int[4];
    int n = 0;
    if (!malformed && !accept(']')) {
      do {
        if (n == values.length) {
          values = copy(values, 2 * n, n);
        }
        values[n++] = readCount();
      } while (!malformed && accept(','));
      endList();
    }
    return copy(values, n, n);
  }

  private void endList() {
    if (!accept(']')) {
      wrong("a comma or the end of the list");
    }
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
    return piece(from, at);
  }

  private byte[] piece(int from, int to) {
    byte[] piece = new byte[Math.max(0, to - from)];
    for (int i = 0; i < piece.length; i++) {
      piece[i] = json[from + i];
    }
    return piece;
  }

  private void skipValue(int depth) {
    skipSpace();
    int c = at < json.length ? json[at] : -1;
    if (depth > 16) {
      wrong("at most 16 levels");
    } else if (c == '"') {
      skipString();
    } else if (c == '[' || c == '{') {
      skipNested(c == '[' ? ']' : '}', depth);
    } else if (c == 't' || c == 'f') {
      readBoolean();
    } else if (c == 'n') {
      readWord("null", "null");
    } else if (c == '-' || isDigit()) {
      readNumber();
    } else {
      wrong("a value");
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
        if (!accept(':')) {
          wrong("a colon");
        }
      }
      skipValue(depth + 1);
    } while (!malformed && accept(','));
    if (!accept(end)) {
      wrong(end == '}' ? "a comma or the end of an object" : "a comma or the end of a list");
    }
  }

  /// Moves behind a string, without a copy.
  private void skipString() {
    if (!accept('"')) {
      wrong("a text");
      return;
    }
    at = endOfString();
    endString();
  }

  private void endString() {
    if (at >= json.length || json[at++] != '"') {
      wrong("the end of a text");
    }
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
      wrong("a text");
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
    endString();
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
      if (digit < 0) {
        wrong("four hexadecimal digits", Math.max(0, at - 1));
      }
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

  private int readCount() {
    skipSpace();
    int from = at;
    double value = readWhole();
    if (value < 0) {
      wrong("0 or more", from);
    }
    return (int) value;
  }

  private double readWhole() {
    skipSpace();
    int from = at;
    double value = readNumber();
    if (value != (long) value) {
      wrong("a whole number", from);
    }
    return value;
  }

  private double readNumber() {
    skipSpace();
    int from = at;
    boolean negative = at < json.length && json[at] == '-';
    at += negative ? 1 : 0;
    int start = at;
    double value = 0;
    while (isDigit()) {
      value = value * 10 + (json[at++] - '0');
    }
    if (at == start) {
      wrong("a number", from);
    }
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
    readWord(value ? "true" : "false", "true or false");
    return value;
  }

  private void readWord(String word, String what) {
    skipSpace();
    int from = at;
    for (int i = 0; i < word.length(); i++) {
      if (at >= json.length || json[at++] != word.charAt(i)) {
        wrong(what, from);
      }
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

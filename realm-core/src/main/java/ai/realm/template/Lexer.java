package ai.realm.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;

/// Cuts a template into tokens as Jinja2 does with `trim_blocks` and `lstrip_blocks`: the newline after
/// a block tag goes, and so does white space before a block tag that begins its line. `-` beside a
/// delimiter takes all white space on its side, `+` keeps it.
final class Lexer {
  private static final String[] OPERATORS = {
    "**", "//", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", ">", "<", "=", ".", ":", "|",
    ",", ";", "(", ")", "[", "]", "{", "}"
  };

  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private int at;
  private int line = 1;

  /// Whether the tag before the present text wants the text's first newline, or all white space, gone.
  private boolean trimNewline;

  private boolean trimAll;

  private Lexer(String source) {
    this.source = source;
  }

  static List<Token> tokenize(String template) {
    String source = template.replace("\r\n", "\n").replace('\r', '\n');
    if (source.endsWith("\n")) {
      source = source.substring(0, source.length() - 1);
    }
    Lexer lexer = new Lexer(source);
    lexer.run();
    return lexer.tokens;
  }

  private void run() {
    while (at < source.length()) {
      int tag = nextTag(at);
      text(tag);
      if (at >= source.length()) {
        break;
      }
      char kind = source.charAt(at + 1);
      if (kind == '#') {
        comment();
      } else if (kind == '{') {
        expression(Token.Type.VARIABLE_BEGIN, Token.Type.VARIABLE_END, "}}");
      } else if (!raw()) {
        expression(Token.Type.BLOCK_BEGIN, Token.Type.BLOCK_END, "%}");
      }
    }
    add(Token.Type.END, "");
  }

  private int nextTag(int from) {
    for (int i = source.indexOf('{', from); i >= 0; i = source.indexOf('{', i + 1)) {
      if (i + 1 < source.length() && "{%#".indexOf(source.charAt(i + 1)) >= 0) {
        return i;
      }
    }
    return source.length();
  }

  private void add(Token.Type type, String text) {
    tokens.add(new Token(type, text, line));
  }

  private void advance(int to) {
    for (; at < to; at++) {
      if (source.charAt(at) == '\n') {
        line++;
      }
    }
  }

  /// Emits the text up to a tag, trimmed as both neighbours ask.
  private void text(int tag) {
    String text = trimStart(source.substring(at, tag));
    if (tag < source.length()) {
      text = trimEnd(text, tag);
    }
    if (!text.isEmpty()) {
      add(Token.Type.TEXT, text);
    }
    advance(tag);
  }

  private String trimStart(String text) {
    String result = text;
    if (trimAll) {
      result = text.stripLeading();
    } else if (trimNewline && text.startsWith("\n")) {
      result = text.substring(1);
    }
    trimAll = false;
    trimNewline = false;
    return result;
  }

  private String trimEnd(String text, int tag) {
    char sign = tag + 2 < source.length() ? source.charAt(tag + 2) : ' ';
    if (sign == '-') {
      return text.stripTrailing();
    }
    if (sign == '+' || source.charAt(tag + 1) == '{') {
      return text;
    }
    int end = text.length();
    while (end > 0 && (text.charAt(end - 1) == ' ' || text.charAt(end - 1) == '\t')) {
      end--;
    }
    // Only where the tag begins its line: after a newline, or at the very start of the template.
    int before = tag - (text.length() - end) - 1;
    return before < 0 || source.charAt(before) == '\n' ? text.substring(0, end) : text;
  }

  private void comment() {
    int end = source.indexOf("#}", at + 2);
    if (end < 0) {
      throw TemplateException.invalid(line, "expected #} to end a comment, found the end");
    }
    char sign = source.charAt(end - 1);
    trimAll = sign == '-' && end - 1 > at + 1;
    trimNewline = sign != '+';
    advance(end + 2);
  }

  /// A `{% raw %}` block becomes text. Returns false for any other tag.
  private boolean raw() {
    int begin = tagEnd(at, "raw");
    if (begin < 0) {
      return false;
    }
    boolean stripStart = source.charAt(begin - 3) == '-';
    boolean keepNewline = source.charAt(begin - 3) == '+';
    for (int i = source.indexOf("{%", begin); i >= 0; i = source.indexOf("{%", i + 1)) {
      int end = tagEnd(i, "endraw");
      if (end < 0) {
        continue;
      }
      trimAll = stripStart;
      trimNewline = !keepNewline;
      advance(begin);
      String text = trimEnd(trimStart(source.substring(begin, i)), i);
      if (!text.isEmpty()) {
        add(Token.Type.TEXT, text);
      }
      trimAll = source.charAt(end - 3) == '-';
      trimNewline = source.charAt(end - 3) != '+';
      advance(end);
      return true;
    }
    throw TemplateException.invalid(line, "expected {% endraw %}, found the end");
  }

  /// Where the tag `{% word %}` at `start` ends, or −1 when it is another.
  private int tagEnd(int start, String word) {
    int i = start + 2;
    if (i < source.length() && (source.charAt(i) == '-' || source.charAt(i) == '+')) {
      i++;
    }
    while (i < source.length() && Character.isWhitespace(source.charAt(i))) {
      i++;
    }
    if (!source.startsWith(word, i)) {
      return -1;
    }
    i += word.length();
    while (i < source.length() && Character.isWhitespace(source.charAt(i))) {
      i++;
    }
    if (i < source.length() && (source.charAt(i) == '-' || source.charAt(i) == '+')) {
      i++;
    }
    return source.startsWith("%}", i) ? i + 2 : -1;
  }

  private void expression(Token.Type begin, Token.Type end, String close) {
    add(begin, "");
    at += 2;
    if (at < source.length() && (source.charAt(at) == '-' || source.charAt(at) == '+')) {
      at++;
    }
    int braces = 0;
    while (true) {
      while (at < source.length() && Character.isWhitespace(source.charAt(at))) {
        advance(at + 1);
      }
      if (at >= source.length()) {
        throw TemplateException.invalid(line, "expected " + close + ", found the end");
      }
      char c = source.charAt(at);
      if (braces == 0 && source.startsWith(close, at)) {
        trimNewline = end == Token.Type.BLOCK_END;
        finish(end, 2);
        return;
      }
      if ((c == '-' || c == '+') && source.startsWith(close, at + 1)) {
        trimAll = c == '-';
        trimNewline = false;
        finish(end, 3);
        return;
      }
      if (c == '\'' || c == '"') {
        string(c);
      } else if (isDigit(c)) {
        number();
      } else if (Character.isJavaIdentifierStart(c) && c != '$') {
        int from = at;
        while (at < source.length() && Character.isJavaIdentifierPart(source.charAt(at))) {
          at++;
        }
        add(Token.Type.NAME, source.substring(from, at));
      } else {
        String operator = operator();
        braces += operator.equals("{") ? 1 : operator.equals("}") ? -1 : 0;
        add(Token.Type.OPERATOR, operator);
        at += operator.length();
      }
    }
  }

  private void finish(Token.Type end, int length) {
    add(end, "");
    at += length;
  }

  private String operator() {
    for (String operator : OPERATORS) {
      if (source.startsWith(operator, at)) {
        return operator;
      }
    }
    throw TemplateException.invalid(
        line, "expected an expression, found '" + source.charAt(at) + "'");
  }

  private static boolean isDigit(char c) {
    return c >= '0' && c <= '9';
  }

  private void number() {
    int from = at;
    if (source.charAt(at) == '0' && at + 2 < source.length()) {
      int radix = radix(source.charAt(at + 1));
      if (radix != 10 && Character.digit(source.charAt(at + 2), radix) >= 0) {
        radixNumber(radix);
        return;
      }
    }
    while (at < source.length() && (isDigit(source.charAt(at)) || source.charAt(at) == '_')) {
      at++;
    }
    boolean floating = false;
    if (from > 0 && source.charAt(from - 1) == '.') {
      // An index, as in `pairs.1.0`.
      add(Token.Type.INTEGER, source.substring(from, at).replace("_", ""));
      return;
    }
    if (at + 1 < source.length() && source.charAt(at) == '.' && isDigit(source.charAt(at + 1))) {
      floating = true;
      at++;
      while (at < source.length() && isDigit(source.charAt(at))) {
        at++;
      }
    }
    if (at < source.length() && (source.charAt(at) == 'e' || source.charAt(at) == 'E')) {
      int i = at + 1;
      if (i < source.length() && (source.charAt(i) == '-' || source.charAt(i) == '+')) {
        i++;
      }
      if (i < source.length() && isDigit(source.charAt(i))) {
        floating = true;
        at = i;
        while (at < source.length() && isDigit(source.charAt(at))) {
          at++;
        }
      }
    }
    add(
        floating ? Token.Type.FLOAT : Token.Type.INTEGER,
        source.substring(from, at).replace("_", ""));
  }

  private static int radix(char c) {
    return switch (c) {
      case 'x', 'X' -> 16;
      case 'o', 'O' -> 8;
      case 'b', 'B' -> 2;
      default -> 10;
    };
  }

  /// `0x1f`, `0o17`, `0b11`.
  private void radixNumber(int radix) {
    at += 2;
    int from = at;
    while (at < source.length()
        && (Character.digit(source.charAt(at), radix) >= 0 || source.charAt(at) == '_')) {
      at++;
    }
    String digits = source.substring(from, at).replace("_", "");
    add(Token.Type.INTEGER, new BigInteger(digits, radix).toString());
  }

  private void string(char quote) {
    StringBuilder value = new StringBuilder();
    int i = at + 1;
    while (true) {
      if (i >= source.length()) {
        throw TemplateException.invalid(line, "expected " + quote + " to end a string");
      }
      char c = source.charAt(i++);
      if (c == quote) {
        break;
      }
      if (c == '\\' && i < source.length()) {
        i = escape(source.charAt(i), i + 1, value);
      } else {
        value.append(c);
      }
    }
    add(Token.Type.STRING, value.toString());
    advance(i);
  }

  /// Decodes an escape as Python does; an unknown one keeps its backslash. Returns where it ends.
  private int escape(char c, int next, StringBuilder value) {
    switch (c) {
      case '\n' -> {}
      case 'n' -> value.append('\n');
      case 't' -> value.append('\t');
      case 'r' -> value.append('\r');
      case 'b' -> value.append('\b');
      case 'f' -> value.append('\f');
      case 'v' -> value.append('\u000b');
      case 'a' -> value.append('\u0007');
      case '\\', '\'', '"' -> value.append(c);
      case 'x' -> {
        return hex(next, 2, value);
      }
      case 'u' -> {
        return hex(next, 4, value);
      }
      case 'U' -> {
        return hex(next, 8, value);
      }
      case '0', '1', '2', '3', '4', '5', '6', '7' -> {
        int i = next - 1;
        int code = 0;
        while (i < next + 2 && i < source.length() && "01234567".indexOf(source.charAt(i)) >= 0) {
          code = code * 8 + source.charAt(i++) - '0';
        }
        value.appendCodePoint(code);
        return i;
      }
      default -> value.append('\\').append(c);
    }
    return next;
  }

  private int hex(int from, int digits, StringBuilder value) {
    int code = 0;
    for (int i = from; i < from + digits; i++) {
      int digit = i < source.length() ? Character.digit(source.charAt(i), 16) : -1;
      if (digit < 0) {
        throw TemplateException.invalid(line, "expected " + digits + " hex digits in an escape");
      }
      code = code << 4 | digit;
    }
    if (!Character.isValidCodePoint(code)) {
      throw TemplateException.invalid(line, "expected a character in an escape");
    }
    value.appendCodePoint(code);
    return from + digits;
  }
}

package ai.realm.tokenizer;

/// Bits that say what a token is and how text around it is cut; a token may have several. See
/// `llama_token_attr` in llama.h.
final class TokenAttributes {
  static final int UNKNOWN = 1;
  static final int UNUSED = 1 << 1;
  static final int NORMAL = 1 << 2;
  static final int CONTROL = 1 << 3;
  static final int USER_DEFINED = 1 << 4;
  static final int BYTE = 1 << 5;

  /// White space before it belongs to it.
  static final int LSTRIP = 1 << 6;

  /// White space after it belongs to it.
  static final int RSTRIP = 1 << 7;

  /// A control token whose text is part of the answer: the channel marks of gpt-oss.
  static final int VISIBLE = 1 << 8;

  private TokenAttributes() {}

  static int of(TokenType type) {
    return switch (type) {
      case UNDEFINED -> 0;
      case NORMAL -> NORMAL;
      case UNKNOWN -> UNKNOWN;
      case CONTROL -> CONTROL;
      case USER_DEFINED -> USER_DEFINED;
      case UNUSED -> UNUSED;
      case BYTE -> BYTE;
    };
  }

  static TokenType type(int attributes) {
    if ((attributes & CONTROL) != 0) {
      return TokenType.CONTROL;
    }
    if ((attributes & UNKNOWN) != 0) {
      return TokenType.UNKNOWN;
    }
    if ((attributes & USER_DEFINED) != 0) {
      return TokenType.USER_DEFINED;
    }
    if ((attributes & BYTE) != 0) {
      return TokenType.BYTE;
    }
    if ((attributes & UNUSED) != 0) {
      return TokenType.UNUSED;
    }
    return (attributes & NORMAL) != 0 ? TokenType.NORMAL : TokenType.UNDEFINED;
  }
}

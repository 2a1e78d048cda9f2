package ai.realm.tokenizer;

/// What a token is, with its number in `tokenizer.ggml.token_type` (`llama_token_type` in llama.h).
public enum TokenType {
  /// Of no kind; leaves no text.
  UNDEFINED(0),
  /// Ordinary text.
  NORMAL(1),
  /// Stands for text that the vocabulary cannot express.
  UNKNOWN(2),
  /// Steers the model; never made from a user's text.
  CONTROL(3),
  /// Added by the model's maker; found in text whole, before any merging.
  USER_DEFINED(4),
  /// A hole in the vocabulary.
  UNUSED(5),
  /// One byte, `<0x00>` to `<0xFF>`.
  BYTE(6);

  private static final TokenType[] TYPES = values();

  private final int id;

  TokenType(int id) {
    this.id = id;
  }

  static TokenType of(int id, int token) {
    for (TokenType t : TYPES) {
      if (t.id == id) {
        return t;
      }
    }
    throw new TokenizerException(
        "tokenizer.ggml.token_type: expected 0 to 6 for token %d, found %d".formatted(token, id));
  }
}

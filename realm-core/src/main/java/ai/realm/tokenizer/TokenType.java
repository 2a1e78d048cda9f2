package ai.realm.tokenizer;

/// What a token is, with its number in `tokenizer.ggml.token_type` (`llama_token_type` in llama.h).
public enum TokenType {
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

  private final int id;

  TokenType(int id) {
    this.id = id;
  }

  static TokenType of(int id, int token) {
    for (TokenType t : values()) {
      if (t.id == id) {
        return t;
      }
    }
    throw new TokenizerException(
        "tokenizer.ggml.token_type: expected 1 to 6 for token %d, found %d".formatted(token, id));
  }
}

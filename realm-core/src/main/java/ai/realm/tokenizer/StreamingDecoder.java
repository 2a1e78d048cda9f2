package ai.realm.tokenizer;

/// Turns tokens into text as they come and never emits half a UTF-8 character: bytes of an unfinished
/// character wait for the next token.
public interface StreamingDecoder {
  /// The text that `token` completes; empty when it ends inside a character.
  String accept(int token);

  /// What is left at the end; an unfinished character becomes U+FFFD.
  String finish();
}

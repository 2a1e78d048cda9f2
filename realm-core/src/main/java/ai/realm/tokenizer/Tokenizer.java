package ai.realm.tokenizer;

import ai.realm.gguf.GgufMetadata;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/// Text to token ids and back. Thread-safe.
///
/// Control tokens come out of text only where `parseSpecial` says so: with it off, a user who types
/// `</s>` gets the tokens of those four characters.
public abstract class Tokenizer {
  private final Vocabulary vocabulary;
  private final List<SpecialToken> specials;

  Tokenizer(Vocabulary vocabulary) {
    this.vocabulary = vocabulary;
    this.specials = specialTokens(vocabulary);
  }

  /// The tokenizer that a model file describes.
  ///
  /// @throws TokenizerException when it is of an unknown kind, or inconsistent
  public static Tokenizer of(GgufMetadata metadata) {
    String model = metadata.string("tokenizer.ggml.model");
    return switch (model) {
      case "llama" -> new SpmTokenizer(Vocabulary.of(metadata, true));
      default ->
          throw new TokenizerException(
              "tokenizer.ggml.model: expected one of llama, found " + model);
    };
  }

  private record SpecialToken(int id, String text, boolean userDefined) {}

  private static List<SpecialToken> specialTokens(Vocabulary v) {
    List<SpecialToken> found = new ArrayList<>();
    for (int id = 0; id < v.size(); id++) {
      TokenType type = v.type(id);
      if (type == TokenType.CONTROL
          || type == TokenType.USER_DEFINED
          || type == TokenType.UNKNOWN) {
        String text = v.text(id);
        if (!text.isEmpty()) {
          found.add(new SpecialToken(id, text, type == TokenType.USER_DEFINED));
        }
      }
    }
    found.sort((a, b) -> b.text().length() - a.text().length());
    return List.copyOf(found);
  }

  /// The model's tokens.
  public final Vocabulary vocabulary() {
    return vocabulary;
  }

  /// Token ids of a text.
  ///
  /// @param addSpecial whether to add the begin and end tokens that the model wants
  /// @param parseSpecial whether texts of control tokens in `text` become those tokens
  public final int[] encode(String text, boolean addSpecial, boolean parseSpecial) {
    IntList out = new IntList();
    if (addSpecial && vocabulary.addBos() && vocabulary.bos().isPresent()) {
      out.add(vocabulary.bos().getAsInt());
    }
    boolean afterSpecial = true;
    for (Object fragment : split(text, parseSpecial)) {
      if (fragment instanceof SpecialToken special) {
        out.add(special.id());
        afterSpecial = true;
      } else {
        encodeText((String) fragment, afterSpecial, out);
        afterSpecial = false;
      }
    }
    if (addSpecial && vocabulary.addEos() && vocabulary.eos().isPresent()) {
      out.add(vocabulary.eos().getAsInt());
    }
    return out.toArray();
  }

  /// Splits a text at special tokens, longer ones first.
  private List<Object> split(String text, boolean parseSpecial) {
    List<Object> fragments = new ArrayList<>();
    if (!text.isEmpty()) {
      fragments.add(text);
    }
    for (SpecialToken special : specials) {
      if ((parseSpecial || special.userDefined()) && text.contains(special.text())) {
        fragments = splitAt(fragments, special);
      }
    }
    return fragments;
  }

  private static List<Object> splitAt(List<Object> fragments, SpecialToken special) {
    List<Object> result = new ArrayList<>();
    for (Object fragment : fragments) {
      if (!(fragment instanceof String s)) {
        result.add(fragment);
        continue;
      }
      int from = 0;
      for (int at = s.indexOf(special.text()); at >= 0; at = s.indexOf(special.text(), from)) {
        if (at > from) {
          result.add(s.substring(from, at));
        }
        result.add(special);
        from = at + special.text().length();
      }
      if (from < s.length()) {
        result.add(s.substring(from));
      }
    }
    return result;
  }

  /// Appends the ids of text without special tokens.
  ///
  /// @param afterSpecial whether it begins the text or follows a special token
  abstract void encodeText(String text, boolean afterSpecial, IntList out);

  /// The bytes that a token stands for; empty for control tokens.
  ///
  /// @throws IndexOutOfBoundsException for an id outside the vocabulary
  public abstract byte[] tokenBytes(int token);

  /// The text of tokens as llama.cpp's detokenizer gives it: control tokens leave nothing, and the
  /// space that encoding put in front is taken off.
  public final String decode(int[] ids) {
    return decode(ids, false, false);
  }

  /// The text of tokens.
  ///
  /// @param removeSpecial whether a begin token at the start and an end token at the end are dropped
  /// @param unparseSpecial whether control tokens leave their text
  public final String decode(int[] ids, boolean removeSpecial, boolean unparseSpecial) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    int from = 0;
    int to = ids.length;
    boolean stripSpace = vocabulary.addSpacePrefix();
    if (removeSpecial
        && vocabulary.addBos()
        && to > 0
        && vocabulary.bos().isPresent()
        && ids[0] == vocabulary.bos().getAsInt()) {
      from = 1;
      stripSpace = false;
    }
    if (removeSpecial
        && vocabulary.addEos()
        && to > from
        && vocabulary.eos().isPresent()
        && ids[to - 1] == vocabulary.eos().getAsInt()) {
      to--;
    }
    for (int i = from; i < to; i++) {
      TokenType type = vocabulary.type(ids[i]);
      byte[] piece =
          unparseSpecial && (type == TokenType.CONTROL || type == TokenType.UNKNOWN)
              ? vocabulary.bytes(ids[i])
              : tokenBytes(ids[i]);
      int skip = stripSpace && piece.length > 0 && piece[0] == ' ' ? 1 : 0;
      bytes.write(piece, skip, piece.length - skip);
      stripSpace = false;
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }

  /// A decoder for tokens as they come.
  ///
  /// @param stripLeadingSpace whether a space at the very start is dropped, as SentencePiece models
  ///     begin an answer with one
  public final StreamingDecoder decoder(boolean stripLeadingSpace) {
    return new Utf8StreamingDecoder(this, stripLeadingSpace && vocabulary.addSpacePrefix());
  }

  /// A decoder that drops the leading space of an answer.
  public final StreamingDecoder decoder() {
    return decoder(true);
  }
}

package ai.realm.tokenizer;

import ai.realm.gguf.GgufMetadata;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.OptionalInt;

/// Text to token ids and back. Immutable and thread-safe.
///
/// Control tokens come out of text only where `parseSpecial` says so: with it off, a user who types
/// `</s>` gets the tokens of those four characters.
public abstract class Tokenizer {
  static final byte[] NOTHING = {};

  private final Vocabulary vocabulary;
  private final SpecialTokens specials;

  Tokenizer(Vocabulary vocabulary) {
    this.vocabulary = vocabulary;
    this.specials = new SpecialTokens(vocabulary);
  }

  /// The tokenizer that a model file describes.
  ///
  /// @throws TokenizerException when it is of an unknown kind, or inconsistent
  public static Tokenizer of(GgufMetadata metadata) {
    String model = metadata.string("tokenizer.ggml.model");
    return switch (model) {
      case "llama" -> new SpmTokenizer(Vocabulary.of(metadata, VocabularyDefaults.sentencePiece()));
      case "gpt2", "gemma4" -> BpeTokenizer.create(metadata);
      case "bert" ->
          new WordPieceTokenizer(Vocabulary.of(metadata, VocabularyDefaults.wordPiece()));
      case "t5" -> UnigramTokenizer.create(metadata);
      case "rwkv" -> new RwkvTokenizer(Vocabulary.of(metadata, VocabularyDefaults.rwkv()));
      default ->
          throw new TokenizerException(
              "tokenizer.ggml.model: expected one of llama, gpt2, gemma4, bert, t5, rwkv, found "
                  + TokenizerException.quote(model));
    };
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
    if (addSpecial) {
      firstToken().ifPresent(out::add);
    }
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    if (utf8.length > 0) {
      SpecialTokens.Partition pieces = specials.partition(utf8, parseSpecial);
      boolean afterSpecial = true;
      for (int i = 0; i < pieces.token().length; i++) {
        if (pieces.token()[i] >= 0) {
          out.add(pieces.token()[i]);
          afterSpecial = true;
        } else {
          encodeText(utf8, pieces.from()[i], pieces.to()[i], afterSpecial, out);
          afterSpecial = false;
        }
      }
    }
    if (addSpecial) {
      lastToken().ifPresent(out::add);
    }
    return out.toArray();
  }

  /// What a prompt begins with.
  OptionalInt firstToken() {
    return vocabulary.addBos() ? vocabulary.bos() : OptionalInt.empty();
  }

  /// What a prompt ends with.
  OptionalInt lastToken() {
    return vocabulary.addEos() ? vocabulary.eos() : OptionalInt.empty();
  }

  /// Appends the ids of the text `utf8[from, to)`, which is not empty and has no special tokens.
  ///
  /// @param afterSpecial whether it begins the whole text or follows a special token
  abstract void encodeText(byte[] utf8, int from, int to, boolean afterSpecial, IntList out);

  /// The bytes that a token stands for; empty for control tokens.
  ///
  /// @throws IndexOutOfBoundsException for an id outside the vocabulary
  public final byte[] tokenBytes(int token) {
    return tokenBytes(token, false);
  }

  /// The bytes that a token stands for.
  ///
  /// @param unparseSpecial whether a control token stands for its text
  /// @throws IndexOutOfBoundsException for an id outside the vocabulary
  public final byte[] tokenBytes(int token, boolean unparseSpecial) {
    int attributes = vocabulary.attributes(token);
    if ((attributes & (TokenAttributes.CONTROL | TokenAttributes.UNKNOWN)) != 0) {
      return unparseSpecial || (attributes & TokenAttributes.VISIBLE) != 0
          ? vocabulary.texts().copy(token)
          : NOTHING;
    }
    if ((attributes & TokenAttributes.USER_DEFINED) != 0) {
      return vocabulary.texts().copy(token);
    }
    if ((attributes & TokenAttributes.NORMAL) != 0) {
      return normalBytes(token);
    }
    return (attributes & TokenAttributes.BYTE) != 0 ? byteBytes(token) : NOTHING;
  }

  /// The bytes of a normal token.
  abstract byte[] normalBytes(int token);

  /// The byte of a byte token such as `<0x0A>`.
  byte[] byteBytes(int token) {
    return new byte[] {(byte) ByteTokens.value(vocabulary, token)};
  }

  /// The text of tokens: what their bytes make together, less the space that encoding put in front. A
  /// [StreamingDecoder] gives the same text.
  public final String decode(int[] ids) {
    return new String(
        bytes(ids, 0, ids.length, vocabulary.addSpacePrefix(), false), StandardCharsets.UTF_8);
  }

  /// The bytes that `llama_detokenize` gives: as [#decode], but with the spaces "cleaned" that some
  /// models want cleaned, so that not every text survives the round trip.
  ///
  /// @param removeSpecial whether a begin token at the start and an end token at the end are dropped
  /// @param unparseSpecial whether control tokens leave their text
  public final byte[] detokenize(int[] ids, boolean removeSpecial, boolean unparseSpecial) {
    int from = 0;
    int to = ids.length;
    boolean stripSpace = vocabulary.addSpacePrefix();
    if (removeSpecial && vocabulary.addBos() && to > 0 && is(ids[0], vocabulary.bos())) {
      from = 1;
      stripSpace = false;
    }
    if (removeSpecial && vocabulary.addEos() && to > from && is(ids[to - 1], vocabulary.eos())) {
      to--;
    }
    byte[] text = bytes(ids, from, to, stripSpace, unparseSpecial);
    return vocabulary.cleanSpaces() ? SpaceCleaner.clean(text) : text;
  }

  private static boolean is(int id, OptionalInt other) {
    return other.isPresent() && other.getAsInt() == id;
  }

  private byte[] bytes(int[] ids, int from, int to, boolean stripSpace, boolean unparseSpecial) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(4 * (to - from) + 16);
    for (int i = from; i < to; i++) {
      byte[] piece = tokenBytes(ids[i], unparseSpecial);
      int skip = i == from && stripSpace && piece.length > 0 && piece[0] == ' ' ? 1 : 0;
      bytes.write(piece, skip, piece.length - skip);
    }
    return bytes.toByteArray();
  }

  /// A decoder for tokens as they come.
  ///
  /// @param stripLeadingSpace whether a space that the first token begins with is dropped, as
  ///     SentencePiece models begin a text with one; not wanted where text came before
  public final StreamingDecoder decoder(boolean stripLeadingSpace) {
    return new Utf8StreamingDecoder(this, stripLeadingSpace && vocabulary.addSpacePrefix());
  }

  /// A decoder that gives what [#decode] gives.
  public final StreamingDecoder decoder() {
    return decoder(true);
  }
}

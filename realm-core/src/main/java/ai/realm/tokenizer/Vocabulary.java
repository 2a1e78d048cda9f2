package ai.realm.tokenizer;

import ai.realm.gguf.GgufMetadata;
import java.util.BitSet;
import java.util.OptionalInt;

/// The tokens of a model: texts, types, scores, and the ids with a role. Immutable.
public final class Vocabulary {
  private final TokenTexts texts;
  private final short[] attributes;
  private final float[] scores;
  private final BitSet endOfGeneration;
  private final int bos;
  private final int eos;
  private final int endOfTurn;
  private final int unknown;
  private final int separator;
  private final int padding;
  private final int mask;
  private final int fimPrefix;
  private final int fimSuffix;
  private final int fimMiddle;
  private final boolean addBos;
  private final boolean addEos;
  private final boolean addSep;
  private final boolean addSpacePrefix;
  private final boolean cleanSpaces;

  private Vocabulary(VocabularyReader r) {
    texts = r.texts;
    attributes = r.attributes;
    scores = r.scores;
    endOfGeneration = r.endOfGeneration;
    bos = r.bos;
    eos = r.eos;
    endOfTurn = r.endOfTurn;
    unknown = r.unknown;
    separator = r.separator;
    padding = r.padding;
    mask = r.mask;
    fimPrefix = r.fimPrefix;
    fimSuffix = r.fimSuffix;
    fimMiddle = r.fimMiddle;
    addBos = r.addBos;
    addEos = r.addEos;
    addSep = r.addSep;
    addSpacePrefix = r.addSpacePrefix;
    cleanSpaces = r.cleanSpaces();
  }

  /// The vocabulary of a model file.
  ///
  /// @throws TokenizerException when it contradicts itself
  static Vocabulary of(GgufMetadata metadata, VocabularyDefaults defaults) {
    return new Vocabulary(new VocabularyReader(metadata, defaults));
  }

  TokenTexts texts() {
    return texts;
  }

  /// The token with this text, or empty.
  public OptionalInt find(String text) {
    return optional(texts.find(text));
  }

  /// Number of tokens.
  public int size() {
    return texts.size();
  }

  /// The text of a token as the file has it, with its escapes.
  public String text(int id) {
    return texts.text(id);
  }

  /// What kind of token it is. Tokens with a well-known text that ends a turn are control tokens
  /// whatever the file says.
  public TokenType type(int id) {
    return TokenAttributes.type(attributes[id]);
  }

  /// Bits of [TokenAttributes].
  int attributes(int id) {
    return attributes[id];
  }

  boolean has(int id, int attribute) {
    return (attributes[id] & attribute) != 0;
  }

  /// The score that orders SentencePiece merges; the log probability in a unigram model.
  float score(int id) {
    return scores.length == 0 ? 0 : scores[id];
  }

  /// Whether it is a control token.
  public boolean isControl(int id) {
    return has(id, TokenAttributes.CONTROL);
  }

  /// Whether the model ends its turn or document with it.
  public boolean isEndOfGeneration(int id) {
    return endOfGeneration.get(id);
  }

  /// The tokens that end generation, in ascending order.
  public int[] endOfGeneration() {
    return endOfGeneration.stream().toArray();
  }

  /// Begin of sequence; in BERT models the class token.
  public OptionalInt bos() {
    return optional(bos);
  }

  /// End of sequence.
  public OptionalInt eos() {
    return optional(eos);
  }

  /// End of a turn.
  public OptionalInt endOfTurn() {
    return optional(endOfTurn);
  }

  /// Stands for text that the vocabulary cannot express.
  public OptionalInt unknown() {
    return optional(unknown);
  }

  /// Ends each text of an encoder model.
  public OptionalInt separator() {
    return optional(separator);
  }

  /// Fills up a batch.
  public OptionalInt padding() {
    return optional(padding);
  }

  /// Stands for a masked word.
  public OptionalInt mask() {
    return optional(mask);
  }

  /// Stands before the text that precedes a gap.
  public OptionalInt fimPrefix() {
    return optional(fimPrefix);
  }

  /// Stands before the text that follows a gap.
  public OptionalInt fimSuffix() {
    return optional(fimSuffix);
  }

  /// Asks for the text in a gap.
  public OptionalInt fimMiddle() {
    return optional(fimMiddle);
  }

  /// Whether prompts begin with [#bos].
  public boolean addBos() {
    return addBos;
  }

  /// Whether prompts end with [#eos].
  public boolean addEos() {
    return addEos;
  }

  /// Whether texts of a pair are parted by [#separator].
  public boolean addSep() {
    return addSep;
  }

  /// Whether a space is put before text.
  public boolean addSpacePrefix() {
    return addSpacePrefix;
  }

  /// Whether llama.cpp's detokenizer takes spaces before punctuation away.
  boolean cleanSpaces() {
    return cleanSpaces;
  }

  private static OptionalInt optional(int id) {
    return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
  }
}

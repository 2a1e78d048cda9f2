package ai.realm.tokenizer;

import ai.realm.gguf.GgufMetadata;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;

/// Reads a vocabulary and derives what files leave out: token roles and attributes by well-known texts,
/// the tokens that end generation, white space that belongs to a special token. The rules are those of
/// `llama_vocab::impl::load` in llama.cpp; where its order of search depends on a hash table, the order
/// of [SpecialTexts] decides.
final class VocabularyReader {
  private static final String PREFIX = "tokenizer.ggml.";

  private final GgufMetadata metadata;
  private final VocabularyDefaults defaults;
  final TokenTexts texts;
  final short[] attributes;
  final float[] scores;
  final BitSet endOfGeneration = new BitSet();
  final int bos;
  final int eos;
  final int endOfTurn;
  final int endOfMessage;
  final int unknown;
  final int separator;
  final int padding;
  final int mask;
  final int fimPrefix;
  final int fimSuffix;
  final int fimMiddle;
  final boolean addBos;
  final boolean addEos;
  final boolean addSep;
  final boolean addSpacePrefix;

  VocabularyReader(GgufMetadata metadata, VocabularyDefaults defaults) {
    this.metadata = metadata;
    this.defaults = defaults;
    texts = TokenTexts.of(metadata.array(TokenTexts.KEY));
    attributes = readAttributes();
    scores = readScores();
    // Encoders without a begin token of their own begin with the class token.
    bos =
        id("bos_token_id", defaults.addSep() ? id("cls_token_id", defaults.bos()) : defaults.bos());
    eos = id("eos_token_id", defaults.eos());
    unknown = id("unknown_token_id", defaults.unknown());
    // The first is llama.cpp's spelling.
    separator = id("seperator_token_id", id("separator_token_id", defaults.separator()));
    padding = id("padding_token_id", defaults.padding());
    mask = id("mask_token_id", -1);
    endOfTurn = controlId("eot_token_id", SpecialTexts.END_OF_TURN);
    endOfMessage = controlId("eom_token_id", SpecialTexts.END_OF_MESSAGE);
    fimPrefix = controlId("fim_pre_token_id", "prefix_token_id", SpecialTexts.FIM_PREFIX);
    fimSuffix = controlId("fim_suf_token_id", "suffix_token_id", SpecialTexts.FIM_SUFFIX);
    fimMiddle = controlId("fim_mid_token_id", "middle_token_id", SpecialTexts.FIM_MIDDLE);
    addBos = metadata.bool(PREFIX + "add_bos_token", defaults.addBos());
    addEos = metadata.bool(PREFIX + "add_eos_token", defaults.addEos());
    addSep = metadata.bool(PREFIX + "add_sep_token", defaults.addSep());
    addSpacePrefix = metadata.bool(PREFIX + "add_space_prefix", defaults.addSpacePrefix());
    markEndOfGeneration();
    markStripping();
  }

  private short[] readAttributes() {
    String key = PREFIX + "token_type";
    short[] result = new short[texts.size()];
    if (!metadata.contains(key)) {
      Arrays.fill(result, (short) TokenAttributes.NORMAL);
      return result;
    }
    int[] types = metadata.ints(key);
    checkLength(key, types.length);
    for (int i = 0; i < types.length; i++) {
      result[i] = (short) TokenAttributes.of(TokenType.of(types[i], i));
    }
    return result;
  }

  private float[] readScores() {
    String key = PREFIX + "scores";
    if (!metadata.contains(key)) {
      return new float[0];
    }
    float[] result = metadata.floats(key);
    checkLength(key, result.length);
    for (int i = 0; i < result.length; i++) {
      if (Float.isNaN(result[i])) {
        throw new TokenizerException(
            "%s: expected a number for token %d, found NaN".formatted(key, i));
      }
    }
    return result;
  }

  private void checkLength(String key, int found) {
    if (found != texts.size()) {
      throw new TokenizerException(
          "%s: expected %d elements as in %s, found %d"
              .formatted(key, texts.size(), TokenTexts.KEY, found));
    }
  }

  private int id(String name, int absent) {
    String key = PREFIX + name;
    if (!metadata.contains(key)) {
      return absent < texts.size() ? absent : -1;
    }
    long id = metadata.integer(key);
    if (id == 0xffffffffL || id == -1) {
      return -1;
    }
    if (id < 0 || id >= texts.size()) {
      throw new TokenizerException(
          "%s: expected a token id below %d, found %d".formatted(key, texts.size(), id));
    }
    return (int) id;
  }

  private int controlId(String name, String oldName, List<String> known) {
    int old = id(oldName, -1);
    return old >= 0 ? old : controlId(name, known);
  }

  /// The id that the file names, else that of the first known text, which thereby is a control token.
  private int controlId(String name, List<String> known) {
    int named = id(name, -1);
    if (named >= 0) {
      return named;
    }
    for (String text : known) {
      int token = texts.find(text);
      if (token >= 0) {
        attributes[token] |= TokenAttributes.CONTROL;
        return token;
      }
    }
    return -1;
  }

  private void markEndOfGeneration() {
    mark(controlId("fim_pad_token_id", SpecialTexts.FIM_PADDING));
    mark(controlId("fim_rep_token_id", SpecialTexts.FIM_REPOSITORY));
    mark(controlId("fim_sep_token_id", SpecialTexts.FIM_SEPARATOR));
    for (String text : SpecialTexts.END_OF_GENERATION) {
      int token = texts.find(text);
      if (token >= 0) {
        attributes[token] |= TokenAttributes.CONTROL;
        mark(token);
      }
    }
    int end = texts.find("</s>");
    // Phi-3 has it for plain text, and Gemma 4 writes it in the middle of its answers.
    if (end >= 0
        && (attributes[end] & TokenAttributes.CONTROL) != 0
        && texts.find("<|tool_response>") < 0) {
      mark(end);
    }
    mark(eos);
    mark(endOfTurn);
    mark(endOfMessage);
    for (String text : SpecialTexts.CHANNEL_MARKS) {
      makeVisible(texts.find(text));
    }
    boolean harmony = texts.find("<|return|>") >= 0 && texts.find("<|call|>") >= 0;
    boolean solar = texts.find("<|flush|>") >= 0 && texts.find("<|calls|>") >= 0;
    int endOfChannel = texts.find("<|end|>");
    if ((harmony || solar) && endOfChannel >= 0) {
      endOfGeneration.clear(endOfChannel);
      makeVisible(endOfChannel);
    }
  }

  private void mark(int token) {
    if (token >= 0) {
      endOfGeneration.set(token);
    }
  }

  /// llama.cpp makes these user-defined, so that they are printed; then user text could contain them.
  private void makeVisible(int token) {
    if (token >= 0) {
      attributes[token] = TokenAttributes.CONTROL | TokenAttributes.VISIBLE;
    }
  }

  private void markStripping() {
    String pre = metadata.string(PREFIX + "pre", "");
    String name = metadata.string("general.name", "").toLowerCase(Locale.ROOT);
    String architecture = metadata.string("general.architecture", "");
    if (pre.contains("jina-v2-de")
        || pre.contains("jina-v2-es")
        || pre.contains("jina-v2-code")
        || architecture.contains("nomic-bert-moe")
        || architecture.contains("jina-bert-v3")) {
      setAttribute("<mask>", TokenAttributes.LSTRIP, true);
    } else if (name.contains("phi-3") || name.contains("phi3")) {
      int special =
          TokenAttributes.CONTROL | TokenAttributes.USER_DEFINED | TokenAttributes.UNKNOWN;
      for (int id = 0; id < attributes.length; id++) {
        if ((attributes[id] & special) != 0) {
          attributes[id] |= TokenAttributes.RSTRIP;
        }
      }
      setAttribute("</s>", TokenAttributes.RSTRIP, true);
      for (String text : List.of("<unk>", "<s>", "<|endoftext|>")) {
        setAttribute(text, TokenAttributes.RSTRIP, false);
      }
    } else if (name.contains("modern-bert")) {
      setAttribute("[MASK]", TokenAttributes.LSTRIP, true);
    }
  }

  private void setAttribute(String text, int attribute, boolean value) {
    int token = texts.find(text);
    if (token >= 0) {
      attributes[token] =
          (short) (value ? attributes[token] | attribute : attributes[token] & ~attribute);
    }
  }

  boolean cleanSpaces() {
    return defaults.cleanSpaces();
  }
}

package ai.realm.tokenizer;

import ai.realm.gguf.GgufArray;
import ai.realm.gguf.GgufMetadata;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.BitSet;
import java.util.OptionalInt;

/// The tokens of a model: texts, types, scores, and the ids with a role. Texts lie in one byte array
/// and are found through an open-addressing table, so that 150,000 tokens cost no objects.
public final class Vocabulary {
  private static final int MAX_TOKENS = 1 << 24;

  /// Texts that end a turn or a document in the vocabularies of published models.
  private static final String[] END_OF_GENERATION_TEXTS = {
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<EOT>",
    "_<EOT>",
    "<｜end▁of▁sentence｜>",
    "<|END_OF_TURN_TOKEN|>",
  };

  private final byte[] texts;
  private final int[] offsets;
  private final byte[] types;
  private final float[] scores;
  private final int[] table;
  private final BitSet endOfGeneration = new BitSet();
  private final int bos;
  private final int eos;
  private final int unknown;
  private final boolean addBos;
  private final boolean addEos;
  private final boolean addSpacePrefix;

  private Vocabulary(GgufMetadata m, boolean spm) {
    GgufArray tokens = m.array("tokenizer.ggml.tokens");
    if (!tokens.isStrings() || tokens.size() == 0 || tokens.size() > MAX_TOKENS) {
      throw new TokenizerException(
          "tokenizer.ggml.tokens: expected 1 to %d strings, found %d of %s"
              .formatted(MAX_TOKENS, tokens.size(), tokens.elementTypeName()));
    }
    int n = tokens.size();
    offsets = new int[n + 1];
    texts = copyTexts(tokens, offsets);
    types = readTypes(m, n);
    scores = readScores(m, n);
    table = index();
    bos = id(m, "tokenizer.ggml.bos_token_id", spm ? 1 : -1);
    eos = id(m, "tokenizer.ggml.eos_token_id", spm ? 2 : -1);
    unknown = id(m, "tokenizer.ggml.unknown_token_id", spm ? 0 : -1);
    addBos = m.bool("tokenizer.ggml.add_bos_token", spm);
    addEos = m.bool("tokenizer.ggml.add_eos_token", false);
    addSpacePrefix = m.bool("tokenizer.ggml.add_space_prefix", spm);
    markEndOfGeneration(m);
  }

  /// The vocabulary of a model file.
  ///
  /// @param spm whether the model is SentencePiece's, which has defaults of its own
  static Vocabulary of(GgufMetadata metadata, boolean spm) {
    return new Vocabulary(metadata, spm);
  }

  private static byte[] copyTexts(GgufArray tokens, int[] offsets) {
    long total = 0;
    for (int i = 0; i < tokens.size(); i++) {
      offsets[i] = (int) total;
      total += tokens.stringLength(i);
      if (total > Integer.MAX_VALUE - 8) {
        throw new TokenizerException("tokenizer.ggml.tokens: expected less than 2 GiB of text");
      }
    }
    offsets[tokens.size()] = (int) total;
    byte[] texts = new byte[(int) total];
    for (int i = 0; i < tokens.size(); i++) {
      tokens.copyString(i, texts, offsets[i]);
    }
    return texts;
  }

  private static byte[] readTypes(GgufMetadata m, int n) {
    byte[] types = new byte[n];
    if (!m.contains("tokenizer.ggml.token_type")) {
      Arrays.fill(types, (byte) TokenType.NORMAL.ordinal());
      return types;
    }
    int[] ids = m.ints("tokenizer.ggml.token_type");
    checkLength("tokenizer.ggml.token_type", n, ids.length);
    for (int i = 0; i < n; i++) {
      types[i] = (byte) TokenType.of(ids[i], i).ordinal();
    }
    return types;
  }

  private static float[] readScores(GgufMetadata m, int n) {
    if (!m.contains("tokenizer.ggml.scores")) {
      return new float[n];
    }
    float[] scores = m.floats("tokenizer.ggml.scores");
    checkLength("tokenizer.ggml.scores", n, scores.length);
    for (int i = 0; i < n; i++) {
      if (Float.isNaN(scores[i])) {
        throw new TokenizerException("tokenizer.ggml.scores: expected a number, found NaN at " + i);
      }
    }
    return scores;
  }

  private static void checkLength(String key, int expected, int found) {
    if (found != expected) {
      throw new TokenizerException(
          "%s: expected %d elements as in tokenizer.ggml.tokens, found %d"
              .formatted(key, expected, found));
    }
  }

  private int id(GgufMetadata m, String key, int absent) {
    if (!m.contains(key)) {
      return absent < size() ? absent : -1;
    }
    long id = m.integer(key);
    if (id == 0xffffffffL) {
      return -1;
    }
    if (id < 0 || id >= size()) {
      throw new TokenizerException(
          "%s: expected a token id below %d, found %d".formatted(key, size(), id));
    }
    return (int) id;
  }

  private void markEndOfGeneration(GgufMetadata m) {
    for (String key :
        new String[] {
          "tokenizer.ggml.eos_token_id",
          "tokenizer.ggml.eot_token_id",
          "tokenizer.ggml.eom_token_id"
        }) {
      int token = id(m, key, -1);
      if (token >= 0) {
        endOfGeneration.set(token);
      }
    }
    if (eos >= 0) {
      endOfGeneration.set(eos);
    }
    for (String text : END_OF_GENERATION_TEXTS) {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      int token = find(bytes, 0, bytes.length);
      if (token >= 0
          && (type(token) == TokenType.CONTROL || type(token) == TokenType.USER_DEFINED)) {
        endOfGeneration.set(token);
      }
    }
  }

  private int[] index() {
    int capacity = Integer.highestOneBit(Math.max(8, size() * 2 - 1)) * 2;
    int[] slots = new int[capacity];
    for (int id = 0; id < size(); id++) {
      int slot = hash(texts, offsets[id], offsets[id + 1]) & capacity - 1;
      while (slots[slot] != 0 && !sameText(slots[slot] - 1, texts, offsets[id], offsets[id + 1])) {
        slot = slot + 1 & capacity - 1;
      }
      // Of equal texts the last wins, as in llama.cpp's map.
      slots[slot] = id + 1;
    }
    return slots;
  }

  private static int hash(byte[] bytes, int from, int to) {
    int h = 0x811c9dc5;
    for (int i = from; i < to; i++) {
      h = (h ^ bytes[i]) * 0x01000193;
    }
    return h ^ h >>> 15;
  }

  private boolean sameText(int id, byte[] bytes, int from, int to) {
    return Arrays.equals(texts, offsets[id], offsets[id + 1], bytes, from, to);
  }

  /// The token whose text is `bytes[from, to)`, or −1.
  int find(byte[] bytes, int from, int to) {
    int slot = hash(bytes, from, to) & table.length - 1;
    while (table[slot] != 0) {
      if (sameText(table[slot] - 1, bytes, from, to)) {
        return table[slot] - 1;
      }
      slot = slot + 1 & table.length - 1;
    }
    return -1;
  }

  /// The token with this text, or empty.
  public OptionalInt find(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return optional(find(bytes, 0, bytes.length));
  }

  /// Number of tokens.
  public int size() {
    return offsets.length - 1;
  }

  /// The text of a token as the file has it, with its escapes.
  public String text(int id) {
    return new String(texts, offsets[id], offsets[id + 1] - offsets[id], StandardCharsets.UTF_8);
  }

  byte[] bytes(int id) {
    return Arrays.copyOfRange(texts, offsets[id], offsets[id + 1]);
  }

  /// What kind of token it is.
  public TokenType type(int id) {
    return TYPES[types[id]];
  }

  private static final TokenType[] TYPES = TokenType.values();

  /// The score that orders SentencePiece merges.
  float score(int id) {
    return scores[id];
  }

  /// Whether it is a control token.
  public boolean isControl(int id) {
    return type(id) == TokenType.CONTROL;
  }

  /// Whether the model ends its turn or document with it.
  public boolean isEndOfGeneration(int id) {
    return endOfGeneration.get(id);
  }

  /// Begin of sequence.
  public OptionalInt bos() {
    return optional(bos);
  }

  /// End of sequence.
  public OptionalInt eos() {
    return optional(eos);
  }

  /// Stands for text that the vocabulary cannot express.
  public OptionalInt unknown() {
    return optional(unknown);
  }

  /// Whether prompts begin with [#bos].
  public boolean addBos() {
    return addBos;
  }

  /// Whether prompts end with [#eos].
  public boolean addEos() {
    return addEos;
  }

  /// Whether a space is put before text.
  public boolean addSpacePrefix() {
    return addSpacePrefix;
  }

  private static OptionalInt optional(int id) {
    return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
  }
}

package ai.realm.tokenizer;

import ai.realm.gguf.GgufArray;
import ai.realm.gguf.GgufMetadata;
import java.util.Arrays;

/// SentencePiece's unigram model, as T5 uses it: the text is normalized, then cut into the tokens whose
/// log probabilities have the greatest sum (Viterbi). What no token covers is the unknown token, with a
/// score 10 below the least; unknown neighbours are one. See Kudo 2018, and `llm_tokenizer_ugm_session`
/// in llama.cpp.
final class UnigramTokenizer extends Tokenizer {
  private static final float UNKNOWN_PENALTY = 10;

  private final UnigramNormalizer normalizer;
  private final ByteTrie tokens = new ByteTrie();
  private final double unknownScore;
  private final int unknown;

  private UnigramTokenizer(Vocabulary vocabulary, CharacterMap map, boolean mergeSpaces) {
    super(vocabulary);
    ByteTrie userDefined = new ByteTrie();
    float least = Float.MAX_VALUE;
    for (int id = 0; id < vocabulary.size(); id++) {
      if (vocabulary.has(id, TokenAttributes.NORMAL)) {
        least = Math.min(least, vocabulary.score(id));
      }
      if (vocabulary.has(
          id, TokenAttributes.NORMAL | TokenAttributes.USER_DEFINED | TokenAttributes.UNUSED)) {
        tokens.insert(vocabulary.texts().copy(id), id);
      }
      if (vocabulary.has(id, TokenAttributes.USER_DEFINED)) {
        userDefined.insert(vocabulary.texts().copy(id), id);
      }
    }
    unknownScore = least - UNKNOWN_PENALTY;
    unknown = vocabulary.unknown().orElse(-1);
    normalizer = new UnigramNormalizer(map, userDefined, vocabulary.addSpacePrefix(), mergeSpaces);
  }

  static UnigramTokenizer create(GgufMetadata metadata) {
    Vocabulary vocabulary = Vocabulary.of(metadata, VocabularyDefaults.unigram());
    CharacterMap map = CharacterMap.none();
    if (metadata.contains(CharacterMap.KEY)) {
      GgufArray array = metadata.array(CharacterMap.KEY);
      if (!array.isNumbers()) {
        throw new TokenizerException(
            "%s: expected bytes, found %s".formatted(CharacterMap.KEY, array.elementTypeName()));
      }
      byte[] bytes = new byte[array.size()];
      for (int i = 0; i < bytes.length; i++) {
        bytes[i] = (byte) array.integer(i);
      }
      map = CharacterMap.of(bytes);
    }
    return new UnigramTokenizer(
        vocabulary, map, metadata.bool("tokenizer.ggml.remove_extra_whitespaces", false));
  }

  @Override
  void encodeText(byte[] utf8, int from, int to, boolean afterSpecial, IntList out) {
    byte[] text = normalizer.normalize(utf8, from, to);
    int n = text.length;
    double[] best = new double[n + 1];
    int[] token = new int[n + 1];
    int[] start = new int[n + 1];
    Arrays.fill(best, 1, n + 1, -Double.MAX_VALUE);
    Arrays.fill(token, unknown);
    for (int at = 0; at < n; ) {
      int character = Math.min(SpmTokenizer.characterLength(text[at]), n - at);
      boolean covered = false;
      int node = ByteTrie.ROOT;
      for (int end = at; end < n; ) {
        node = tokens.child(node, text[end++]);
        if (node < 0) {
          break;
        }
        int id = tokens.value(node);
        if (id < 0) {
          continue;
        }
        covered |= end - at == character;
        double score =
            vocabulary().has(id, TokenAttributes.USER_DEFINED) ? 0 : vocabulary().score(id);
        if (best[at] + score > best[end]) {
          best[end] = best[at] + score;
          token[end] = id;
          start[end] = at;
        }
      }
      if (!covered && best[at] + unknownScore > best[at + character]) {
        best[at + character] = best[at] + unknownScore;
        token[at + character] = unknown;
        start[at + character] = at;
      }
      at += character;
    }
    int first = out.size();
    boolean afterUnknown = false;
    for (int end = n; end > 0; end = start[end]) {
      boolean isUnknown = token[end] == unknown;
      if (!(afterUnknown && isUnknown) && token[end] >= 0) {
        out.add(token[end]);
      }
      afterUnknown = isUnknown;
    }
    out.reverse(first);
  }

  @Override
  byte[] normalBytes(int token) {
    return EscapedSpaces.unescape(vocabulary().texts().copy(token));
  }
}

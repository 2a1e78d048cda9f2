package ai.realm.tokenizer;

/// What a kind of tokenizer takes for granted where the file is silent; an id of −1 means none. See
/// `llama_vocab::impl::load` in llama.cpp.
///
/// @param addBos whether prompts begin with `bos`
/// @param addEos whether prompts end with `eos`
/// @param addSep whether texts end with `separator`
/// @param addSpacePrefix whether a space is put before text
/// @param cleanSpaces whether llama.cpp's detokenizer takes spaces before punctuation away
record VocabularyDefaults(
    int bos,
    int eos,
    int unknown,
    int separator,
    int padding,
    boolean addBos,
    boolean addEos,
    boolean addSep,
    boolean addSpacePrefix,
    boolean cleanSpaces) {

  static VocabularyDefaults sentencePiece() {
    return new VocabularyDefaults(1, 2, 0, -1, -1, true, false, false, true, false);
  }

  static VocabularyDefaults wordPiece() {
    return new VocabularyDefaults(101, -1, 100, 102, 0, true, false, true, false, true);
  }

  static VocabularyDefaults unigram() {
    return new VocabularyDefaults(-1, 1, 2, -1, 0, false, true, false, false, false);
  }

  static VocabularyDefaults rwkv() {
    return new VocabularyDefaults(-1, -1, -1, -1, -1, false, false, false, false, false);
  }

  static VocabularyDefaults bytePair(PreTokenizer pre) {
    int special = pre == PreTokenizer.GEMMA4 ? -1 : 11;
    int bos = pre == PreTokenizer.CHATGLM ? -1 : special;
    return new VocabularyDefaults(
        bos, special, -1, -1, -1, pre.addBos(), false, pre.addSep(), false, pre.cleanSpaces());
  }
}

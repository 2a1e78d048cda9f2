package ai.realm.tokenizer;

import static ai.realm.tokenizer.CodePoints.LETTER;
import static ai.realm.tokenizer.CodePoints.LINE_BREAK;
import static ai.realm.tokenizer.CodePoints.MARK;
import static ai.realm.tokenizer.CodePoints.NUMBER;
import static ai.realm.tokenizer.CodePoints.PUNCTUATION;
import static ai.realm.tokenizer.CodePoints.SPACE;
import static ai.realm.tokenizer.CodePoints.SYMBOL;

import java.util.ArrayList;
import java.util.List;

/// How a byte-pair encoding cuts text into words before it merges within them, by the names that
/// `tokenizer.ggml.pre` may have. Patterns, names and settings are those of llama.cpp (`llm_tokenizer_bpe`
/// and `llama_vocab::impl::load`).
enum PreTokenizer {
  DEFAULT("default"),
  LLAMA3(
      "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 laguna jina-v5-nano",
      Flag.WHOLE_WORDS,
      Flag.ADD_BOS),
  JAIS2("jais-2"),
  DBRX("dbrx smaug-bpe"),
  CHATGLM("chatglm-bpe glm4"),
  DEEPSEEK_LLM("deepseek-llm", Flag.KEEP_SPACES),
  DEEPSEEK_CODER("deepseek-coder", Flag.KEEP_SPACES),
  DEEPSEEK_V3("deepseek-v3 hunyuan-dense joyai-llm", Flag.KEEP_SPACES),
  YOUTU("youtu", Flag.KEEP_SPACES, Flag.WHOLE_WORDS),
  FALCON("falcon"),
  STARCODER("starcoder refact codeshell exaone minerva-7b mellum2"),
  COMMAND_R("command-r cohere2_moe smollm", Flag.KEEP_SPACES),
  GPT2(
      "gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de gigachat a.x-4.0 mellum modern-bert exaone4"
          + " mpt olmo jais"),
  ROBERTA("roberta-bpe jina-v1-en jina-v2-code", Flag.ADD_SEP),
  TRILLION("trillion granite-docling", Flag.KEEP_SPACES),
  STABLELM2("stablelm2 megrez"),
  QWEN2(
      "qwen2 deepseek-r1-qwen kormo openpangu f2llmv2 hunyuan solar-open grok-2 bailingmoe"
          + " bailingmoe2 llada-moe",
      Flag.KEEP_SPACES),
  QWEN35("qwen35", Flag.KEEP_SPACES),
  BLOOM("bloom gpt3-finnish"),
  PORO("poro-chat", Flag.KEEP_SPACES),
  VIKING("viking", Flag.KEEP_SPACES),
  TEKKEN("tekken", Flag.KEEP_SPACES, Flag.WHOLE_WORDS, Flag.ADD_BOS),
  CHAMELEON("chameleon", Flag.KEEP_SPACES, Flag.ADD_BOS),
  GPT4O("gpt-4o llama4 kanana2 minimax-m2", Flag.KEEP_SPACES),
  TINY_AYA("tiny_aya", Flag.KEEP_SPACES),
  KIMI_K2("kimi-k2", Flag.KEEP_SPACES),
  SUPERBPE("superbpe", Flag.KEEP_SPACES),
  SEED_CODER("seed-coder", Flag.KEEP_SPACES),
  AFMOE("afmoe", Flag.KEEP_SPACES),
  EXAONE_MOE("exaone-moe"),
  GEMMA4("gemma4", Flag.ADD_BOS);

  private enum Flag {
    /// A word that is a token stays whole whatever the merges say.
    WHOLE_WORDS,
    ADD_BOS,
    ADD_SEP,
    /// llama.cpp's detokenizer leaves spaces as they are.
    KEEP_SPACES
  }

  private final List<String> names;
  private final List<Flag> flags;

  PreTokenizer(String names, Flag... flags) {
    this.names = List.of(names.split(" "));
    this.flags = List.of(flags);
  }

  /// The pre-tokenizer with this name.
  ///
  /// @throws TokenizerException with the known names when there is none
  static PreTokenizer named(String name) {
    List<String> known = new ArrayList<>();
    for (PreTokenizer pre : values()) {
      if (pre.names.contains(name)) {
        return pre;
      }
      known.addAll(pre.names);
    }
    throw new TokenizerException(
        "tokenizer.ggml.pre: expected one of %s, found %s"
            .formatted(
                String.join(", ", known.stream().sorted().toList()),
                TokenizerException.quote(name)));
  }

  boolean wholeWords() {
    return flags.contains(Flag.WHOLE_WORDS);
  }

  boolean addBos() {
    return flags.contains(Flag.ADD_BOS);
  }

  boolean addSep() {
    return flags.contains(Flag.ADD_SEP);
  }

  boolean cleanSpaces() {
    return !flags.contains(Flag.KEEP_SPACES);
  }

  /// Its passes, each applied to the pieces of the one before.
  List<Pass> passes() {
    return switch (this) {
      case DEFAULT ->
          List.of(
              falconPunctuation(PreTokenizerSets.DEFAULT_SYMBOLS),
              gpt2(),
              Pass.of(Rules.run(NUMBER)),
              threeDigits());
      case LLAMA3, DBRX, CHATGLM -> List.of(llama3(3));
      case JAIS2 ->
          List.of(
              Pass.of(
                  Rules.anyCaseContraction(),
                  Rules.prefixed(LETTER | NUMBER, LETTER),
                  Rules.upTo(3, NUMBER),
                  Rules.spacedOtherAndBreaks(SPACE | LETTER | NUMBER),
                  Rules.breaks(),
                  Rules.spacesByPowersOfTwo()));
      case DEEPSEEK_LLM ->
          List.of(
              Pass.of(Rules.upTo(1, LINE_BREAK)),
              Pass.of(Rules.spacedRun(CodePointSet.of(PreTokenizerSets.CASED))),
              Pass.of(Rules.spacedRun(CodePointSet.of(PreTokenizerSets.PUNCTUATION))),
              Pass.of(Rules.spacesAtEnd()),
              Pass.of(Rules.run(CodePointSet.of(PreTokenizerSets.ASIAN))),
              Pass.of(Rules.run(NUMBER)));
      case DEEPSEEK_CODER ->
          List.of(
              Pass.of(Rules.upTo(1, LINE_BREAK)),
              Pass.of(Rules.spacedRun(CodePointSet.of("", LETTER))),
              Pass.of(Rules.spacedRun(CodePointSet.of("", PUNCTUATION))),
              Pass.of(Rules.run(CodePointSet.of(PreTokenizerSets.ASIAN))),
              Pass.of(Rules.upTo(1, NUMBER)));
      case DEEPSEEK_V3 ->
          List.of(
              Pass.of(Rules.upTo(3, NUMBER)),
              Pass.of(Rules.run(CodePointSet.of(PreTokenizerSets.CHINESE_AND_KANA))),
              deepseekWords());
      case YOUTU ->
          List.of(
              Pass.of(
                  Rules.run(CodePointSet.of(PreTokenizerSets.HANGUL)),
                  Rules.run(CodePointSet.of(PreTokenizerSets.CHINESE_PUNCTUATION)),
                  Rules.run(CodePointSet.of(PreTokenizerSets.BOPOMOFO)),
                  Rules.run(CodePointSet.of(PreTokenizerSets.CHINESE_AND_KANA))),
              gpt4o(Rules.prefixedWithContraction(LETTER | MARK), 1));
      case FALCON ->
          List.of(falconPunctuation(PreTokenizerSets.FALCON_SYMBOLS), gpt2(), threeDigits());
      case STARCODER, COMMAND_R -> List.of(Pass.of(Rules.upTo(1, NUMBER)), gpt2());
      case GPT2, ROBERTA, TRILLION -> List.of(gpt2());
      case STABLELM2, QWEN2 -> List.of(llama3(1));
      case QWEN35 ->
          List.of(
              Pass.of(
                  Rules.anyCaseContraction(),
                  Rules.prefixed(LETTER | NUMBER, LETTER | MARK),
                  Rules.upTo(1, NUMBER),
                  Rules.spacedOtherAndBreaks(SPACE | LETTER | MARK | NUMBER),
                  Rules.breaks(),
                  Rules.spacesBeforeSpace(),
                  Rules.spaces()));
      case BLOOM, PORO -> List.of(bloom());
      case VIKING -> List.of(bloom(), Pass.of(Rules.upTo(1, NUMBER)));
      case TEKKEN -> List.of(gpt4o(Rules.caseWord(), 1));
      case CHAMELEON ->
          List.of(
              Pass.of(
                  Rules.enclosed(
                      "<sentinel:",
                      CodePointSet.of(PreTokenizerSets.DIGITS),
                      Integer.MAX_VALUE,
                      '>')),
              Pass.of(Rules.enclosed("IMGIMG", CodePointSet.of("A-I"), 4, 'Z')),
              Pass.of(
                  Rules.one(CodePointSet.of("\t\n")), Rules.literal("    "), Rules.literal("  ")),
              Pass.of(Rules.upTo(1, NUMBER)),
              Pass.of(Rules.one(CodePointSet.of(PreTokenizerSets.ASCII_PUNCTUATION, PUNCTUATION))),
              gpt2());
      case GPT4O -> List.of(gpt4o(Rules.caseWordWithContraction(), 3));
      case TINY_AYA ->
          List.of(
              DigitPasses.numbersByThree(), gpt4o(Rules.prefixedWithContraction(LETTER | MARK), 3));
      case KIMI_K2 ->
          List.of(
              Pass.of(
                  Rules.han(),
                  Rules.wordWithoutHan(),
                  Rules.upTo(3, NUMBER),
                  Rules.spacedOtherAndBreaks(SPACE | LETTER | NUMBER),
                  Rules.breaks(),
                  Rules.spacesBeforeSpace(),
                  Rules.spaces()));
      case SUPERBPE -> List.of(Pass.of(Rules.run(NUMBER)), DigitPasses.beforeThreeDigits());
      case SEED_CODER ->
          List.of(
              Pass.of(
                  Rules.anyCaseContraction(),
                  Rules.prefixed(LETTER | NUMBER, LETTER),
                  Rules.upTo(1, NUMBER),
                  Rules.spacedOther(SPACE | LETTER | NUMBER),
                  Rules.breaks(),
                  Rules.spacesBeforeSpace(),
                  Rules.spaces()));
      case AFMOE ->
          List.of(
              DigitPasses.numbersByThree(),
              Pass.of(Rules.run(CodePointSet.of(PreTokenizerSets.EAST_ASIAN))),
              deepseekWords());
      case EXAONE_MOE ->
          List.of(
              Pass.of(
                  Rules.anyCaseContraction(),
                  Rules.phrase(),
                  Rules.upTo(1, NUMBER),
                  Rules.spacedOtherAndOneBreakOrSlash(),
                  Rules.breaks(),
                  Rules.spacesBeforeSpace(),
                  Rules.spaces()));
      case GEMMA4 -> List.of(Pass.of(Rules.run(CodePointSet.of("\n"))));
    };
  }

  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  private static Pass gpt2() {
    return Pass.of(
        Rules.contraction(),
        Rules.spaced(LETTER),
        Rules.spaced(NUMBER),
        Rules.spacedOther(SPACE | LETTER | NUMBER),
        Rules.spacesBeforeSpace(),
        Rules.spaces());
  }

  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*`
  /// `|\s*[\r\n]+|\s+(?!\S)|\s+`
  private static Pass llama3(int digits) {
    return Pass.of(
        Rules.anyCaseContraction(),
        Rules.prefixed(LETTER | NUMBER, LETTER),
        Rules.upTo(digits, NUMBER),
        Rules.spacedOtherAndBreaks(SPACE | LETTER | NUMBER),
        Rules.breaks(),
        Rules.spacesBeforeSpace(),
        Rules.spaces());
  }

  /// `word|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
  private static Pass gpt4o(Rule word, int digits) {
    return Pass.of(
        word,
        Rules.upTo(digits, NUMBER),
        Rules.spacedOtherAndBreaksOrSlashes(),
        Rules.breaks(),
        Rules.spacesBeforeSpace(),
        Rules.spaces());
  }

  /// `[punctuation][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+`
  /// `|\s+(?!\S)|\s+`
  private static Pass deepseekWords() {
    return Pass.of(
        Rules.punctuatedAsciiWord(),
        Rules.prefixed(LETTER | PUNCTUATION | SYMBOL, LETTER | MARK),
        Rules.punctuationAndBreaks(),
        Rules.breaks(),
        Rules.spacesBeforeSpace(),
        Rules.spaces());
  }

  /// `[\p{P}symbols]+`
  private static Pass falconPunctuation(String symbols) {
    return Pass.of(Rules.run(CodePointSet.of(symbols, PUNCTUATION)));
  }

  /// `[0-9][0-9][0-9]`
  private static Pass threeDigits() {
    return Pass.of(Rules.exactly(3, CodePointSet.of(PreTokenizerSets.DIGITS)));
  }

  /// ` ?[^(\s|.,!?…。，、।۔،)]+`
  private static Pass bloom() {
    return Pass.of(Rules.spacedRunOutside(CodePointSet.of(PreTokenizerSets.WORD_ENDS)));
  }
}

package ai.realm.tokenizer;

import ai.realm.gguf.GgufMetadata;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.OptionalInt;

/// Byte-level byte-pair encoding: a [PreTokenizer] cuts the text into words, each word begins as its
/// bytes, and neighbours merge in the order of the file's merges. See Sennrich et al. 2016, Radford et
/// al. 2019 (GPT-2), and `llm_tokenizer_bpe_session` in llama.cpp.
///
/// Gemma 4 merges characters instead of bytes, with ▁ for spaces and byte tokens for what is no token.
final class BpeTokenizer extends Tokenizer {
  /// From here on symbols are characters that are no tokens.
  private static final int CHARACTER = 1 << 26;

  private final PreTokenizer pre;
  private final List<Pass> passes;
  private final MergeTable merges;
  private final boolean byteLevel;

  /// Symbol of each byte at byte level, else its byte token or −1.
  private final int[] byteSymbols;

  private BpeTokenizer(Vocabulary vocabulary, PreTokenizer pre, MergeTable merges) {
    super(vocabulary);
    this.pre = pre;
    this.merges = merges;
    passes = pre.passes();
    byteLevel = pre != PreTokenizer.GEMMA4;
    if (byteLevel) {
      byteSymbols = new int[256];
      for (int b = 0; b < 256; b++) {
        byte[] text = ByteAlphabet.text(b);
        byteSymbols[b] = merges.symbol(text, 0, text.length);
      }
    } else {
      byteSymbols = ByteTokens.of(vocabulary, -1);
    }
    merges.seal();
  }

  static BpeTokenizer create(GgufMetadata metadata) {
    boolean gemma4 = metadata.string("tokenizer.ggml.model").equals("gemma4");
    PreTokenizer pre =
        PreTokenizer.named(gemma4 ? "gemma4" : metadata.string("tokenizer.ggml.pre", "default"));
    Vocabulary vocabulary = Vocabulary.of(metadata, VocabularyDefaults.bytePair(pre));
    // Kimi K2 files come without merges where the converter found only ranks.
    boolean none = pre == PreTokenizer.KIMI_K2 && !metadata.contains(MergeTable.KEY);
    MergeTable merges =
        none
            ? MergeTable.empty(vocabulary.texts())
            : MergeTable.of(metadata.array(MergeTable.KEY), vocabulary.texts());
    return new BpeTokenizer(vocabulary, pre, merges);
  }

  /// Gemma 4 files say that they want no begin token, and need one.
  @Override
  OptionalInt firstToken() {
    return byteLevel ? super.firstToken() : vocabulary().bos();
  }

  @Override
  void encodeText(byte[] utf8, int from, int to, boolean afterSpecial, IntList out) {
    byte[] bytes = utf8;
    int start = from;
    int end = to;
    if (!byteLevel) {
      bytes = EscapedSpaces.escape(utf8, from, to, false);
      start = 0;
      end = bytes.length;
    }
    CodePointText text = new CodePointText(bytes, start, end);
    IntList ends = split(passes, text);
    Merger merger = new Merger();
    byte[] name = new byte[64];
    int at = start;
    int character = 0;
    for (int i = 0; i < ends.size(); i++) {
      int wordEnd = at;
      if (text.ascii) {
        wordEnd = start + ends.get(i);
      } else {
        for (; character < ends.get(i); character++) {
          wordEnd += CodePoints.utf8Length(text.codePoint[character]);
        }
      }
      if (byteLevel) {
        if (2 * (wordEnd - at) > name.length && pre.wholeWords()) {
          name = new byte[4 * (wordEnd - at)];
        }
        encodeWord(bytes, at, wordEnd, merger, name, out);
      } else {
        encodeCharacters(bytes, at, wordEnd, merger, out);
      }
      at = wordEnd;
    }
  }

  private final class Merger extends SymbolMerger {
    @Override
    long find(int left, int right, int after) {
      return merges.find(symbol[left], symbol[right]);
    }
  }

  /// Ends of the words, in characters.
  static IntList split(List<Pass> passes, CodePointText text) {
    IntList ends = new IntList();
    passes.getFirst().split(text, 0, text.length, ends);
    for (Pass pass : passes.subList(1, passes.size())) {
      IntList finer = new IntList();
      int from = 0;
      for (int i = 0; i < ends.size(); i++) {
        pass.split(text, from, ends.get(i), finer);
        from = ends.get(i);
      }
      ends = finer;
    }
    return ends;
  }

  private void encodeWord(byte[] bytes, int from, int to, Merger merger, byte[] name, IntList out) {
    if (pre.wholeWords()) {
      int whole = findWord(bytes, from, to, name);
      if (whole >= 0) {
        out.add(whole);
        return;
      }
    }
    int n = to - from;
    merger.ensureCapacity(n);
    int[] symbols = merger.symbol;
    for (int i = 0; i < n; i++) {
      symbols[i] = byteSymbols[bytes[from + i] & 0xff];
    }
    n = merger.merge(n);
    for (int i = 0; i < n; i++) {
      if (symbols[i] < vocabulary().size()) {
        out.add(symbols[i]);
      } else {
        addBytes(merges.extraText(symbols[i]), out);
      }
    }
  }

  private int findWord(byte[] bytes, int from, int to, byte[] name) {
    if (to - from > vocabulary().texts().longest()) {
      return -1;
    }
    int n = 0;
    for (int i = from; i < to; i++) {
      byte[] text = ByteAlphabet.text(bytes[i] & 0xff);
      name[n++] = text[0];
      if (text.length == 2) {
        name[n++] = text[1];
      }
    }
    return vocabulary().texts().find(name, 0, n);
  }

  /// A symbol that is no token leaves those of its characters that are tokens by themselves.
  private void addBytes(byte[] text, IntList out) {
    for (int i = 0; i < text.length; i++) {
      int token = vocabulary().texts().find(text, i, i + 1);
      if (token >= 0) {
        out.add(token);
      }
    }
  }

  private void encodeCharacters(byte[] bytes, int from, int to, Merger merger, IntList out) {
    if (bytes[from] == '\n') {
      int whole = vocabulary().texts().find(bytes, from, to);
      if (whole >= 0) {
        out.add(whole);
        return;
      }
    }
    merger.ensureCapacity(to - from);
    int[] symbols = merger.symbol;
    int n = 0;
    for (int at = from; at < to; n++) {
      int length = SpmTokenizer.characterLength(bytes[at]);
      int token = vocabulary().texts().find(bytes, at, at + length);
      symbols[n] = token >= 0 ? token : CHARACTER + character(bytes, at, length);
      at += length;
    }
    n = merger.merge(n);
    for (int i = 0; i < n; i++) {
      if (symbols[i] < vocabulary().size()) {
        out.add(symbols[i]);
        continue;
      }
      byte[] text =
          symbols[i] < CHARACTER
              ? merges.extraText(symbols[i])
              : Character.toString(symbols[i] - CHARACTER).getBytes(StandardCharsets.UTF_8);
      for (byte b : text) {
        if (byteSymbols[b & 0xff] >= 0) {
          out.add(byteSymbols[b & 0xff]);
        }
      }
    }
  }

  private static int character(byte[] utf8, int at, int length) {
    return new String(utf8, at, length, StandardCharsets.UTF_8).codePointAt(0);
  }

  @Override
  byte[] normalBytes(int token) {
    byte[] text = vocabulary().texts().copy(token);
    if (!byteLevel) {
      return EscapedSpaces.unescape(text);
    }
    byte[] bytes = ByteAlphabet.decode(text);
    return bytes == null ? text : bytes;
  }
}

package ai.realm.tokenizer;

/// The character sets in pre-tokenizers' patterns, as the models' own files give them.
final class PreTokenizerSets {
  static final String DIGITS = "0-9";

  /// DeepSeek LLM: letters that have case.
  static final String CASED =
      "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-"
          + "\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-"
          + "\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-"
          + "\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf"
          + "\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-"
          + "\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4"
          + "\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb"
          + "\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119"
          + "-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145"
          + "-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3"
          + "\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-"
          + "\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\ud801\udc00-"
          + "\ud801\udc4f\ud801\udcb0-\ud801\udcd3\ud801\udcd8-\ud801\udcfb\ud803\udc80-"
          + "\ud803\udcb2\ud803\udcc0-\ud803\udcf2\ud806\udca0-\ud806\udcdf\ud83a\udd00-"
          + "\ud83a\udd43";

  /// DeepSeek LLM: ASCII from `!` but for digits, full-width forms, quotation marks.
  static final String PUNCTUATION = "!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002";

  /// DeepSeek LLM and Coder.
  static final String ASIAN = "\u0800-\u4e00\u4e01-\u9fa5\uac00-\ud7ff";

  /// DeepSeek V3: Chinese characters, Hiragana, Katakana.
  static final String CHINESE_AND_KANA = "\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff";

  /// AFMoE: scripts of East and South-East Asia.
  static final String EAST_ASIAN =
      "\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-"
          + "\uff9f\u2f00-\u2fdf\u0e40-\u0e7f\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f"
          + "\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff";

  /// Youtu: Hangul.
  static final String HANGUL = "\uac00-\ud7a3\u3131-\u318e";

  /// Youtu: Chinese punctuation.
  static final String CHINESE_PUNCTUATION =
      "\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f";

  /// Youtu: Bopomofo.
  static final String BOPOMOFO = "\u3105-\u312f";

  /// Bloom, Poro, Viking: what ends a word, besides white space.
  static final String WORD_ENDS = "!(),.?|\u060c\u06d4\u0964\u2026\u3001\u3002\uff0c";

  /// Falcon: symbols that count as punctuation.
  static final String FALCON_SYMBOLS = "$+<=>^`|~";

  /// The same without the accent.
  static final String DEFAULT_SYMBOLS = "$+<=>^|~";

  /// Chameleon: ASCII punctuation and symbols.
  static final String ASCII_PUNCTUATION = "!-/:-@[-`{-~";

  private PreTokenizerSets() {}
}

package ai.realm.testing.tokenizer;

import ai.realm.gguf.GgufArray;
import ai.realm.gguf.GgufMetadata;
import ai.realm.gguf.GgufValue;
import ai.realm.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// A small vocabulary made in a test, as the metadata of a model file.
final class TestVocabulary {
  static final int NORMAL = 1;
  static final int UNKNOWN = 2;
  static final int CONTROL = 3;
  static final int USER_DEFINED = 4;
  static final int UNUSED = 5;
  static final int BYTE = 6;

  private final Map<String, GgufValue> metadata = new LinkedHashMap<>();
  private final List<String> tokens = new ArrayList<>();
  private final List<Integer> types = new ArrayList<>();
  private final List<Float> scores = new ArrayList<>();

  TestVocabulary(String model) {
    string("tokenizer.ggml.model", model);
  }

  /// The 256 characters of GPT-2's byte alphabet as tokens 0 to 255, in the order of their bytes, and
  /// a token for each merge.
  static TestVocabulary bytePairs(String pre, String... merges) {
    TestVocabulary v = new TestVocabulary("gpt2").string("tokenizer.ggml.pre", pre);
    int others = 0;
    for (int b = 0; b < 256; b++) {
      boolean printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
      v.token(Character.toString(printable ? b : 256 + others), NORMAL);
      others += printable ? 0 : 1;
    }
    for (String merge : merges) {
      v.token(merge.replace(" ", ""), NORMAL);
    }
    return v.array("tokenizer.ggml.merges", GgufArray.ofStrings(List.of(merges)))
        .id("bos", -1)
        .id("eos", -1);
  }

  /// A SentencePiece vocabulary: `<unk>`, `<s>`, `</s>`, the 256 byte tokens, then what is added.
  static TestVocabulary sentencePiece() {
    TestVocabulary v = new TestVocabulary("llama");
    v.token("<unk>", UNKNOWN).token("<s>", CONTROL).token("</s>", CONTROL);
    for (int b = 0; b < 256; b++) {
      v.token("<0x%02X>".formatted(b), BYTE);
    }
    return v;
  }

  TestVocabulary token(String text, int type) {
    return token(text, type, 0);
  }

  TestVocabulary token(String text, int type, float score) {
    tokens.add(text);
    types.add(type);
    scores.add(score);
    return this;
  }

  /// The id of the token that was added last.
  int last() {
    return tokens.size() - 1;
  }

  TestVocabulary string(String key, String value) {
    metadata.put(key, new GgufValue.Str(value));
    return this;
  }

  TestVocabulary bool(String key, boolean value) {
    metadata.put(key, new GgufValue.Bool(value));
    return this;
  }

  /// `tokenizer.ggml.ROLE_token_id`; −1 means none.
  TestVocabulary id(String role, int token) {
    metadata.put("tokenizer.ggml." + role + "_token_id", new GgufValue.U32(token));
    return this;
  }

  TestVocabulary array(String key, GgufArray value) {
    metadata.put(key, new GgufValue.Arr(value));
    return this;
  }

  GgufMetadata metadata() {
    Map<String, GgufValue> all = new LinkedHashMap<>(metadata);
    float[] f = new float[scores.size()];
    for (int i = 0; i < f.length; i++) {
      f[i] = scores.get(i);
    }
    all.putIfAbsent("tokenizer.ggml.tokens", new GgufValue.Arr(GgufArray.ofStrings(tokens)));
    all.putIfAbsent(
        "tokenizer.ggml.token_type",
        new GgufValue.Arr(GgufArray.ofInts(types.stream().mapToInt(Integer::intValue).toArray())));
    all.putIfAbsent("tokenizer.ggml.scores", new GgufValue.Arr(GgufArray.ofFloats(f)));
    return GgufMetadata.of(all);
  }

  Tokenizer tokenizer() {
    return Tokenizer.of(metadata());
  }
}

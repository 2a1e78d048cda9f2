package ai.realm.guest;

import org.teavm.interop.Import;

/// The host functions that the default guest uses; `docs/guest-abi.md` describes them. Addresses are
/// offsets in the guest's linear memory.
final class Host {
  static final int ADD_SPECIAL = 1;
  static final int PARSE_SPECIAL = 2;

  static final int EMIT = 2;
  static final int NONE = 4;
  static final int NO_END = 16;
  static final int ENDS_GENERATION = 1;

  /// Of a matcher's status: nothing but the end can follow.
  static final int FINISHED = 2;

  // Kinds of grammars.
  static final int GBNF = 0;
  static final int JSON_SCHEMA = 1;
  static final int REGEX = 2;
  static final int JSON = 3;

  static final int EINVAL = -22;
  static final int EMSGSIZE = -90;

  private Host() {}

  @Import(module = "realm_host", name = "arg_read")
  static native int readArgument(int index, int to, int capacity);

  @Import(module = "realm_host", name = "emit_token")
  static native int emitToken(int token);

  @Import(module = "realm_host", name = "emit_text")
  static native int emitText(int text, int length);

  @Import(module = "realm_host", name = "emit_event")
  static native int emitEvent(int kind, int data, int length);

  @Import(module = "realm_host", name = "model_open")
  static native int openModel(int name, int length);

  @Import(module = "realm_host", name = "model_close")
  static native int closeModel(int model);

  @Import(module = "realm_host", name = "model_info")
  static native int modelInfo(int model, int to, int capacity);

  @Import(module = "realm_host", name = "tokenize")
  static native int tokenize(int model, int text, int length, int flags, int to, int capacity);

  @Import(module = "realm_host", name = "kv_text")
  static native int sequenceText(int sequence, int token, int to, int capacity);

  @Import(module = "realm_host", name = "chat_template")
  static native int chatTemplate(int model, int messages, int length, int to, int capacity);

  @Import(module = "realm_host", name = "kv_new")
  static native int newSequence(int model);

  @Import(module = "realm_host", name = "kv_len")
  static native int sequenceLength(int sequence);

  @Import(module = "realm_host", name = "kv_save")
  static native int saveSequence(int sequence, int name, int length);

  @Import(module = "realm_host", name = "kv_open")
  static native int openSequence(int model, int name, int length);

  @Import(module = "realm_host", name = "kv_free")
  static native int freeSequence(int sequence);

  @Import(module = "realm_host", name = "grammar_compile")
  static native int compileGrammar(int kind, int source, int length);

  @Import(module = "realm_host", name = "grammar_free")
  static native int freeGrammar(int grammar);

  @Import(module = "realm_host", name = "matcher_new")
  static native int newMatcher(int grammar, int model);

  @Import(module = "realm_host", name = "matcher_accept")
  static native int acceptToken(int matcher, int token);

  @Import(module = "realm_host", name = "matcher_status")
  static native int matcherStatus(int matcher);

  @Import(module = "realm_host", name = "matcher_forced_tokens")
  static native int forcedTokens(int matcher, int to, int capacity);

  @Import(module = "realm_host", name = "matcher_free")
  static native int freeMatcher(int matcher);

  @Import(module = "realm_host", name = "sampler_new")
  static native int newSampler(int model, int json, int length);

  @Import(module = "realm_host", name = "sampler_free")
  static native int freeSampler(int sampler);

  @Import(module = "realm_host", name = "step")
  static native int step(int requests, int count);

  @Import(module = "realm_host", name = "embed")
  static native int embed(
      int modelOrSequence, int tokens, int count, int pooling, int to, int capacity);
}

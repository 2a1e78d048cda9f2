package ai.realm.guest;

import org.teavm.interop.Import;

/// The `realm_host` ABI, version 1, as it is, for guests in Java; `docs/guest-abi.md` describes it.
/// Addresses are offsets in the guest's linear memory ([Arena]), negative results are error numbers.
/// `ai.realm.guest.sdk` has classes on top of it. A guest imports only what it calls.
public final class Host {
  public static final int ABI_VERSION = 1;

  public static final int ENOENT = -2;
  public static final int EBADF = -9;
  public static final int EAGAIN = -11;
  public static final int EBUSY = -16;
  public static final int EINVAL = -22;
  public static final int EMSGSIZE = -90;
  public static final int EDQUOT = -122;
  public static final int ECANCELED = -125;

  // tokenize
  public static final int ADD_SPECIAL = 1;
  public static final int PARSE_SPECIAL = 2;

  // token_flags
  public static final int TOKEN_CONTROL = 1;
  public static final int TOKEN_ENDS_GENERATION = 2;

  // budget_left
  public static final int BUDGET_MILLIS = 0;
  public static final int BUDGET_NEW_TOKENS = 1;
  public static final int BUDGET_MEMORY = 2;

  // Kinds of grammars.
  public static final int GBNF = 0;
  public static final int JSON_SCHEMA = 1;
  public static final int REGEX = 2;
  public static final int JSON = 3;

  // matcher_status
  public static final int MATCHER_COMPLETE = 1;
  public static final int MATCHER_FINISHED = 2;

  // Flags of a request.
  public static final int ALL = 1;
  public static final int EMIT = 2;
  public static final int NONE = 4;
  public static final int LOGITS = 8;
  public static final int NO_END = 16;

  // embed
  public static final int EMBED_MODEL = 0;
  public static final int EMBED_MEAN = 1;
  public static final int EMBED_CLS = 2;
  public static final int EMBED_LAST = 3;

  // Status of a request.
  public static final int ENDS_GENERATION = 1;

  private Host() {}

  // ---- input and output -------------------------------------------------------------------------

  @Import(module = "realm_host", name = "abi_version")
  public static native int abiVersion();

  @Import(module = "realm_host", name = "arg_read")
  public static native int readArgument(int index, int to, int capacity);

  @Import(module = "realm_host", name = "emit_token")
  public static native int emitToken(int token);

  @Import(module = "realm_host", name = "emit_text")
  public static native int emitText(int text, int length);

  @Import(module = "realm_host", name = "emit_event")
  public static native int emitEvent(int kind, int data, int length);

  @Import(module = "realm_host", name = "log")
  public static native int log(int level, int line, int length);

  @Import(module = "realm_host", name = "now_ms")
  public static native int nowMillis();

  @Import(module = "realm_host", name = "random")
  public static native int random(int to, int length);

  @Import(module = "realm_host", name = "budget_left")
  public static native int budgetLeft(int what);

  @Import(module = "realm_host", name = "kvs_get")
  public static native int getValue(int key, int keyLength, int to, int capacity);

  @Import(module = "realm_host", name = "kvs_put")
  public static native int putValue(int key, int keyLength, int value, int length);

  @Import(module = "realm_host", name = "tool_call")
  public static native int callTool(int name, int nameLength, int text, int length);

  @Import(module = "realm_host", name = "blob_read")
  public static native int readBlob(int blob, int offset, int to, int capacity);

  @Import(module = "realm_host", name = "blob_free")
  public static native int freeBlob(int blob);

  // ---- model ------------------------------------------------------------------------------------

  @Import(module = "realm_host", name = "model_open")
  public static native int openModel(int name, int length);

  @Import(module = "realm_host", name = "model_close")
  public static native int closeModel(int model);

  @Import(module = "realm_host", name = "model_info")
  public static native int modelInfo(int model, int to, int capacity);

  @Import(module = "realm_host", name = "tokenize")
  public static native int tokenize(
      int model, int text, int length, int flags, int to, int capacity);

  @Import(module = "realm_host", name = "detokenize")
  public static native int detokenize(int model, int ids, int count, int to, int capacity);

  @Import(module = "realm_host", name = "token_bytes")
  public static native int tokenBytes(int model, int token, int to, int capacity);

  @Import(module = "realm_host", name = "token_flags")
  public static native int tokenFlags(int model, int token);

  @Import(module = "realm_host", name = "chat_template")
  public static native int chatTemplate(int model, int messages, int length, int to, int capacity);

  // ---- sequences --------------------------------------------------------------------------------

  @Import(module = "realm_host", name = "kv_new")
  public static native int newSequence(int model);

  @Import(module = "realm_host", name = "kv_fork")
  public static native int forkSequence(int sequence);

  @Import(module = "realm_host", name = "kv_len")
  public static native int sequenceLength(int sequence);

  @Import(module = "realm_host", name = "kv_truncate")
  public static native int truncateSequence(int sequence, int length);

  @Import(module = "realm_host", name = "kv_text")
  public static native int sequenceText(int sequence, int token, int to, int capacity);

  @Import(module = "realm_host", name = "kv_free")
  public static native int freeSequence(int sequence);

  @Import(module = "realm_host", name = "kv_save")
  public static native int saveSequence(int sequence, int name, int length);

  @Import(module = "realm_host", name = "kv_open")
  public static native int openSequence(int model, int name, int length);

  // ---- constraints and samplers -----------------------------------------------------------------

  @Import(module = "realm_host", name = "grammar_compile")
  public static native int compileGrammar(int kind, int source, int length);

  @Import(module = "realm_host", name = "grammar_free")
  public static native int freeGrammar(int grammar);

  @Import(module = "realm_host", name = "matcher_new")
  public static native int newMatcher(int grammar, int model);

  @Import(module = "realm_host", name = "matcher_fork")
  public static native int forkMatcher(int matcher);

  @Import(module = "realm_host", name = "matcher_accept")
  public static native int acceptToken(int matcher, int token);

  @Import(module = "realm_host", name = "matcher_status")
  public static native int matcherStatus(int matcher);

  @Import(module = "realm_host", name = "matcher_forced")
  public static native int forcedText(int matcher, int to, int capacity);

  @Import(module = "realm_host", name = "matcher_mask")
  public static native int matcherMask(int matcher, int to, int capacityWords);

  @Import(module = "realm_host", name = "matcher_forced_tokens")
  public static native int forcedTokens(int matcher, int to, int capacity);

  @Import(module = "realm_host", name = "matcher_free")
  public static native int freeMatcher(int matcher);

  @Import(module = "realm_host", name = "sampler_new")
  public static native int newSampler(int model, int json, int length);

  @Import(module = "realm_host", name = "sampler_free")
  public static native int freeSampler(int sampler);

  // ---- compute ----------------------------------------------------------------------------------

  @Import(module = "realm_host", name = "step")
  public static native int step(int requests, int count);

  @Import(module = "realm_host", name = "step_submit")
  public static native int submitStep(int requests, int count);

  @Import(module = "realm_host", name = "step_wait")
  public static native int awaitStep(int ticket, int timeoutMillis);

  @Import(module = "realm_host", name = "logits_read")
  public static native int readLogits(int sequence, int output, int to, int capacity);

  @Import(module = "realm_host", name = "embed")
  public static native int embed(
      int modelOrSequence, int tokens, int count, int pooling, int to, int capacity);

  // ---- low level: f32 matrices in linear memory, lengths in elements; layers in host memory
  // -------

  @Import(module = "realm_host", name = "candle_matmul")
  public static native int multiply(
      int a, int aLength, int b, int bLength, int m, int k, int n, int result);

  @Import(module = "realm_host", name = "candle_matmul_transposed")
  public static native int multiplyTransposed(
      int a, int aLength, int b, int bLength, int m, int k, int n, int result);

  @Import(module = "realm_host", name = "memory64_store_layer")
  public static native int storeLayer(int model, int modelLength, int layer, int data, int length);

  @Import(module = "realm_host", name = "memory64_load_layer")
  public static native int loadLayer(int model, int modelLength, int layer, int to, int capacity);

  @Import(module = "realm_host", name = "memory64_get_cache_stats")
  public static native int layerStats(int to, int length);
}

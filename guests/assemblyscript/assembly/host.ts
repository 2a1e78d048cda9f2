// The realm_host ABI, version 1, as it is; docs/guest-abi.md describes it. Pointers are offsets in the guest's
// memory, negative results are error numbers. index.ts has classes on top of it.

export const ABI_VERSION: i32 = 1;

export const ENOENT: i32 = -2;
export const EBADF: i32 = -9;
export const EAGAIN: i32 = -11;
export const EBUSY: i32 = -16;
export const EINVAL: i32 = -22;
export const EMSGSIZE: i32 = -90;
export const EDQUOT: i32 = -122;
export const ECANCELED: i32 = -125;

// tokenize
export const ADD_SPECIAL: i32 = 1;
export const PARSE_SPECIAL: i32 = 2;

// token_flags
export const TOKEN_CONTROL: i32 = 1;
export const TOKEN_ENDS_GENERATION: i32 = 2;

// budget_left
export const BUDGET_MILLIS: i32 = 0;
export const BUDGET_NEW_TOKENS: i32 = 1;
export const BUDGET_MEMORY: i32 = 2;

// grammar_compile
export const GBNF: i32 = 0;
export const JSON_SCHEMA: i32 = 1;
export const REGEX: i32 = 2;
export const JSON: i32 = 3;

// matcher_status
export const MATCHER_COMPLETE: i32 = 1;
export const MATCHER_FINISHED: i32 = 2;

// Flags of a request
export const STEP_ALL: i32 = 1;
export const STEP_EMIT: i32 = 2;
export const STEP_NONE: i32 = 4;
export const STEP_LOGITS: i32 = 8;
export const STEP_NO_END: i32 = 16;

// embed
export const EMBED_MODEL: i32 = 0;
export const EMBED_MEAN: i32 = 1;
export const EMBED_CLS: i32 = 2;
export const EMBED_LAST: i32 = 3;

// Status of a request
export const STATUS_ENDS_GENERATION: i32 = 1;

@external("realm_host", "abi_version")
export declare function abi_version(): i32;
@external("realm_host", "arg_read")
export declare function arg_read(index: i32, to: usize, cap: i32): i32;
@external("realm_host", "emit_token")
export declare function emit_token(token: i32): i32;
@external("realm_host", "emit_text")
export declare function emit_text(text: usize, length: i32): i32;
@external("realm_host", "emit_event")
export declare function emit_event(kind: i32, data: usize, length: i32): i32;
@external("realm_host", "log")
export declare function log(level: i32, line: usize, length: i32): i32;
@external("realm_host", "now_ms")
export declare function now_ms(): i32;
@external("realm_host", "random")
export declare function random(to: usize, length: i32): i32;
@external("realm_host", "budget_left")
export declare function budget_left(what: i32): i32;
@external("realm_host", "kvs_get")
export declare function kvs_get(key: usize, keyLength: i32, to: usize, cap: i32): i32;
@external("realm_host", "kvs_put")
export declare function kvs_put(key: usize, keyLength: i32, value: usize, length: i32): i32;
@external("realm_host", "tool_call")
export declare function tool_call(name: usize, nameLength: i32, text: usize, length: i32): i32;
@external("realm_host", "blob_read")
export declare function blob_read(blob: i32, offset: i32, to: usize, cap: i32): i32;
@external("realm_host", "blob_free")
export declare function blob_free(blob: i32): i32;

@external("realm_host", "model_open")
export declare function model_open(name: usize, length: i32): i32;
@external("realm_host", "model_close")
export declare function model_close(model: i32): i32;
@external("realm_host", "model_info")
export declare function model_info(model: i32, to: usize, cap: i32): i32;
@external("realm_host", "tokenize")
export declare function tokenize(model: i32, text: usize, length: i32, flags: i32, to: usize, cap: i32): i32;
@external("realm_host", "detokenize")
export declare function detokenize(model: i32, ids: usize, n: i32, to: usize, cap: i32): i32;
@external("realm_host", "token_bytes")
export declare function token_bytes(model: i32, token: i32, to: usize, cap: i32): i32;
@external("realm_host", "token_flags")
export declare function token_flags(model: i32, token: i32): i32;
@external("realm_host", "chat_template")
export declare function chat_template(model: i32, json: usize, length: i32, to: usize, cap: i32): i32;

@external("realm_host", "kv_new")
export declare function kv_new(model: i32): i32;
@external("realm_host", "kv_fork")
export declare function kv_fork(kv: i32): i32;
@external("realm_host", "kv_len")
export declare function kv_len(kv: i32): i32;
@external("realm_host", "kv_truncate")
export declare function kv_truncate(kv: i32, length: i32): i32;
@external("realm_host", "kv_text")
export declare function kv_text(kv: i32, token: i32, to: usize, cap: i32): i32;
@external("realm_host", "kv_free")
export declare function kv_free(kv: i32): i32;
@external("realm_host", "kv_save")
export declare function kv_save(kv: i32, name: usize, length: i32): i32;
@external("realm_host", "kv_open")
export declare function kv_open(model: i32, name: usize, length: i32): i32;

@external("realm_host", "grammar_compile")
export declare function grammar_compile(kind: i32, source: usize, length: i32): i32;
@external("realm_host", "grammar_free")
export declare function grammar_free(grammar: i32): i32;
@external("realm_host", "matcher_new")
export declare function matcher_new(grammar: i32, model: i32): i32;
@external("realm_host", "matcher_fork")
export declare function matcher_fork(matcher: i32): i32;
@external("realm_host", "matcher_accept")
export declare function matcher_accept(matcher: i32, token: i32): i32;
@external("realm_host", "matcher_status")
export declare function matcher_status(matcher: i32): i32;
@external("realm_host", "matcher_forced")
export declare function matcher_forced(matcher: i32, to: usize, cap: i32): i32;
@external("realm_host", "matcher_forced_tokens")
export declare function matcher_forced_tokens(matcher: i32, to: usize, cap: i32): i32;
@external("realm_host", "matcher_mask")
export declare function matcher_mask(matcher: i32, to: usize, cap: i32): i32;
@external("realm_host", "matcher_free")
export declare function matcher_free(matcher: i32): i32;
@external("realm_host", "sampler_new")
export declare function sampler_new(model: i32, json: usize, length: i32): i32;
@external("realm_host", "sampler_free")
export declare function sampler_free(sampler: i32): i32;

@external("realm_host", "step")
export declare function step(requests: usize, n: i32): i32;
@external("realm_host", "step_submit")
export declare function step_submit(requests: usize, n: i32): i32;
@external("realm_host", "step_wait")
export declare function step_wait(ticket: i32, timeoutMillis: i32): i32;
@external("realm_host", "logits_read")
export declare function logits_read(kv: i32, output: i32, to: usize, cap: i32): i32;
@external("realm_host", "embed")
export declare function embed(modelOrKv: i32, tokens: usize, n: i32, flags: i32, to: usize, cap: i32): i32;

@external("realm_host", "candle_matmul")
export declare function candle_matmul(
  a: usize, aLength: i32, b: usize, bLength: i32, m: i32, k: i32, n: i32, result: usize): i32;
@external("realm_host", "candle_matmul_transposed")
export declare function candle_matmul_transposed(
  a: usize, aLength: i32, b: usize, bLength: i32, m: i32, k: i32, n: i32, result: usize): i32;
@external("realm_host", "memory64_store_layer")
export declare function memory64_store_layer(
  model: usize, modelLength: i32, layer: i32, data: usize, length: i32): i32;
@external("realm_host", "memory64_load_layer")
export declare function memory64_load_layer(
  model: usize, modelLength: i32, layer: i32, to: usize, cap: i32): i32;
@external("realm_host", "memory64_get_cache_stats")
export declare function memory64_get_cache_stats(to: usize, length: i32): i32;

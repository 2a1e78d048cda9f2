//! The `realm_host` ABI, version 1, as it is; `docs/guest-abi.md` describes it. Pointers are offsets in the
//! guest's memory, negative results are error numbers. The crate's root has types on top of it.
#![allow(clippy::missing_safety_doc)]

pub const ABI_VERSION: i32 = 1;

pub const ENOENT: i32 = -2;
pub const EBADF: i32 = -9;
pub const EAGAIN: i32 = -11;
pub const EBUSY: i32 = -16;
pub const EINVAL: i32 = -22;
pub const EMSGSIZE: i32 = -90;
pub const EDQUOT: i32 = -122;
pub const ECANCELED: i32 = -125;

// tokenize
pub const ADD_SPECIAL: i32 = 1;
pub const PARSE_SPECIAL: i32 = 2;

// token_flags
pub const TOKEN_CONTROL: i32 = 1;
pub const TOKEN_ENDS_GENERATION: i32 = 2;

// budget_left
pub const BUDGET_MILLIS: i32 = 0;
pub const BUDGET_NEW_TOKENS: i32 = 1;
pub const BUDGET_MEMORY: i32 = 2;

// grammar_compile
pub const GBNF: i32 = 0;
pub const JSON_SCHEMA: i32 = 1;
pub const REGEX: i32 = 2;
pub const JSON: i32 = 3;

// matcher_status
pub const MATCHER_COMPLETE: i32 = 1;
pub const MATCHER_FINISHED: i32 = 2;

// Flags of a request
pub const STEP_ALL: i32 = 1;
pub const STEP_EMIT: i32 = 2;
pub const STEP_NONE: i32 = 4;
pub const STEP_LOGITS: i32 = 8;
pub const STEP_NO_END: i32 = 16;

// embed
pub const EMBED_MODEL: i32 = 0;
pub const EMBED_MEAN: i32 = 1;
pub const EMBED_CLS: i32 = 2;
pub const EMBED_LAST: i32 = 3;

// Status of a request
pub const STATUS_ENDS_GENERATION: i32 = 1;

/// One request of a step.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Step {
    pub kv: i32,
    pub tokens: *const i32,
    pub n: i32,
    pub out: *mut i32,
    pub logprob: *mut f32,
    pub flags: i32,
    pub mask: *const u32,
    pub matcher: i32,
    pub temperature: f32,
    pub top_k: i32,
    pub top_p: f32,
    pub seed: i32,
    pub min_p: f32,
    pub repeat_penalty: f32,
    pub status: i32,
    pub sampler: i32,
}

#[link(wasm_import_module = "realm_host")]
extern "C" {
    pub fn abi_version() -> i32;
    pub fn arg_read(index: i32, to: *mut u8, cap: i32) -> i32;
    pub fn emit_token(token: i32) -> i32;
    pub fn emit_text(text: *const u8, len: i32) -> i32;
    pub fn emit_event(kind: i32, data: *const u8, len: i32) -> i32;
    pub fn log(level: i32, line: *const u8, len: i32) -> i32;
    pub fn now_ms() -> i32;
    pub fn random(to: *mut u8, len: i32) -> i32;
    pub fn budget_left(what: i32) -> i32;
    pub fn kvs_get(key: *const u8, key_len: i32, to: *mut u8, cap: i32) -> i32;
    pub fn kvs_put(key: *const u8, key_len: i32, value: *const u8, len: i32) -> i32;
    pub fn tool_call(name: *const u8, name_len: i32, text: *const u8, len: i32) -> i32;
    pub fn blob_read(blob: i32, offset: i32, to: *mut u8, cap: i32) -> i32;
    pub fn blob_free(blob: i32) -> i32;
    pub fn model_open(name: *const u8, len: i32) -> i32;
    pub fn model_close(model: i32) -> i32;
    pub fn model_info(model: i32, to: *mut i32, cap: i32) -> i32;
    pub fn tokenize(
        model: i32,
        text: *const u8,
        len: i32,
        flags: i32,
        to: *mut i32,
        cap: i32,
    ) -> i32;
    pub fn detokenize(model: i32, ids: *const i32, n: i32, to: *mut u8, cap: i32) -> i32;
    pub fn token_bytes(model: i32, token: i32, to: *mut u8, cap: i32) -> i32;
    pub fn token_flags(model: i32, token: i32) -> i32;
    pub fn chat_template(model: i32, json: *const u8, len: i32, to: *mut u8, cap: i32) -> i32;
    pub fn kv_new(model: i32) -> i32;
    pub fn kv_fork(kv: i32) -> i32;
    pub fn kv_len(kv: i32) -> i32;
    pub fn kv_truncate(kv: i32, len: i32) -> i32;
    pub fn kv_text(kv: i32, token: i32, to: *mut u8, cap: i32) -> i32;
    pub fn kv_free(kv: i32) -> i32;
    pub fn kv_save(kv: i32, name: *const u8, len: i32) -> i32;
    pub fn kv_open(model: i32, name: *const u8, len: i32) -> i32;
    pub fn grammar_compile(kind: i32, source: *const u8, len: i32) -> i32;
    pub fn grammar_free(grammar: i32) -> i32;
    pub fn matcher_new(grammar: i32, model: i32) -> i32;
    pub fn matcher_fork(matcher: i32) -> i32;
    pub fn matcher_accept(matcher: i32, token: i32) -> i32;
    pub fn matcher_status(matcher: i32) -> i32;
    pub fn matcher_forced(matcher: i32, to: *mut u8, cap: i32) -> i32;
    pub fn matcher_forced_tokens(matcher: i32, to: *mut i32, cap: i32) -> i32;
    pub fn matcher_mask(matcher: i32, to: *mut u32, cap: i32) -> i32;
    pub fn matcher_free(matcher: i32) -> i32;
    pub fn sampler_new(model: i32, json: *const u8, len: i32) -> i32;
    pub fn sampler_free(sampler: i32) -> i32;
    pub fn step(requests: *mut Step, n: i32) -> i32;
    pub fn step_submit(requests: *mut Step, n: i32) -> i32;
    pub fn step_wait(ticket: i32, timeout_ms: i32) -> i32;
    pub fn logits_read(kv: i32, output: i32, to: *mut f32, cap: i32) -> i32;
    pub fn embed(
        model_or_kv: i32,
        tokens: *const i32,
        n: i32,
        flags: i32,
        to: *mut f32,
        cap: i32,
    ) -> i32;
    pub fn candle_matmul(
        a: *const f32,
        a_len: i32,
        b: *const f32,
        b_len: i32,
        m: i32,
        k: i32,
        n: i32,
        result: *mut f32,
    ) -> i32;
    pub fn candle_matmul_transposed(
        a: *const f32,
        a_len: i32,
        b: *const f32,
        b_len: i32,
        m: i32,
        k: i32,
        n: i32,
        result: *mut f32,
    ) -> i32;
    pub fn memory64_store_layer(
        model: *const u8,
        model_len: i32,
        layer: i32,
        data: *const u8,
        len: i32,
    ) -> i32;
    pub fn memory64_load_layer(
        model: *const u8,
        model_len: i32,
        layer: i32,
        to: *mut u8,
        cap: i32,
    ) -> i32;
    pub fn memory64_get_cache_stats(to: *mut u8, len: i32) -> i32;
}

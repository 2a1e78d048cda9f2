//! Guests for Realm in Rust: models, sequences, steps, the call's arguments and output.
//!
//! ```ignore
//! use realm_guest::*;
//!
//! guest!(generate);
//!
//! fn generate(model: Model, prompt: &str, config: &Config) -> Result<Ended> {
//!     let sequence = model.sequence()?;
//!     let mut tokens = model.chat(&[("user", prompt)])?;
//!     for _ in 0..config.integer("max_tokens", 64) {
//!         let sampled = step(&[Row::new(&sequence, &tokens)])?;
//!         if sampled[0].ended {
//!             return Ok(Ended::Stopped);
//!         }
//!         emit(&sequence.text(sampled[0].token())?)?;
//!         tokens = sampled[0].tokens.clone();
//!     }
//!     Ok(Ended::Length)
//! }
//! ```
//! What the host refuses is an [`Error`]; `?` hands it to the caller, and what is dropped is freed.

mod config;
mod constraint;
pub mod host;
pub mod low_level;
mod sequence;
mod step;

pub use config::Config;
pub use constraint::{Grammar, Matcher, Sampler};
pub use sequence::Sequence;
pub use step::{step, submit, Constraint, Row, Sampled, Sampling, Ticket};

/// A negative result of a host function; the numbers are in [`host`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error(pub i32);

pub type Result<T> = core::result::Result<T, Error>;

/// Why a generation ended, as the default guest says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The model ended it.
    Stopped = 0,
    /// It reached its length.
    Length = 1,
}

/// A host function's result as one of Rust.
pub fn check(result: i32) -> Result<i32> {
    if result < 0 {
        Err(Error(result))
    } else {
        Ok(result)
    }
}

/// Exports `load_model`, `unload_model` and, over a function `fn(Model, &str, &Config) -> Result<Ended>`,
/// `generate(model, prompt, config)`.
#[macro_export]
macro_rules! guest {
    ($generate:path) => {
        #[export_name = "load_model"]
        pub extern "C" fn realm_load_model() -> i32 {
            $crate::load_model()
        }

        #[export_name = "unload_model"]
        pub extern "C" fn realm_unload_model(model: i32) -> i32 {
            $crate::Model::from_handle(model).close()
        }

        #[export_name = "generate"]
        pub extern "C" fn realm_generate(model: i32) -> i32 {
            match $crate::generate(model, $generate) {
                Ok(ended) => ended as i32,
                Err(error) => error.0,
            }
        }
    };
}

/// What `guest!` exports as `load_model`. A host of another version of the ABI is refused.
pub fn load_model() -> i32 {
    let version = abi_version();
    if version != host::ABI_VERSION {
        log(0, &format!("guest: expected version 1 of realm_host, found {}", version));
        return host::EINVAL;
    }
    match argument(0).and_then(|name| Model::open(&name)) {
        Ok(model) => model.handle(),
        Err(error) => error.0,
    }
}

/// What `guest!` exports as `generate`.
pub fn generate(
    model: i32,
    body: fn(Model, &str, &Config) -> Result<Ended>,
) -> Result<Ended> {
    let prompt = argument(1)?;
    let config = Config::new(argument(2)?);
    body(Model::from_handle(model), &prompt, &config)
}

// ---- the call ----------------------------------------------------------------------------------

/// Reads what a host function writes, asking again where the first guess was too small.
fn read(guess: usize, from_host: impl Fn(*mut u8, i32) -> i32) -> Result<Vec<u8>> {
    let mut bytes = vec![0u8; guess];
    let size = check(from_host(bytes.as_mut_ptr(), guess as i32))? as usize;
    if size > guess {
        bytes.resize(size, 0);
        check(from_host(bytes.as_mut_ptr(), size as i32))?;
    }
    bytes.truncate(size);
    Ok(bytes)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

fn pointer(text: &str) -> *const u8 {
    text.as_ptr()
}

/// The version of the ABI that the host has.
pub fn abi_version() -> i32 {
    unsafe { host::abi_version() }
}

/// An argument of the call, by its index among all of them.
pub fn argument(index: i32) -> Result<String> {
    read(4096, |to, cap| unsafe { host::arg_read(index, to, cap) }).map(text)
}

/// Sends text to the caller.
pub fn emit(text: &str) -> Result<()> {
    check(unsafe { host::emit_text(pointer(text), text.len() as i32) }).map(drop)
}

/// Tells the caller the id of a token; its text is emitted apart.
pub fn emit_token(token: i32) -> Result<()> {
    check(unsafe { host::emit_token(token) }).map(drop)
}

/// Sends something that guest and caller agreed on.
pub fn emit_event(kind: i32, data: &[u8]) -> Result<()> {
    check(unsafe { host::emit_event(kind, data.as_ptr(), data.len() as i32) }).map(drop)
}

/// A line for the operator: level 0 error, 1 warning, 2 information. What is too much is dropped.
pub fn log(level: i32, line: &str) {
    unsafe { host::log(level, pointer(line), line.len() as i32) };
}

/// Milliseconds since the call began.
pub fn now_ms() -> i32 {
    unsafe { host::now_ms() }
}

/// Fills a slice with random bytes, at most 64 KiB.
pub fn random(to: &mut [u8]) -> Result<()> {
    check(unsafe { host::random(to.as_mut_ptr(), to.len() as i32) }).map(drop)
}

/// What is left, of one of the `BUDGET_` kinds.
pub fn budget_left(what: i32) -> Result<i32> {
    check(unsafe { host::budget_left(what) })
}

/// Asks a function of the embedding program.
pub fn call_tool(name: &str, question: &str) -> Result<String> {
    let blob = check(unsafe {
        host::tool_call(
            pointer(name),
            name.len() as i32,
            pointer(question),
            question.len() as i32,
        )
    })?;
    let answer = read(1024, |to, cap| unsafe { host::blob_read(blob, 0, to, cap) });
    unsafe { host::blob_free(blob) };
    answer.map(text)
}

/// What the realm keeps under a key between calls, if anything.
pub fn load(key: &str) -> Result<Option<Vec<u8>>> {
    let value = read(1024, |to, cap| unsafe {
        host::kvs_get(pointer(key), key.len() as i32, to, cap)
    });
    match value {
        Err(Error(host::ENOENT)) => Ok(None),
        other => other.map(Some),
    }
}

/// Keeps a value under a key; an empty one removes the key.
pub fn store(key: &str, value: &[u8]) -> Result<()> {
    check(unsafe {
        host::kvs_put(
            pointer(key),
            key.len() as i32,
            value.as_ptr(),
            value.len() as i32,
        )
    })
    .map(drop)
}

/// Forgets the sequence that [`Sequence::save`] kept under a name.
pub fn forget(name: &str) -> Result<()> {
    check(unsafe { host::kv_save(0, pointer(name), name.len() as i32) }).map(drop)
}

// ---- models ------------------------------------------------------------------------------------

/// A model that the realm may use. It stays open until [`Model::close`]: its handle is the caller's.
#[derive(Clone, Copy, Debug)]
pub struct Model(i32);

impl Model {
    pub fn open(name: &str) -> Result<Model> {
        check(unsafe { host::model_open(pointer(name), name.len() as i32) }).map(Model)
    }

    pub fn from_handle(handle: i32) -> Model {
        Model(handle)
    }

    pub fn handle(&self) -> i32 {
        self.0
    }

    pub fn close(self) -> i32 {
        unsafe { host::model_close(self.0) }
    }

    fn info(&self) -> Result<[i32; 4]> {
        let mut info = [0; 4];
        check(unsafe { host::model_info(self.0, info.as_mut_ptr(), 16) })?;
        Ok(info)
    }

    /// Tokens that the model knows.
    pub fn vocabulary(&self) -> Result<usize> {
        Ok(self.info()?[0] as usize)
    }

    /// The most tokens of a sequence.
    pub fn context(&self) -> Result<usize> {
        Ok(self.info()?[1] as usize)
    }

    /// The token that begins a text, if the model has one.
    pub fn begin_token(&self) -> Result<Option<i32>> {
        Ok(Some(self.info()?[2]).filter(|&token| token >= 0))
    }

    /// The token that ends a text, if the model has one.
    pub fn end_token(&self) -> Result<Option<i32>> {
        Ok(Some(self.info()?[3]).filter(|&token| token >= 0))
    }

    /// The embedding of a text's tokens, of length 1; pooling is one of `EMBED_MODEL`, `EMBED_MEAN`,
    /// `EMBED_CLS`, `EMBED_LAST`.
    pub fn embed(&self, tokens: &[i32], pooling: i32) -> Result<Vec<f32>> {
        embed(self.0, tokens, pooling)
    }

    /// A sequence that goes on as the one that was saved under a name.
    pub fn open_saved(&self, name: &str) -> Result<Sequence> {
        check(unsafe { host::kv_open(self.0, pointer(name), name.len() as i32) }).map(Sequence)
    }

    /// Token ids of a text; flags are `ADD_SPECIAL` and `PARSE_SPECIAL`.
    pub fn tokenize(&self, text: &str, flags: i32) -> Result<Vec<i32>> {
        // A token has at least one byte, and two may stand before the text.
        let mut ids = vec![0; text.len() + 2];
        let n = check(unsafe {
            host::tokenize(
                self.0,
                pointer(text),
                text.len() as i32,
                flags,
                ids.as_mut_ptr(),
                ids.len() as i32,
            )
        })?;
        ids.truncate(n as usize);
        Ok(ids)
    }

    /// Token ids of a text within an answer. Some vocabularies put a space before every text: one that the
    /// text begins with is not doubled.
    pub fn continuation(&self, text: &str) -> Result<Vec<i32>> {
        let ids = self.tokenize(text, 0)?;
        if let Some(rest) = text.strip_prefix(' ') {
            let mut begin = Vec::new();
            for &id in ids.iter().take(2) {
                begin.extend(self.token_bytes(id)?);
            }
            if begin.starts_with(b"  ") {
                return self.tokenize(rest, 0);
            }
        }
        Ok(ids)
    }

    /// The text of tokens.
    pub fn detokenize(&self, ids: &[i32]) -> Result<String> {
        read(8 * ids.len(), |to, cap| unsafe {
            host::detokenize(self.0, ids.as_ptr(), ids.len() as i32, to, cap)
        })
        .map(text)
    }

    pub fn token_bytes(&self, token: i32) -> Result<Vec<u8>> {
        read(64, |to, cap| unsafe {
            host::token_bytes(self.0, token, to, cap)
        })
    }

    pub fn is_control(&self, token: i32) -> Result<bool> {
        let flags = check(unsafe { host::token_flags(self.0, token) })?;
        Ok(flags & host::TOKEN_CONTROL != 0)
    }

    /// Whether a token ends the answer.
    pub fn ends(&self, token: i32) -> Result<bool> {
        let flags = check(unsafe { host::token_flags(self.0, token) })?;
        Ok(flags & host::TOKEN_ENDS_GENERATION != 0)
    }

    /// A conversation of (role, content) as token ids, up to where the answer begins.
    pub fn chat(&self, messages: &[(&str, &str)]) -> Result<Vec<i32>> {
        let turns: Vec<String> = messages
            .iter()
            .map(|(role, content)| {
                let (role, content) = (config::quoted(role), config::quoted(content));
                format!("{{\"role\":{},\"content\":{}}}", role, content)
            })
            .collect();
        let json = format!("[{}]", turns.join(","));
        let rendered = read(4096, |to, cap| unsafe {
            host::chat_template(self.0, pointer(&json), json.len() as i32, to, cap)
        })?;
        self.tokenize(&text(rendered), host::ADD_SPECIAL | host::PARSE_SPECIAL)
    }

    /// An empty sequence.
    pub fn sequence(&self) -> Result<Sequence> {
        check(unsafe { host::kv_new(self.0) }).map(Sequence)
    }

    /// A sampler with all settings, as `docs/guest-abi.md` lists them.
    pub fn sampler(&self, json: &str) -> Result<Sampler> {
        check(unsafe { host::sampler_new(self.0, pointer(json), json.len() as i32) }).map(Sampler)
    }

    /// A matcher at the begin of an output.
    pub fn matcher(&self, grammar: &Grammar) -> Result<Matcher> {
        check(unsafe { host::matcher_new(grammar.0, self.0) }).map(Matcher)
    }
}

/// An embedding by a model, or appended to a sequence.
fn embed(model_or_kv: i32, tokens: &[i32], pooling: i32) -> Result<Vec<f32>> {
    // Asked for once: each call computes it.
    let mut to = vec![0.0; 16384];
    let (n, cap) = (tokens.len() as i32, to.len() as i32);
    let size =
        check(unsafe { host::embed(model_or_kv, tokens.as_ptr(), n, pooling, to.as_mut_ptr(), cap) })?;
    to.truncate(size as usize);
    Ok(to)
}

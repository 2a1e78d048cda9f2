use crate::{check, host, pointer, read, text, Result};

/// A compiled grammar.
#[derive(Debug)]
pub struct Grammar(pub(crate) i32);

impl Grammar {
    /// Of one of the kinds `GBNF`, `JSON_SCHEMA`, `REGEX`, `JSON`.
    pub fn compile(kind: i32, source: &str) -> Result<Grammar> {
        check(unsafe { host::grammar_compile(kind, pointer(source), source.len() as i32) })
            .map(Grammar)
    }

    /// As the host's functions take it ([`host`]); it stays this value's to free.
    pub fn handle(&self) -> i32 {
        self.0
    }
}

impl Drop for Grammar {
    fn drop(&mut self) {
        unsafe { host::grammar_free(self.0) };
    }
}

/// A place in an output that a grammar allows; a step moves its matcher on.
#[derive(Debug)]
pub struct Matcher(pub(crate) i32);

impl Matcher {
    /// As the host's functions take it ([`host`]); it stays this value's to free.
    pub fn handle(&self) -> i32 {
        self.0
    }

    pub fn fork(&self) -> Result<Matcher> {
        check(unsafe { host::matcher_fork(self.0) }).map(Matcher)
    }

    /// For tokens that the guest appends itself.
    pub fn accept(&self, token: i32) -> Result<()> {
        check(unsafe { host::matcher_accept(self.0, token) }).map(drop)
    }

    /// Whether the output is complete here.
    pub fn is_complete(&self) -> Result<bool> {
        Ok(check(unsafe { host::matcher_status(self.0) })? & host::MATCHER_COMPLETE != 0)
    }

    /// Whether nothing but the end can follow.
    pub fn is_finished(&self) -> Result<bool> {
        Ok(check(unsafe { host::matcher_status(self.0) })? & host::MATCHER_FINISHED != 0)
    }

    /// A bitset over the vocabulary of what may come next, as [`Constraint::Mask`](crate::Constraint::Mask)
    /// takes it.
    pub fn mask(&self) -> Result<Vec<u32>> {
        let words = check(unsafe { host::matcher_mask(self.0, std::ptr::null_mut(), 0) })?;
        let mut mask = vec![0; words as usize];
        check(unsafe { host::matcher_mask(self.0, mask.as_mut_ptr(), words) })?;
        Ok(mask)
    }

    /// The text that must follow whatever the model says.
    pub fn forced(&self) -> Result<String> {
        read(256, |to, cap| unsafe { host::matcher_forced(self.0, to, cap) }).map(text)
    }

    /// The tokens of it that can be appended unsampled, after `accept` of each.
    pub fn forced_tokens(&self) -> Result<Vec<i32>> {
        let count = check(unsafe { host::matcher_forced_tokens(self.0, std::ptr::null_mut(), 0) })?;
        let mut tokens = vec![0; count as usize];
        check(unsafe { host::matcher_forced_tokens(self.0, tokens.as_mut_ptr(), count) })?;
        Ok(tokens)
    }
}

impl Drop for Matcher {
    fn drop(&mut self) {
        unsafe { host::matcher_free(self.0) };
    }
}

/// A sampler, for any number of sequences of its model.
#[derive(Debug)]
pub struct Sampler(pub(crate) i32);

impl Sampler {
    /// As the host's functions take it ([`host`]); it stays this value's to free.
    pub fn handle(&self) -> i32 {
        self.0
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        unsafe { host::sampler_free(self.0) };
    }
}

use crate::{check, embed, host, pointer, text, Result};

/// Tokens with their keys and values; forks share them until one goes on.
#[derive(Debug)]
pub struct Sequence(pub(crate) i32);

impl Sequence {
    /// As the host's functions take it ([`host`]); it stays this value's to free.
    pub fn handle(&self) -> i32 {
        self.0
    }

    pub fn fork(&self) -> Result<Sequence> {
        check(unsafe { host::kv_fork(self.0) }).map(Sequence)
    }

    pub fn len(&self) -> Result<usize> {
        Ok(check(unsafe { host::kv_len(self.0) })? as usize)
    }

    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    pub fn truncate(&self, len: usize) -> Result<()> {
        check(unsafe { host::kv_truncate(self.0, len as i32) }).map(drop)
    }

    /// Keeps the sequence for later calls and realms of the tenant, in place of what has the name.
    pub fn save(&self, name: &str) -> Result<()> {
        check(unsafe { host::kv_save(self.0, pointer(name), name.len() as i32) }).map(drop)
    }

    /// Appends tokens and embeds them; pooling is one of the `EMBED_` kinds.
    pub fn embed(&self, tokens: &[i32], pooling: i32) -> Result<Vec<f32>> {
        embed(self.0, tokens, pooling)
    }

    /// The text that a token adds: whole characters, the rest waits for the next token.
    pub fn text(&self, token: i32) -> Result<String> {
        // Not read twice: the host's decoder moves on with each call.
        let mut bytes = [0u8; 1024];
        let size = check(unsafe { host::kv_text(self.0, token, bytes.as_mut_ptr(), 1024) })?;
        Ok(text(bytes[..(size as usize).min(1024)].to_vec()))
    }

    /// Logits of an output of the last step, which had [`Row::logits`] set.
    pub fn logits(&self, output: usize, to: &mut Vec<f32>) -> Result<()> {
        let size = check(unsafe { host::logits_read(self.0, output as i32, to.as_mut_ptr(), 0) })?;
        to.resize(size as usize, 0.0);
        check(unsafe { host::logits_read(self.0, output as i32, to.as_mut_ptr(), size) }).map(drop)
    }
}

impl Drop for Sequence {
    fn drop(&mut self) {
        unsafe { host::kv_free(self.0) };
    }
}

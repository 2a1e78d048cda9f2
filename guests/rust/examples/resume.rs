//! Resuming: a long preamble (instructions, a document, examples) that many questions are asked of is computed
//! once. Its sequence is saved under a name made of its tokens, and every later call opens it: another realm of
//! the tenant does too and, where the host grants a folder, another process. Only the question is computed.
//!
//! Configuration: preamble (a text, what the system says), temperature (0), seed (0), max_tokens (128).
//! Event 1: two i32, how many tokens were opened and how many were computed before the first new one.

use realm_guest::*;

guest!(generate);

fn conversation(model: &Model, preamble: &str, question: &str) -> Result<Vec<i32>> {
    model.chat(&[("system", preamble), ("user", question)])
}

fn common(a: &[i32], b: &[i32]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

/// How many tokens the preamble has whatever is asked: two questions that share nothing share these.
fn shared(model: &Model, preamble: &str) -> Result<Vec<i32>> {
    let mut tokens = conversation(model, preamble, "A")?;
    let same = common(&tokens, &conversation(model, preamble, "0")?);
    tokens.truncate(same);
    Ok(tokens)
}

/// A name that other tokens do not have: 64 bits of FNV-1a, and their number.
fn name(tokens: &[i32]) -> String {
    let hash = tokens
        .iter()
        .flat_map(|token| token.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    format!("resume {:016x} {}", hash, tokens.len())
}

/// The saved sequence, unless there is none or it is another model's.
fn open(model: &Model, name: &str) -> Result<Option<Sequence>> {
    match model.open_saved(name) {
        Err(Error(host::ENOENT)) | Err(Error(host::EINVAL)) => Ok(None),
        opened => opened.map(Some),
    }
}

fn generate(model: Model, question: &str, config: &Config) -> Result<Ended> {
    let preamble = config.text("preamble").unwrap_or_default();
    let sampling = Sampling {
        temperature: config.number("temperature", 0.0) as f32,
        seed: config.integer("seed", 0),
        ..Sampling::default()
    };
    let tokens = conversation(&model, &preamble, question)?;
    let mut preamble = shared(&model, &preamble)?;
    // At least the last token is computed: what comes after it is sampled from it.
    preamble.truncate(common(&preamble, &tokens[..tokens.len() - 1]));

    let name = name(&preamble);
    let saved = open(&model, &name)?;
    let opened = saved.is_some();
    let sequence = saved.map_or_else(|| model.sequence(), Ok)?;
    if !opened && !preamble.is_empty() {
        step(&[Row::new(&sequence, &preamble).none()])?;
        if let Err(Error(error)) = sequence.save(&name) {
            log(1, &format!("the preamble is not saved: error {}", error));
        }
    }
    let from_before = if opened { preamble.len() } else { 0 };
    let mut counts = (from_before as i32).to_le_bytes().to_vec();
    counts.extend(((tokens.len() - from_before) as i32).to_le_bytes());
    emit_event(1, &counts)?;

    let mut tokens = tokens[preamble.len()..].to_vec();
    for _ in 0..config.integer("max_tokens", 128) {
        let sampled = step(&[Row::new(&sequence, &tokens).sampling(sampling)])?;
        if sampled[0].ended {
            return Ok(Ended::Stopped);
        }
        emit(&sequence.text(sampled[0].token())?)?;
        tokens = sampled[0].tokens.clone();
    }
    Ok(Ended::Length)
}

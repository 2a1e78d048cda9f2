use crate::{check, host, Error, Matcher, Result, Sampler, Sequence};

/// How a row samples, unless it has a [`Sampler`].
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// 0 takes the most probable token.
    pub temperature: f32,
    /// 0: all.
    pub top_k: i32,
    /// 1: all.
    pub top_p: f32,
    /// 0: all.
    pub min_p: f32,
    /// 0 or 1: none.
    pub repeat_penalty: f32,
    pub seed: i32,
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repeat_penalty: 0.0,
            seed: 0,
        }
    }
}

/// What may be sampled; rows that sample once may have one.
#[derive(Clone, Copy, Debug)]
pub enum Constraint<'a> {
    /// Anything.
    None,
    /// Nothing that ends generation.
    NoEnd,
    /// A bitset over the vocabulary.
    Mask(&'a [u32]),
    /// What a grammar allows.
    Matcher(&'a Matcher),
    /// The same without what ends generation, where the grammar allows anything else.
    MatcherNoEnd(&'a Matcher),
}

/// One request of a step: tokens to append to a sequence, and how to sample after them.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub sequence: &'a Sequence,
    pub tokens: &'a [i32],
    pub sampling: Sampling,
    pub sampler: Option<&'a Sampler>,
    pub constraint: Constraint<'a>,
    /// Sample at every position instead of the last.
    pub all: bool,
    /// Append only.
    pub none: bool,
    /// Keep the logits for [`Sequence::logits`].
    pub logits: bool,
    /// Send what is sampled to the caller, as token and text, unless it ends generation.
    pub emit: bool,
}

impl<'a> Row<'a> {
    /// Appends tokens and takes the most probable one after them.
    pub fn new(sequence: &'a Sequence, tokens: &'a [i32]) -> Row<'a> {
        Row {
            sequence,
            tokens,
            sampling: Sampling::default(),
            sampler: None,
            constraint: Constraint::None,
            all: false,
            none: false,
            logits: false,
            emit: false,
        }
    }

    pub fn sampling(mut self, sampling: Sampling) -> Row<'a> {
        self.sampling = sampling;
        self
    }

    pub fn constraint(mut self, constraint: Constraint<'a>) -> Row<'a> {
        self.constraint = constraint;
        self
    }

    pub fn all(mut self) -> Row<'a> {
        self.all = true;
        self
    }

    pub fn none(mut self) -> Row<'a> {
        self.none = true;
        self
    }

    pub fn logits(mut self) -> Row<'a> {
        self.logits = true;
        self
    }

    pub fn emit(mut self) -> Row<'a> {
        self.emit = true;
        self
    }

    pub fn sampler(mut self, sampler: &'a Sampler) -> Row<'a> {
        self.sampler = Some(sampler);
        self
    }

    fn outputs(&self) -> usize {
        match (self.none, self.all) {
            (true, _) => 0,
            (_, true) => self.tokens.len(),
            _ => 1,
        }
    }

    fn request(&self, sampled: &mut Sampled) -> host::Step {
        let flag = |set: bool, flag: i32| if set { flag } else { 0 };
        let (mut mask, mut matcher, mut no_end) = (std::ptr::null(), 0, false);
        match self.constraint {
            Constraint::None => {}
            Constraint::NoEnd => no_end = true,
            Constraint::Mask(bits) => mask = bits.as_ptr(),
            Constraint::Matcher(m) => matcher = m.0,
            Constraint::MatcherNoEnd(m) => {
                matcher = m.0;
                no_end = true;
            }
        }
        host::Step {
            kv: self.sequence.0,
            tokens: self.tokens.as_ptr(),
            n: self.tokens.len() as i32,
            out: sampled.tokens.as_mut_ptr(),
            logprob: sampled.logprobs.as_mut_ptr(),
            flags: flag(self.all, host::STEP_ALL)
                | flag(self.emit, host::STEP_EMIT)
                | flag(self.none, host::STEP_NONE)
                | flag(self.logits, host::STEP_LOGITS)
                | flag(no_end, host::STEP_NO_END),
            mask,
            matcher,
            temperature: self.sampling.temperature,
            top_k: self.sampling.top_k,
            top_p: self.sampling.top_p,
            seed: self.sampling.seed,
            min_p: self.sampling.min_p,
            repeat_penalty: self.sampling.repeat_penalty,
            status: 0,
            sampler: self.sampler.map_or(0, |s| s.0),
        }
    }
}

/// What a row sampled: one token, none, or one for each position.
#[derive(Clone, Debug, Default)]
pub struct Sampled {
    pub tokens: Vec<i32>,
    /// Natural logarithms of their probabilities.
    pub logprobs: Vec<f32>,
    /// Whether one of them ends generation.
    pub ended: bool,
}

impl Sampled {
    /// The only token.
    pub fn token(&self) -> i32 {
        self.tokens[0]
    }

    pub fn logprob(&self) -> f32 {
        self.logprobs[0]
    }
}

/// Runs rows of different sequences in one forward step, at most 64.
pub fn step(rows: &[Row]) -> Result<Vec<Sampled>> {
    let (mut requests, sampled) = prepare(rows);
    check(unsafe { host::step(requests.as_mut_ptr(), requests.len() as i32) })?;
    Ok(finish(&requests, sampled))
}

/// Lets the engine begin a step of rows, at most 64; until it is done their sequences are busy.
pub fn submit(rows: &[Row]) -> Result<Ticket> {
    let (mut requests, sampled) = prepare(rows);
    let handle = check(unsafe { host::step_submit(requests.as_mut_ptr(), requests.len() as i32) })?;
    Ok(Ticket { handle, requests, sampled })
}

/// A step that the engine has. The host writes its results when it is waited for.
pub struct Ticket {
    handle: i32,
    requests: Vec<host::Step>,
    sampled: Vec<Sampled>,
}

impl Ticket {
    /// Waits at most so long; what the rows sampled, or the ticket where they are not done.
    pub fn wait(self, millis: i32) -> Result<core::result::Result<Vec<Sampled>, Ticket>> {
        match check(unsafe { host::step_wait(self.handle, millis) }) {
            Ok(_) => Ok(Ok(finish(&self.requests, self.sampled))),
            Err(Error(host::EAGAIN)) => Ok(Err(self)),
            Err(error) => Err(error),
        }
    }
}

fn prepare(rows: &[Row]) -> (Vec<host::Step>, Vec<Sampled>) {
    let mut sampled: Vec<Sampled> = rows
        .iter()
        .map(|row| Sampled {
            tokens: vec![0; row.outputs()],
            logprobs: vec![0.0; row.outputs()],
            ended: false,
        })
        .collect();
    let requests = rows
        .iter()
        .zip(sampled.iter_mut())
        .map(|(row, sampled)| row.request(sampled))
        .collect();
    (requests, sampled)
}

fn finish(requests: &[host::Step], mut sampled: Vec<Sampled>) -> Vec<Sampled> {
    for (request, sampled) in requests.iter().zip(sampled.iter_mut()) {
        sampled.ended = request.status & host::STATUS_ENDS_GENERATION != 0;
    }
    sampled
}

//! Calls every function of the crate and checks what it gives: the crate's test, not a guest to start from.
//!
//! `generate` returns the number of checks that failed; event 2 names them. Event 1 is four bytes, event 3 the
//! model's numbers (i32), event 4 the lengths of two embeddings (i32).

use realm_guest::*;

guest!(generate_nothing);

fn generate_nothing(_: Model, _: &str, _: &Config) -> Result<Ended> {
    Ok(Ended::Stopped)
}

#[export_name = "conformance"]
pub extern "C" fn conformance(model: i32) -> i32 {
    let mut checks = Checks::default();
    if let Err(Error(number)) = checks.run(Model::from_handle(model)) {
        checks.that(&format!("ended early: error {}", number), false);
    }
    match emit_event(2, checks.failed.as_bytes()) {
        Ok(()) => checks.failures,
        Err(Error(number)) => number,
    }
}

#[derive(Default)]
struct Checks {
    failures: i32,
    failed: String,
}

fn error<T>(result: Result<T>) -> i32 {
    result.err().map_or(0, |Error(number)| number)
}

fn ints(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn is_unit(values: &[f32]) -> bool {
    (values.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-3
}

fn most(values: &[f32]) -> i32 {
    let mut best = 0;
    for (i, &value) in values.iter().enumerate() {
        if value > values[best] {
            best = i;
        }
    }
    best as i32
}

impl Checks {
    fn that(&mut self, what: &str, holds: bool) {
        if !holds {
            self.failures += 1;
            self.failed.push_str(what);
            self.failed.push('\n');
        }
    }

    fn run(&mut self, model: Model) -> Result<()> {
        self.output()?;
        self.realm()?;
        self.model(&model)?;
        let prompt = model.chat(&[("user", "What is the capital of France?")])?;
        let sequence = model.sequence()?;
        self.steps(&model, &sequence, &prompt)?;
        self.saved(&model, &sequence)?;
        self.embeddings(&model, &prompt)?;
        self.constraints(&model, &prompt)?;
        self.handles(&model, &prompt)?;
        self.layers()
    }

    fn output(&mut self) -> Result<()> {
        self.that("abi_version", abi_version() == host::ABI_VERSION);
        self.that("argument", argument(1)? == "grüß dich 🦊");
        let config = Config::new(argument(2)?);
        self.that("config number", config.number("number", 0.0) == -1.5 && config.integer("none", 7) == 7);
        self.that("config text", config.text("text").as_deref() == Some("a\"😀"));
        self.that("config list", config.texts("list") == ["x", "y"] && config.texts("none").is_empty());
        self.that("config flag", config.flag("flag", false) && config.text("none").is_none());
        emit("grüß dich 🦊")?;
        emit_token(7)?;
        emit_event(1, &[0, 1, 200, 255])?;
        log(2, "conformance");
        Ok(())
    }

    fn realm(&mut self) -> Result<()> {
        let now = now_ms();
        self.that("now_ms", now >= 0 && now_ms() >= now);
        let (mut one, mut other) = ([0; 16], [0; 16]);
        random(&mut one)?;
        random(&mut other)?;
        self.that("random", one != other);
        self.that("budget_left", (1..=60_000).contains(&budget_left(host::BUDGET_MILLIS)?));
        self.that("budget_left tokens", (1..=10_000).contains(&budget_left(host::BUDGET_NEW_TOKENS)?));
        self.that("budget_left memory", budget_left(host::BUDGET_MEMORY)? > 0);
        self.that("budget_left of what", error(budget_left(9)) == host::EINVAL);

        self.that("load nothing", load("key")?.is_none());
        store("key", &[0, 1, 255])?;
        self.that("load", load("key")?.as_deref() == Some(&[0, 1, 255]));
        store("key", &[])?;
        self.that("store nothing", load("key")?.is_none());
        self.that("tool_call", call_tool("quote", "é")? == "<é>");
        self.that("no tool", error(call_tool("none", "")) == host::ENOENT);
        Ok(())
    }

    fn model(&mut self, model: &Model) -> Result<()> {
        let again = Model::open("sample")?;
        self.that("model_open", again.vocabulary()? == model.vocabulary()?);
        self.that("model_close", again.close() == 0 && error(again.vocabulary()) == host::EBADF);
        let (begin, end) = (model.begin_token()?.unwrap_or(-1), model.end_token()?.unwrap_or(-1));
        emit_event(3, &ints(&[model.vocabulary()? as i32, model.context()? as i32, begin, end]))?;
        let ids = model.tokenize("Hello Paris", 0)?;
        self.that("tokenize", !ids.is_empty());
        let mut continued = Vec::new();
        for id in model.continuation(" Paris")? {
            continued.extend(model.token_bytes(id)?);
        }
        self.that("continuation", continued == b" Paris");
        self.that("detokenize", model.detokenize(&ids)?.ends_with("Hello Paris"));
        self.that("token_bytes", !model.token_bytes(ids[ids.len() - 1])?.is_empty());
        self.that("token_flags", model.ends(end)? && !model.ends(ids[0])?);
        self.that("token_flags control", model.is_control(end)? && !model.is_control(ids[0])?);
        self.that("chat_template", model.chat(&[("user", "a\"b\n")])?.len() > 4);
        Ok(())
    }

    fn steps(&mut self, model: &Model, sequence: &Sequence, prompt: &[i32]) -> Result<()> {
        let sampled = step(&[Row::new(sequence, prompt).logits().emit()])?;
        let first = sampled[0].token();
        self.that("kv_len", sequence.len()? == prompt.len() && !sequence.is_empty()?);
        let mut logits = Vec::new();
        sequence.logits(0, &mut logits)?;
        self.that("logits_read", logits.len() == model.vocabulary()? && most(&logits) == first);
        self.that("logprob", sampled[0].logprob() <= 0.0 && sampled[0].logprob() > -1.0);
        self.that("kv_text", !sequence.text(first)?.is_empty());

        // All positions of the prompt again, beside a row that samples with a sampler of its own.
        let (last, other, fork) = (&prompt[prompt.len() - 1..], model.sequence()?, sequence.fork()?);
        let sampler = model.sampler("{\"temperature\":0}")?;
        self.that("kv_fork", fork.len()? == prompt.len());
        fork.truncate(prompt.len() - 1)?;
        self.that("kv_truncate", fork.len()? == prompt.len() - 1);
        let rows = step(&[Row::new(&other, prompt).all(), Row::new(&fork, last).sampler(&sampler)])?;
        self.that("ALL", rows[0].tokens.len() == prompt.len() && rows[0].tokens.last() == Some(&first));
        self.that("sampler", rows[1].token() == first && !rows[1].ended);
        other.truncate(prompt.len() - 1)?;
        let none = step(&[Row::new(&other, last).none()])?;
        self.that("NONE", none[0].tokens.is_empty() && other.len()? == prompt.len());
        self.that("sampler_new", error(model.sampler("{\"temperature\":\"x\"}")) == host::EINVAL);

        other.truncate(prompt.len() - 1)?;
        let sampling = Sampling { top_k: 1, temperature: 2.0, ..Sampling::default() };
        let row = Row::new(&other, last).sampling(sampling).constraint(Constraint::NoEnd);
        let mut waiting = Err(submit(&[row])?);
        for _ in 0..100 {
            if let Err(ticket) = waiting {
                waiting = ticket.wait(100)?;
            }
        }
        self.that("step_wait", waiting.map_or(false, |rows| rows[0].token() == first));
        Ok(())
    }

    fn saved(&mut self, model: &Model, sequence: &Sequence) -> Result<()> {
        sequence.save("conformance")?;
        self.that("kv_open", model.open_saved("conformance")?.len()? == sequence.len()?);
        forget("conformance")?;
        self.that("forget", error(model.open_saved("conformance")) == host::ENOENT);
        Ok(())
    }

    fn embeddings(&mut self, model: &Model, prompt: &[i32]) -> Result<()> {
        let alone = model.embed(prompt, host::EMBED_MEAN)?;
        let sequence = model.sequence()?;
        let appended = sequence.embed(prompt, host::EMBED_MEAN)?;
        self.that("embed", is_unit(&alone) && is_unit(&appended));
        self.that("embed of a sequence", sequence.len()? == prompt.len());
        emit_event(4, &ints(&[alone.len() as i32, appended.len() as i32]))
    }

    fn constraints(&mut self, model: &Model, prompt: &[i32]) -> Result<()> {
        self.that("grammar_compile", error(Grammar::compile(host::REGEX, "(")) == host::EINVAL);
        let grammar = Grammar::compile(host::REGEX, "^Rome$")?;
        let (matcher, sequence) = (model.matcher(&grammar)?, model.sequence()?);
        let fork = matcher.fork()?;
        self.that("matcher_forced", matcher.forced()? == "Rome");
        let forced = matcher.forced_tokens()?;
        self.that("matcher_forced_tokens", !forced.is_empty() && forced.len() <= 4);
        let mask = matcher.mask()?;
        self.that("matcher_mask", mask.len() == (model.vocabulary()? + 31) / 32);
        let mut sampled = step(&[Row::new(&sequence, prompt).constraint(Constraint::Mask(&mask))])?;
        let token = sampled[0].token();
        self.that("mask", mask[token as usize / 32] >> (token % 32) & 1 == 1);
        matcher.accept(token)?;
        sequence.truncate(prompt.len() - 1)?;
        let constraint = Constraint::Matcher(&fork);
        let last = &prompt[prompt.len() - 1..];
        sampled = step(&[Row::new(&sequence, last).constraint(constraint)])?;
        self.that("matcher", sampled[0].token() == token && fork.forced()? == matcher.forced()?);
        self.that("matcher_status", matcher.is_complete()? == matcher.forced()?.is_empty());
        for _ in 0..8 {
            if !fork.is_complete()? {
                let next = sampled[0].tokens.clone();
                sampled = step(&[Row::new(&sequence, &next).constraint(constraint)])?;
            }
        }
        self.that("matcher finished", fork.is_complete()? && fork.is_finished()?);

        // Complete from the begin, but the end is left out.
        let matcher = model.matcher(&Grammar::compile(host::REGEX, "^(Rome)*$")?)?;
        let mut next = last.to_vec();
        sequence.truncate(prompt.len() - 1)?;
        for _ in 0..8 {
            let row = Row::new(&sequence, &next).constraint(Constraint::MatcherNoEnd(&matcher));
            let sampled = step(&[row])?;
            self.that("matcher without the end", !sampled[0].ended);
            next = sampled[0].tokens.clone();
        }
        Ok(())
    }

    /// What a guest asks of the host itself, beside the crate.
    fn handles(&mut self, model: &Model, prompt: &[i32]) -> Result<()> {
        let grammar = Grammar::compile(host::REGEX, "^Rome$")?;
        let (matcher, sequence) = (model.matcher(&grammar)?, model.sequence()?);
        let sampler = model.sampler("{}")?;
        let mut out = 0;
        let mut request = host::Step {
            kv: sequence.handle(),
            tokens: prompt.as_ptr(),
            n: prompt.len() as i32,
            out: &mut out,
            logprob: std::ptr::null_mut(),
            flags: host::STEP_NO_END,
            mask: std::ptr::null(),
            matcher: matcher.handle(),
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            seed: 0,
            min_p: 0.0,
            repeat_penalty: 0.0,
            status: 0,
            sampler: sampler.handle(),
        };
        check(unsafe { host::step(&mut request, 1) })?;
        self.that("host::step", model.token_bytes(out)?.starts_with(b"R"));
        let other = check(unsafe { host::matcher_new(grammar.handle(), model.handle()) })?;
        check(unsafe { host::matcher_free(other) }).map(drop)
    }

    fn layers(&mut self) -> Result<()> {
        use realm_guest::low_level::*;
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]);
        self.that("matmul", multiply(&a, &b, 2, 2, 2)? == [19.0, 22.0, 43.0, 50.0]);
        self.that("matmul transposed", multiply_transposed(&a, &b, 2, 2, 2)? == [17.0, 23.0, 39.0, 53.0]);
        store_layer("mine", 3, &[4, 5, 6])?;
        self.that("layer", load_layer("mine", 3)? == [4, 5, 6]);
        self.that("no layer", error(load_layer("mine", 4)) == host::ENOENT);
        self.that("layer stats", layer_stats()?.layers >= 1);
        Ok(())
    }
}

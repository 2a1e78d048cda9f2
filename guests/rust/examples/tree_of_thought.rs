//! Tree of thought (Yao et al., 2023) with forks: an answer grows by thoughts, here sentences. Each kept node
//! forks into several next thoughts, sampled side by side; the model itself judges how well each leads to a
//! goal (how probable it finds the goal's text there); the best are kept and grow on, the others are freed.
//!
//! Configuration: goal (a text that the answer shall lead to, and ends with), depth (2 thoughts), branch (4
//! thoughts for each node), keep (2 nodes of each level), temperature (1), seed (1), until (". ", the end of a
//! thought), max_tokens (40 of a thought).
//! Event 1: a line for each node kept, `depth<TAB>score<TAB>text`; the score is the mean log probability of the
//! goal's tokens. Without a goal it is that of the thoughts' own.

use realm_guest::*;

guest!(generate);

const MOST_ROWS: usize = 64;

struct Node {
    sequence: Sequence,
    /// The last token, not in the sequence yet.
    next: i32,
    /// Tokens of the answer, and their text.
    tokens: Vec<i32>,
    text: String,
    logprob: f32,
    score: f32,
    ended: bool,
    thinking: bool,
}

impl Node {
    fn fork(&self) -> Result<Node> {
        Ok(Node {
            sequence: self.sequence.fork()?,
            tokens: self.tokens.clone(),
            text: self.text.clone(),
            thinking: true,
            ..*self
        })
    }
}

struct Search<'a> {
    model: Model,
    goal: Vec<i32>,
    until: String,
    most: usize,
    config: &'a Config,
    logits: Vec<f32>,
}

impl Search<'_> {
    /// Lets all nodes think to the end of their thought, one step of many rows for each token.
    fn think(&self, nodes: &mut [Node], seed: i32) -> Result<()> {
        let temperature = self.config.number("temperature", 1.0) as f32;
        let begins: Vec<usize> = nodes.iter().map(|n| n.text.len()).collect();
        for _ in 0..self.most {
            let thinking: Vec<usize> = (0..nodes.len()).filter(|&i| nodes[i].thinking).collect();
            if thinking.is_empty() {
                break;
            }
            let rows: Vec<Row> = thinking
                .iter()
                .map(|&i| {
                    let node = &nodes[i];
                    let seed = seed + i as i32;
                    Row::new(&node.sequence, std::slice::from_ref(&node.next)).sampling(Sampling {
                        temperature,
                        seed,
                        ..Sampling::default()
                    })
                })
                .collect();
            let sampled = step(&rows)?;
            for (&i, sampled) in thinking.iter().zip(&sampled) {
                let node = &mut nodes[i];
                node.next = sampled.token();
                node.logprob += sampled.logprob();
                node.ended = sampled.ended;
                if !sampled.ended {
                    node.tokens.push(node.next);
                    node.text = self.model.detokenize(&node.tokens)?;
                }
                let thought = node.text[begins[i]..].trim_start();
                node.thinking = !sampled.ended && !thought.ends_with(self.until.trim_end());
            }
        }
        Ok(())
    }

    /// Gives nodes their scores: forks read the goal, all in one step.
    fn judge(&mut self, nodes: &mut [Node]) -> Result<()> {
        if self.goal.is_empty() {
            for node in nodes {
                node.score = node.logprob / node.tokens.len().max(1) as f32;
            }
            return Ok(());
        }
        let mut forks = Vec::new();
        for node in nodes.iter() {
            // The node's last token, then the goal: each output but the last one predicts a goal's token.
            let mut tokens = vec![node.next];
            tokens.extend(&self.goal[..self.goal.len() - 1]);
            forks.push((node.sequence.fork()?, tokens));
        }
        let rows: Vec<Row> = forks
            .iter()
            .map(|(sequence, tokens)| Row::new(sequence, tokens).all().logits())
            .collect();
        step(&rows)?;
        for (node, (fork, _)) in nodes.iter_mut().zip(&forks) {
            let mut sum = 0.0;
            for (output, &token) in self.goal.iter().enumerate() {
                fork.logits(output, &mut self.logits)?;
                sum += log_probability(&self.logits, token);
            }
            // What has ended leads nowhere.
            let leads = if node.ended { f32::NEG_INFINITY } else { 0.0 };
            node.score = leads + sum / self.goal.len() as f32;
        }
        Ok(())
    }
}

fn log_probability(logits: &[f32], token: i32) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|l| (l - most).exp()).sum();
    logits[token as usize] - most - sum.ln()
}

/// The best nodes, without those that say the same.
fn best(mut nodes: Vec<Node>, keep: usize) -> Vec<Node> {
    nodes.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Node> = Vec::new();
    for node in nodes {
        if kept.len() < keep && kept.iter().all(|k| k.text != node.text) {
            kept.push(node);
        }
    }
    kept
}

fn generate(model: Model, prompt: &str, config: &Config) -> Result<Ended> {
    let goal = config.text("goal").unwrap_or_default();
    let branch = config.integer("branch", 4).max(1) as usize;
    let keep = config.integer("keep", 2).max(1) as usize;
    let depth = config.integer("depth", 2);
    let seed = config.integer("seed", 1);
    if branch * keep > MOST_ROWS {
        return Err(Error(host::EINVAL));
    }
    let mut search = Search {
        model,
        goal: model.continuation(&goal)?,
        until: config.text("until").unwrap_or_else(|| ". ".into()),
        most: config.integer("max_tokens", 40).max(1) as usize,
        config,
        logits: Vec::new(),
    };
    let tokens = search.model.chat(&[("user", prompt)])?;
    let root = model.sequence()?;
    let (&next, before) = tokens.split_last().ok_or(Error(host::EINVAL))?;
    if !before.is_empty() {
        step(&[Row::new(&root, before).none()])?;
    }
    let mut nodes = vec![Node {
        sequence: root,
        next,
        text: String::new(),
        logprob: 0.0,
        tokens: Vec::new(),
        score: 0.0,
        ended: false,
        thinking: false,
    }];
    let mut tree = String::new();
    for level in 1..=depth {
        let mut children = Vec::new();
        for node in nodes.iter().filter(|n| !n.ended) {
            for _ in 0..branch {
                children.push(node.fork()?);
            }
        }
        if children.is_empty() {
            break;
        }
        search.think(&mut children, seed + 1000 * level)?;
        search.judge(&mut children)?;
        nodes = best(children, keep);
        for node in &nodes {
            tree += &format!("{}\t{:.4}\t{}\n", level, node.score, node.text);
        }
    }
    emit_event(1, tree.as_bytes())?;
    emit(nodes[0].text.trim_start())?;
    emit(&goal)?;
    Ok(Ended::Stopped)
}

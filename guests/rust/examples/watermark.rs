//! Watermarking (Kirchenbauer et al., 2023): a key and the token before divide the vocabulary into a green
//! part and the rest, and green tokens are made more probable. Who has the key counts green tokens and knows;
//! who has not sees ordinary text. The guest reads the logits and samples by itself.
//!
//! Configuration: key (0), gamma (0.25, the green part), delta (4, added to green logits; 0 for none),
//! temperature (1), seed (0), max_tokens (128), ignore_end (0: 1 goes on to max_tokens).

use realm_guest::*;

guest!(generate);

/// Whether a token is green after another: a hash of both and the key below gamma.
fn is_green(key: u32, before: i32, token: i32, gamma: f64) -> bool {
    let mut h = key ^ (before as u32).wrapping_mul(0x9e37_79b1);
    h = h.rotate_left(13) ^ (token as u32).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^= h >> 16;
    f64::from(h) < gamma * 4_294_967_296.0
}

/// Numbers from 0 to 1: xorshift, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / 9_007_199_254_740_992.0
    }
}

/// Draws an index by the softmax of logits.
fn draw(logits: &[f32], temperature: f32, dice: &mut Dice) -> i32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |l: &f32| f64::from((l - most) / temperature).exp();
    let sum: f64 = logits.iter().map(weight).sum();
    let mut left = dice.roll() * sum;
    let mut last = 0;
    for (i, logit) in logits.iter().enumerate() {
        let w = weight(logit);
        if w > 0.0 {
            last = i;
            left -= w;
            if left < 0.0 {
                break;
            }
        }
    }
    last as i32
}

fn generate(model: Model, prompt: &str, config: &Config) -> Result<Ended> {
    let key = config.number("key", 0.0) as u32;
    let gamma = config.number("gamma", 0.25);
    let delta = config.number("delta", 4.0) as f32;
    let temperature = (config.number("temperature", 1.0) as f32).max(0.01);
    let ignore_end = config.integer("ignore_end", 0) == 1;
    let mut dice = Dice(0x2545_f491_4f6c_dd1d ^ (config.integer("seed", 0) as u64) << 20);

    let sequence = model.sequence()?;
    let mut tokens = model.chat(&[("user", prompt)])?;
    let mut logits = Vec::new();
    for _ in 0..config.integer("max_tokens", 128) {
        step(&[Row::new(&sequence, &tokens).logits()])?;
        sequence.logits(0, &mut logits)?;
        let before = tokens[tokens.len() - 1];
        if delta != 0.0 {
            for (token, logit) in logits.iter_mut().enumerate() {
                if is_green(key, before, token as i32, gamma) {
                    *logit += delta;
                }
            }
        }
        let mut token = draw(&logits, temperature, &mut dice);
        while model.ends(token)? {
            if !ignore_end {
                return Ok(Ended::Stopped);
            }
            logits[token as usize] = f32::NEG_INFINITY;
            token = draw(&logits, temperature, &mut dice);
        }
        emit_token(token)?;
        emit(&sequence.text(token)?)?;
        tokens = vec![token];
    }
    Ok(Ended::Length)
}

use realm_guest::*;

guest!(generate);

fn generate(model: Model, prompt: &str, config: &Config) -> Result<Ended> {
    let sequence = model.sequence()?;
    let mut tokens = model.chat(&[("user", prompt)])?;
    for _ in 0..config.integer("max_tokens", 64) {
        let sampled = step(&[Row::new(&sequence, &tokens)])?;
        if sampled[0].ended {
            return Ok(Ended::Stopped);
        }
        emit(&sequence.text(sampled[0].token())?)?;
        tokens = sampled[0].tokens.clone();
    }
    Ok(Ended::Length)
}

use std::iter::Peekable;
use std::str::Chars;

/// A flat JSON object of a call's configuration: numbers, flags, texts, and lists of texts by their keys. What
/// is malformed reads as absent.
#[derive(Clone, Debug, Default)]
pub struct Config {
    json: String,
}

impl Config {
    pub fn new(json: String) -> Config {
        Config { json }
    }

    pub fn number(&self, key: &str, absent: f64) -> f64 {
        self.find(key)
            .and_then(|value| {
                let number: String = value
                    .take_while(|c| matches!(c, '0'..='9' | '.' | '-' | '+' | 'e' | 'E'))
                    .collect();
                number.parse().ok()
            })
            .unwrap_or(absent)
    }

    pub fn integer(&self, key: &str, absent: i32) -> i32 {
        self.number(key, f64::from(absent)) as i32
    }

    pub fn text(&self, key: &str) -> Option<String> {
        let mut value = self.find(key)?;
        match value.next() {
            Some('"') => Some(read_text(&mut value)),
            _ => None,
        }
    }

    pub fn flag(&self, key: &str, absent: bool) -> bool {
        let word: Option<String> = self
            .find(key)
            .map(|value| value.take_while(char::is_ascii_alphabetic).collect());
        match word.as_deref() {
            Some("true") => true,
            Some("false") => false,
            _ => absent,
        }
    }

    /// A list of texts; empty where there is none.
    pub fn texts(&self, key: &str) -> Vec<String> {
        let mut texts = Vec::new();
        let mut value = match self.find(key) {
            Some(value) => value,
            None => return texts,
        };
        if value.next() != Some('[') {
            return texts;
        }
        skip_space(&mut value);
        while value.next_if_eq(&'"').is_some() {
            texts.push(read_text(&mut value));
            skip_space(&mut value);
            if value.next_if_eq(&',').is_some() {
                skip_space(&mut value);
            }
        }
        texts
    }

    /// What stands after a key of the outer object; texts and inner values are passed by.
    fn find(&self, key: &str) -> Option<Peekable<Chars>> {
        let mut rest = self.json.chars().peekable();
        let mut depth = 0;
        while let Some(c) = rest.next() {
            match c {
                '{' | '[' => depth += 1,
                '}' | ']' => depth -= 1,
                '"' => {
                    let text = read_text(&mut rest);
                    skip_space(&mut rest);
                    if depth == 1 && text == key && rest.peek() == Some(&':') {
                        rest.next();
                        skip_space(&mut rest);
                        return Some(rest);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

fn skip_space(rest: &mut Peekable<Chars>) {
    while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
}

/// The rest of a text after its opening quote.
fn read_text(rest: &mut Peekable<Chars>) -> String {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            '"' => break,
            '\\' => text.extend(escaped(rest)),
            _ => text.push(c),
        }
    }
    text
}

fn escaped(rest: &mut Peekable<Chars>) -> Option<char> {
    Some(match rest.next()? {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => return code_point(rest),
        other => other,
    })
}

/// What four digits after `\u` say; characters past 16 bits come as two halves. A half alone, or what is no
/// number, is U+FFFD.
fn code_point(rest: &mut Peekable<Chars>) -> Option<char> {
    let high = unit(rest);
    let mut code = high;
    if let Some(0xd800..=0xdbff) = high {
        // Looked at apart: what is not the other half is a character of its own.
        let mut ahead = rest.clone();
        if ahead.next() == Some('\\') && ahead.next() == Some('u') {
            if let (Some(high), Some(low @ 0xdc00..=0xdfff)) = (high, unit(&mut ahead)) {
                code = Some(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                *rest = ahead;
            }
        }
    }
    code.and_then(char::from_u32).or(Some(char::REPLACEMENT_CHARACTER))
}

fn unit(rest: &mut Peekable<Chars>) -> Option<u32> {
    let digits: String = rest.by_ref().take(4).collect();
    u32::from_str_radix(&digits, 16).ok()
}

/// A text in JSON's quotes.
pub fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\u{0}'..='\u{1f}' => json.push_str(&format!("\\u{:04x}", c as u32)),
            _ => json.push(c),
        }
    }
    json.push('"');
    json
}

// Redaction: texts that must not leave are replaced in the stream, however the tokens cut them. What may be
// the begin of one is held back until it is clear; the rest streams at once.
//
// Configuration: secrets (a list of texts; without it those that `remember` was given), replacement
// ("[redacted]"), temperature (0), seed (0), max_tokens (128).

import {
  Batch, Config, LENGTH, Model, STOPPED, Sequence, argument, begin, emit, end, load, message, ok, store,
} from "../assembly";

export { load_model, unload_model } from "../assembly";

class Redactor {
  private held: string = "";

  constructor(private secrets: string[], private replacement: string) {}

  /// What may leave once this text has come.
  accept(text: string): string {
    this.held += text;
    let until = this.held.length;
    for (let i = 0; i < this.held.length && until == this.held.length; i++) {
      if (this.mayBegin(i)) until = i;
    }
    return this.release(until);
  }

  /// The rest.
  finish(): string {
    return this.release(this.held.length);
  }

  /// Whether a secret could begin here and end in text that has not come yet.
  private mayBegin(at: i32): bool {
    const tail = this.held.substring(at);
    for (let i = 0; i < this.secrets.length; i++) {
      const secret = this.secrets[i];
      if (secret.length > tail.length && secret.startsWith(tail)) return true;
    }
    return false;
  }

  /// The length of the longest secret here, or 0.
  private found(at: i32): i32 {
    let longest = 0;
    for (let i = 0; i < this.secrets.length; i++) {
      const secret = this.secrets[i];
      if (secret.length > longest && this.held.substr(at, secret.length) == secret) {
        longest = secret.length;
      }
    }
    return longest;
  }

  private release(until: i32): string {
    let out = "";
    let at = 0;
    while (at < until) {
      let length = this.found(at);
      if (length == 0) {
        out += this.held.charAt(at++);
        continue;
      }
      // Secrets that overlap are one.
      const first = at;
      let last = at + length;
      for (at++; at < last; at++) last = max(last, at + this.found(at));
      if (last > until) {
        at = first;
        break;
      }
      out += this.replacement;
    }
    this.held = this.held.substring(at);
    return out;
  }
}

/// `remember(secrets)`: keeps them for the calls to come, one a line.
export function remember(): i32 {
  begin();
  store("secrets", argument(0));
  return end(0);
}

export function generate(handle: i32): i32 {
  begin();
  const model = new Model(handle);
  const config = new Config(argument(2));
  let secrets = config.texts("secrets");
  if (secrets.length == 0) {
    secrets = load("secrets").split("\n");
  }
  secrets = secrets.filter((secret) => secret.length > 0);
  const redactor = new Redactor(secrets, config.text("replacement", "[redacted]"));
  const most = config.integer("max_tokens", 128);

  const sequence = Sequence.of(model);
  const batch = new Batch(1);
  batch.request(0).temperature = <f32>config.number("temperature", 0);
  batch.request(0).seed = config.integer("seed", 0);
  batch.set(0, sequence, model.chat([message("user", argument(1))]));
  let result = LENGTH;
  for (let i = 0; i < most && batch.step(1); i++) {
    if (batch.ended(0)) {
      result = STOPPED;
      break;
    }
    emit(redactor.accept(sequence.text(batch.token(0))));
    batch.next(0, sequence, batch.token(0));
  }
  if (ok()) emit(redactor.finish());
  sequence.free();
  return end(result);
}

// Grammars, places in what they allow, and samplers.

import { Model, check, host } from "./index";

/// A compiled grammar of one of the kinds GBNF, JSON_SCHEMA, REGEX, JSON.
export class Grammar {
  private constructor(public handle: i32) {}

  static compile(kind: i32, source: string): Grammar {
    const bytes = String.UTF8.encode(source);
    return new Grammar(check(host.grammar_compile(kind, changetype<usize>(bytes), bytes.byteLength)));
  }

  free(): void {
    if (this.handle != 0) host.grammar_free(this.handle);
    this.handle = 0;
  }
}

/// A place in an output that a grammar allows. A request that has its handle samples what it allows, and
/// moves it on.
export class Matcher {
  private constructor(public handle: i32) {}

  static of(grammar: Grammar, model: Model): Matcher {
    return new Matcher(check(host.matcher_new(grammar.handle, model.handle)));
  }

  fork(): Matcher {
    return new Matcher(check(host.matcher_fork(this.handle)));
  }

  /// For tokens that the guest appends itself.
  accept(token: i32): void {
    check(host.matcher_accept(this.handle, token));
  }

  /// Whether the output is complete here.
  get complete(): bool {
    return (check(host.matcher_status(this.handle)) & host.MATCHER_COMPLETE) != 0;
  }

  /// Whether nothing but the end can follow.
  get finished(): bool {
    return (check(host.matcher_status(this.handle)) & host.MATCHER_FINISHED) != 0;
  }

  /// The text that must follow whatever the model says.
  forced(): string {
    const size = check(host.matcher_forced(this.handle, 0, 0));
    const buffer = new ArrayBuffer(size);
    check(host.matcher_forced(this.handle, changetype<usize>(buffer), size));
    return String.UTF8.decode(buffer);
  }

  /// The tokens of it that can be appended unsampled, after `accept` of each.
  forcedTokens(): StaticArray<i32> {
    const tokens = new StaticArray<i32>(check(host.matcher_forced_tokens(this.handle, 0, 0)));
    check(host.matcher_forced_tokens(this.handle, changetype<usize>(tokens), tokens.length));
    return tokens;
  }

  /// A bitset over the vocabulary of what may come next, as `Batch.mask` takes it.
  mask(): StaticArray<u32> {
    const mask = new StaticArray<u32>(check(host.matcher_mask(this.handle, 0, 0)));
    check(host.matcher_mask(this.handle, changetype<usize>(mask), mask.length));
    return mask;
  }

  free(): void {
    if (this.handle != 0) host.matcher_free(this.handle);
    this.handle = 0;
  }
}

/// A sampler with all settings, as docs/guest-abi.md lists them, for any number of sequences of its model.
export class Sampler {
  private constructor(public handle: i32) {}

  static of(model: Model, json: string): Sampler {
    const bytes = String.UTF8.encode(json);
    return new Sampler(check(host.sampler_new(model.handle, changetype<usize>(bytes), bytes.byteLength)));
  }

  free(): void {
    if (this.handle != 0) host.sampler_free(this.handle);
    this.handle = 0;
  }
}

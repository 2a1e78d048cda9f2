// Guests for Realm in AssemblyScript: models, sequences, steps, the call's arguments and output.
//
// AssemblyScript has no exceptions, so the first error of a call sticks, as in C's errno: `begin()` clears it,
// `ok()` says whether all went well so far, `end(result)` returns it in place of the result. Methods that meet
// an error give an empty value, and steps after it do nothing.
//
// Handles are freed by `free()`: the collector knows nothing of them.

import * as host from "./host";

export { host };

let firstError: i32 = 0;

/// To be called first by each export: forgets the error of the call before.
export function begin(): void {
  firstError = 0;
}

/// Whether no host function has failed in this call.
export function ok(): bool {
  return firstError == 0;
}

/// The result of an export: the call's first error, or what is given.
export function end(result: i32): i32 {
  return firstError != 0 ? firstError : result;
}

/// Notes an error number; gives back the value, 0 in place of an error.
export function check(value: i32): i32 {
  if (value < 0) {
    if (firstError == 0) firstError = value;
    return 0;
  }
  return value;
}

// ---- the call ------------------------------------------------------------------------------------

function decode(buffer: ArrayBuffer, length: i32): string {
  return String.UTF8.decodeUnsafe(changetype<usize>(buffer), length);
}

/// An argument of the call, by its index among all of them.
export function argument(index: i32): string {
  let buffer = new ArrayBuffer(4096);
  let size = check(host.arg_read(index, changetype<usize>(buffer), buffer.byteLength));
  if (size > buffer.byteLength) {
    buffer = new ArrayBuffer(size);
    check(host.arg_read(index, changetype<usize>(buffer), size));
  }
  return decode(buffer, size);
}

/// Sends text to the caller.
export function emit(text: string): void {
  if (text.length == 0) return;
  const bytes = String.UTF8.encode(text);
  check(host.emit_text(changetype<usize>(bytes), bytes.byteLength));
}

/// Sends something that guest and caller agreed on.
export function emitEvent(kind: i32, text: string): void {
  const bytes = String.UTF8.encode(text);
  check(host.emit_event(kind, changetype<usize>(bytes), bytes.byteLength));
}

/// A line for the operator: level 0 error, 1 warning, 2 information.
export function log(level: i32, line: string): void {
  const bytes = String.UTF8.encode(line);
  host.log(level, changetype<usize>(bytes), bytes.byteLength);
}

/// Asks a function of the embedding program. A tool that is not there is an error of the call (ENOENT).
export function callTool(name: string, text: string): string {
  const n = String.UTF8.encode(name);
  const t = String.UTF8.encode(text);
  const blob = check(
    host.tool_call(changetype<usize>(n), n.byteLength, changetype<usize>(t), t.byteLength));
  if (blob == 0) return "";
  const size = check(host.blob_read(blob, 0, 0, 0));
  const buffer = new ArrayBuffer(size);
  check(host.blob_read(blob, 0, changetype<usize>(buffer), size));
  host.blob_free(blob);
  return decode(buffer, size);
}

/// What the realm keeps under a key between calls; empty where there is nothing.
export function load(key: string): string {
  const k = String.UTF8.encode(key);
  const size = host.kvs_get(changetype<usize>(k), k.byteLength, 0, 0);
  if (size == host.ENOENT) return "";
  const buffer = new ArrayBuffer(check(size));
  check(host.kvs_get(changetype<usize>(k), k.byteLength, changetype<usize>(buffer), buffer.byteLength));
  return decode(buffer, buffer.byteLength);
}

/// Keeps a value under a key; an empty value removes it.
export function store(key: string, value: string): void {
  const k = String.UTF8.encode(key);
  const v = String.UTF8.encode(value);
  check(host.kvs_put(changetype<usize>(k), k.byteLength, changetype<usize>(v), v.byteLength));
}

// ---- models --------------------------------------------------------------------------------------

function quoted(text: string): string {
  let out = '"';
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c == 0x22 || c == 0x5c) {
      out += "\\" + String.fromCharCode(c);
    } else if (c < 0x20) {
      out += "\\u00" + (c < 16 ? "0" : "1") + "0123456789abcdef".charAt(c & 15);
    } else {
      out += String.fromCharCode(c);
    }
  }
  return out + '"';
}

/// One turn of a conversation, as an element of the list that `Model.chat` takes.
export function message(role: string, content: string): string {
  return '{"role":' + quoted(role) + ',"content":' + quoted(content) + "}";
}

/// A model that the realm may use.
export class Model {
  constructor(public handle: i32) {}

  static open(name: string): Model {
    const bytes = String.UTF8.encode(name);
    return new Model(check(host.model_open(changetype<usize>(bytes), bytes.byteLength)));
  }

  private info(index: i32): i32 {
    const info = new StaticArray<i32>(4);
    check(host.model_info(this.handle, changetype<usize>(info), 16));
    return info[index];
  }

  /// Tokens that the model knows.
  get vocabulary(): i32 {
    return this.info(0);
  }

  /// The most tokens of a sequence.
  get context(): i32 {
    return this.info(1);
  }

  /// The embedding of a text's tokens, of length 1; pooling is one of EMBED_MODEL, EMBED_MEAN, EMBED_CLS,
  /// EMBED_LAST.
  embed(tokens: StaticArray<i32>, pooling: i32 = host.EMBED_MODEL): StaticArray<f32> {
    // Asked for once: each call computes it.
    const row = new StaticArray<f32>(16384);
    const n = check(
      host.embed(
        this.handle, changetype<usize>(tokens), tokens.length, pooling, changetype<usize>(row), row.length));
    const exact = new StaticArray<f32>(min(n, row.length));
    memory.copy(changetype<usize>(exact), changetype<usize>(row), 4 * exact.length);
    return exact;
  }

  /// Token ids of a text that follows others: no begin token, control tokens stay text.
  tokenize(text: string, flags: i32 = 0): StaticArray<i32> {
    const bytes = String.UTF8.encode(text);
    // A token has at least one byte, and two may stand before the text.
    const ids = new StaticArray<i32>(bytes.byteLength + 2);
    const n = check(
      host.tokenize(
        this.handle, changetype<usize>(bytes), bytes.byteLength, flags, changetype<usize>(ids), ids.length));
    const exact = new StaticArray<i32>(min(n, ids.length));
    memory.copy(changetype<usize>(exact), changetype<usize>(ids), 4 * exact.length);
    return exact;
  }

  /// Token ids of a text within an answer. Some vocabularies put a space before every text: one that the
  /// text begins with is not doubled.
  continuation(text: string): StaticArray<i32> {
    const ids = this.tokenize(text);
    return text.startsWith(" ") && this.beginsWithTwoSpaces(ids) ? this.tokenize(text.substring(1)) : ids;
  }

  private beginsWithTwoSpaces(ids: StaticArray<i32>): bool {
    const bytes = new StaticArray<u8>(64);
    let n = 0;
    for (let i = 0; i < ids.length && n < 2; i++) {
      n += check(host.token_bytes(this.handle, ids[i], changetype<usize>(bytes) + n, 64 - n));
    }
    return n > 1 && bytes[0] == 0x20 && bytes[1] == 0x20;
  }

  /// A conversation as token ids, up to where the answer begins; made of `message`s.
  chat(messages: string[]): StaticArray<i32> {
    const json = String.UTF8.encode("[" + messages.join(",") + "]");
    const from = changetype<usize>(json);
    const size = check(host.chat_template(this.handle, from, json.byteLength, 0, 0));
    const buffer = new ArrayBuffer(size);
    check(host.chat_template(this.handle, from, json.byteLength, changetype<usize>(buffer), size));
    return this.tokenize(decode(buffer, size), host.ADD_SPECIAL | host.PARSE_SPECIAL);
  }

  /// Whether a token ends the answer.
  ends(token: i32): bool {
    return (check(host.token_flags(this.handle, token)) & host.TOKEN_ENDS_GENERATION) != 0;
  }

  close(): void {
    host.model_close(this.handle);
  }
}

/// Tokens with their keys and values; forks share them until one goes on.
export class Sequence {
  private constructor(public handle: i32) {}

  static of(model: Model): Sequence {
    return new Sequence(check(host.kv_new(model.handle)));
  }

  /// A sequence that goes on as the one that was saved under a name.
  static openSaved(model: Model, name: string): Sequence {
    const bytes = String.UTF8.encode(name);
    return new Sequence(check(host.kv_open(model.handle, changetype<usize>(bytes), bytes.byteLength)));
  }

  fork(): Sequence {
    return new Sequence(check(host.kv_fork(this.handle)));
  }

  get length(): i32 {
    return check(host.kv_len(this.handle));
  }

  truncate(length: i32): void {
    check(host.kv_truncate(this.handle, length));
  }

  /// Keeps the sequence for later calls and realms of the tenant, in place of what has the name.
  save(name: string): void {
    const bytes = String.UTF8.encode(name);
    check(host.kv_save(this.handle, changetype<usize>(bytes), bytes.byteLength));
  }

  /// The text that a token adds: whole characters, the rest waits for the next token.
  text(token: i32): string {
    const buffer = new ArrayBuffer(1024);
    const size = check(host.kv_text(this.handle, token, changetype<usize>(buffer), 1024));
    return decode(buffer, min(size, 1024));
  }

  /// Logits of an output of the last step, whose request had the flag STEP_LOGITS.
  logits(output: i32, vocabulary: i32): StaticArray<f32> {
    const logits = new StaticArray<f32>(vocabulary);
    check(host.logits_read(this.handle, output, changetype<usize>(logits), vocabulary));
    return logits;
  }

  free(): void {
    if (this.handle != 0) host.kv_free(this.handle);
    this.handle = 0;
  }
}

// ---- constraints and samplers --------------------------------------------------------------------

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

  free(): void {
    if (this.handle != 0) host.matcher_free(this.handle);
    this.handle = 0;
  }
}

/// A sampler with all settings, as docs/guest-abi.md lists them; one for each sequence.
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

// ---- steps ---------------------------------------------------------------------------------------

/// One request of a step: 64 bytes of a `Batch`, as the host reads them.
@unmanaged
export class Request {
  kv: i32;
  tokens: usize;
  n: i32;
  out: usize;
  logprobOut: usize;
  flags: i32;
  mask: usize;
  matcher: i32;
  temperature: f32;
  topK: i32;
  topP: f32;
  seed: i32;
  minP: f32;
  repeatPenalty: f32;
  status: i32;
  sampler: i32;
}

/// Requests of different sequences that one forward step computes together, at most 64. Each appends
/// tokens and samples the next one.
export class Batch {
  private requests: ArrayBuffer;
  private tokens: StaticArray<i32>;
  private logprobs: StaticArray<f32>;
  // What the requests point to must live as long as they do.
  private inputs: StaticArray<i32>[] = [];

  constructor(public readonly rows: i32) {
    this.requests = new ArrayBuffer(64 * rows);
    this.tokens = new StaticArray<i32>(rows);
    this.logprobs = new StaticArray<f32>(rows);
    for (let i = 0; i < rows; i++) {
      const request = this.request(i);
      request.out = changetype<usize>(this.tokens) + 4 * i;
      request.logprobOut = changetype<usize>(this.logprobs) + 4 * i;
      request.topP = 1;
      this.inputs.push(new StaticArray<i32>(1));
    }
  }

  /// A row's record, to set how it samples.
  request(row: i32): Request {
    return changetype<Request>(changetype<usize>(this.requests) + 64 * row);
  }

  /// Lets a row append tokens to a sequence.
  set(row: i32, sequence: Sequence, tokens: StaticArray<i32>): void {
    this.inputs[row] = tokens;
    const request = this.request(row);
    request.kv = sequence.handle;
    request.tokens = changetype<usize>(tokens);
    request.n = tokens.length;
  }

  /// Lets a row append the one token that it sampled, or another.
  next(row: i32, sequence: Sequence, token: i32): void {
    const one = new StaticArray<i32>(1);
    one[0] = token;
    this.set(row, sequence, one);
  }

  /// Runs the first rows in one step; false after an error.
  step(rows: i32): bool {
    if (ok()) check(host.step(changetype<usize>(this.requests), rows));
    return ok();
  }

  /// What a row sampled.
  token(row: i32): i32 {
    return this.tokens[row];
  }

  /// The natural logarithm of its probability.
  logprob(row: i32): f32 {
    return this.logprobs[row];
  }

  /// Whether that ends the answer.
  ended(row: i32): bool {
    return (this.request(row).status & host.STATUS_ENDS_GENERATION) != 0;
  }
}

export { Config } from "./config";

// ---- exports that every guest has ----------------------------------------------------------------

/// Why a generation ended, as the default guest says it.
export const STOPPED: i32 = 0;
export const LENGTH: i32 = 1;

/// `load_model(id, options)` → a handle.
export function load_model(): i32 {
  begin();
  return end(Model.open(argument(0)).handle);
}

/// `unload_model(handle)`.
export function unload_model(model: i32): i32 {
  return host.model_close(model);
}

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
  return String.UTF8.decodeUnsafe(at(buffer), length);
}

/// The bytes of a text in UTF-8.
function utf8(text: string): ArrayBuffer {
  return String.UTF8.encode(text);
}

/// Where the host reads or writes them.
function at(buffer: ArrayBuffer): usize {
  return changetype<usize>(buffer);
}

/// The version of the ABI that the host has.
export function abiVersion(): i32 {
  return host.abi_version();
}

/// An argument of the call, by its index among all of them.
export function argument(index: i32): string {
  let buffer = new ArrayBuffer(4096);
  let size = check(host.arg_read(index, at(buffer), buffer.byteLength));
  if (size > buffer.byteLength) {
    buffer = new ArrayBuffer(size);
    check(host.arg_read(index, at(buffer), size));
  }
  return decode(buffer, size);
}

/// Sends text to the caller.
export function emit(text: string): void {
  if (text.length == 0) return;
  const bytes = utf8(text);
  check(host.emit_text(at(bytes), bytes.byteLength));
}

/// Tells the caller the id of a token; its text is emitted apart.
export function emitToken(token: i32): void {
  check(host.emit_token(token));
}

/// Sends a text that guest and caller agreed on.
export function emitEvent(kind: i32, text: string): void {
  emitBytes(kind, utf8(text));
}

/// Sends bytes that guest and caller agreed on.
export function emitBytes(kind: i32, data: ArrayBuffer): void {
  check(host.emit_event(kind, at(data), data.byteLength));
}

/// Sends numbers that guest and caller agreed on, f32 each.
export function emitFloats(kind: i32, values: StaticArray<f32>): void {
  check(host.emit_event(kind, changetype<usize>(values), 4 * values.length));
}

/// Sends numbers that guest and caller agreed on, i32 each.
export function emitInts(kind: i32, values: StaticArray<i32>): void {
  check(host.emit_event(kind, changetype<usize>(values), 4 * values.length));
}

/// A line for the operator: level 0 error, 1 warning, 2 information.
export function log(level: i32, line: string): void {
  const bytes = utf8(line);
  host.log(level, at(bytes), bytes.byteLength);
}

/// Milliseconds since the call began.
export function nowMillis(): i32 {
  return host.now_ms();
}

/// Random bytes, at most 64 KiB.
export function random(count: i32): ArrayBuffer {
  const bytes = new ArrayBuffer(count);
  check(host.random(at(bytes), count));
  return bytes;
}

/// What is left, of one of the kinds BUDGET_MILLIS, BUDGET_NEW_TOKENS, BUDGET_MEMORY.
export function budgetLeft(what: i32): i32 {
  return check(host.budget_left(what));
}

/// Asks a function of the embedding program. A tool that is not there is an error of the call (ENOENT).
export function callTool(name: string, text: string): string {
  const n = utf8(name);
  const t = utf8(text);
  const blob = check(
    host.tool_call(at(n), n.byteLength, at(t), t.byteLength));
  if (blob == 0) return "";
  const size = check(host.blob_read(blob, 0, 0, 0));
  const buffer = new ArrayBuffer(size);
  check(host.blob_read(blob, 0, at(buffer), size));
  host.blob_free(blob);
  return decode(buffer, size);
}

/// What the realm keeps under a key between calls; empty where there is nothing.
export function load(key: string): string {
  const bytes = loadBytes(key);
  return bytes ? decode(bytes, bytes.byteLength) : "";
}

/// The same as bytes; null where there is nothing.
export function loadBytes(key: string): ArrayBuffer | null {
  const k = utf8(key);
  const size = host.kvs_get(at(k), k.byteLength, 0, 0);
  if (size == host.ENOENT) return null;
  const buffer = new ArrayBuffer(check(size));
  check(host.kvs_get(at(k), k.byteLength, at(buffer), buffer.byteLength));
  return buffer;
}

/// Keeps a value under a key; an empty value removes it.
export function store(key: string, value: string): void {
  storeBytes(key, utf8(value));
}

export function storeBytes(key: string, value: ArrayBuffer): void {
  const k = utf8(key);
  check(host.kvs_put(at(k), k.byteLength, at(value), value.byteLength));
}

/// Forgets the sequence that `Sequence.save` kept under a name.
export function forget(name: string): void {
  const bytes = utf8(name);
  check(host.kv_save(0, at(bytes), bytes.byteLength));
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
    const bytes = utf8(name);
    return new Model(check(host.model_open(at(bytes), bytes.byteLength)));
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

  /// The token that begins a text, or -1.
  get beginToken(): i32 {
    return this.info(2);
  }

  /// The token that ends a text, or -1.
  get endToken(): i32 {
    return this.info(3);
  }

  /// The embedding of a text's tokens, of length 1; pooling is one of EMBED_MODEL, EMBED_MEAN, EMBED_CLS,
  /// EMBED_LAST.
  embed(tokens: StaticArray<i32>, pooling: i32 = host.EMBED_MODEL): StaticArray<f32> {
    return embedding(this.handle, tokens, pooling);
  }

  /// The text of tokens.
  detokenize(ids: StaticArray<i32>): string {
    const from = changetype<usize>(ids);
    const size = check(host.detokenize(this.handle, from, ids.length, 0, 0));
    const buffer = new ArrayBuffer(size);
    check(host.detokenize(this.handle, from, ids.length, at(buffer), size));
    return decode(buffer, size);
  }

  /// The bytes of a token's text; none for control tokens.
  tokenBytes(token: i32): ArrayBuffer {
    const buffer = new ArrayBuffer(check(host.token_bytes(this.handle, token, 0, 0)));
    check(host.token_bytes(this.handle, token, at(buffer), buffer.byteLength));
    return buffer;
  }

  /// Token ids of a text that follows others: no begin token, control tokens stay text.
  tokenize(text: string, flags: i32 = 0): StaticArray<i32> {
    const bytes = utf8(text);
    // A token has at least one byte, and two may stand before the text.
    const ids = new StaticArray<i32>(bytes.byteLength + 2);
    const n = check(
      host.tokenize(
        this.handle, at(bytes), bytes.byteLength, flags, changetype<usize>(ids), ids.length));
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
    const from = at(json);
    const size = check(host.chat_template(this.handle, from, json.byteLength, 0, 0));
    const buffer = new ArrayBuffer(size);
    check(host.chat_template(this.handle, from, json.byteLength, at(buffer), size));
    return this.tokenize(decode(buffer, size), host.ADD_SPECIAL | host.PARSE_SPECIAL);
  }

  isControl(token: i32): bool {
    return (check(host.token_flags(this.handle, token)) & host.TOKEN_CONTROL) != 0;
  }

  /// Whether a token ends the answer.
  ends(token: i32): bool {
    return (check(host.token_flags(this.handle, token)) & host.TOKEN_ENDS_GENERATION) != 0;
  }

  close(): void {
    host.model_close(this.handle);
  }
}

/// An embedding by a model, or appended to a sequence.
function embedding(modelOrKv: i32, tokens: StaticArray<i32>, pooling: i32): StaticArray<f32> {
  // Asked for once: each call computes it.
  const row = new StaticArray<f32>(16384);
  const n = check(
    host.embed(modelOrKv, changetype<usize>(tokens), tokens.length, pooling, changetype<usize>(row), row.length));
  const exact = new StaticArray<f32>(min(n, row.length));
  memory.copy(changetype<usize>(exact), changetype<usize>(row), 4 * exact.length);
  return exact;
}

/// Tokens with their keys and values; forks share them until one goes on.
export class Sequence {
  private constructor(public handle: i32) {}

  static of(model: Model): Sequence {
    return new Sequence(check(host.kv_new(model.handle)));
  }

  /// A sequence that goes on as the one that was saved under a name.
  static openSaved(model: Model, name: string): Sequence {
    const bytes = utf8(name);
    return new Sequence(check(host.kv_open(model.handle, at(bytes), bytes.byteLength)));
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

  /// Keeps the sequence for later calls and realms of the tenant, in place of what has the name. One that did
  /// not open or is freed is an error (EBADF).
  save(name: string): void {
    if (this.handle == 0) {
      // With 0 for the sequence the host would forget the name.
      check(host.EBADF);
      return;
    }
    const bytes = utf8(name);
    check(host.kv_save(this.handle, at(bytes), bytes.byteLength));
  }

  /// Appends tokens and embeds them; pooling as for a model.
  embed(tokens: StaticArray<i32>, pooling: i32 = host.EMBED_MODEL): StaticArray<f32> {
    return embedding(this.handle, tokens, pooling);
  }

  /// The text that a token adds: whole characters, the rest waits for the next token.
  text(token: i32): string {
    const buffer = new ArrayBuffer(1024);
    const size = check(host.kv_text(this.handle, token, at(buffer), 1024));
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

// ---- constraints, steps, low level ---------------------------------------------------------------

export { Grammar, Matcher, Sampler } from "./constraint";
export { Batch, Request, Ticket } from "./batch";
export { layerStats, loadLayer, multiply, multiplyTransposed, storeLayer } from "./lowlevel";
export { Config } from "./config";

// ---- exports that every guest has ----------------------------------------------------------------

/// Why a generation ended, as the default guest says it.
export const STOPPED: i32 = 0;
export const LENGTH: i32 = 1;

/// `load_model(id, options)` → a handle. A host of another version of the ABI is refused.
export function load_model(): i32 {
  begin();
  const version = abiVersion();
  if (version != host.ABI_VERSION) {
    log(0, "guest: expected version 1 of realm_host, found " + version.toString());
    return host.EINVAL;
  }
  return end(Model.open(argument(0)).handle);
}

/// `unload_model(handle)`.
export function unload_model(model: i32): i32 {
  return host.model_close(model);
}

// Calls every function of the package and checks what it gives: the package's test, not a guest to start from.
//
// `conformance` returns the number of checks that failed; event 2 names them. Event 1 is four bytes, event 3 the
// model's numbers (i32), event 4 the lengths of two embeddings (i32).

import {
  Batch, Config, Grammar, Matcher, Model, STOPPED, Sampler, Sequence, abiVersion, argument, begin, budgetLeft,
  callTool, emit, emitBytes, emitEvent, emitInts, emitToken, end, forget, host, layerStats, load, loadBytes,
  loadLayer, log, message, multiply, multiplyTransposed, nowMillis, ok, random, store, storeBytes, storeLayer,
} from "../assembly";

export { load_model, unload_model } from "../assembly";

let failures: i32 = 0;
let failed: string = "";

function expect(what: string, holds: bool): void {
  if (holds) return;
  failures++;
  failed += what + "\n";
}

/// The error of what was just done, which must have failed; forgets it.
function error(): i32 {
  const number = end(0);
  begin();
  return number;
}

function bytes(values: StaticArray<u8>): ArrayBuffer {
  const all = new ArrayBuffer(values.length);
  memory.copy(changetype<usize>(all), changetype<usize>(values), values.length);
  return all;
}

function same(a: ArrayBuffer | null, b: ArrayBuffer): bool {
  if (!a || a.byteLength != b.byteLength) return false;
  return memory.compare(changetype<usize>(a), changetype<usize>(b), b.byteLength) == 0;
}

function equal(a: StaticArray<f32>, b: StaticArray<f32>): bool {
  if (a.length != b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] != b[i]) return false;
  return true;
}

function isUnit(values: StaticArray<f32>): bool {
  let sum: f32 = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return Mathf.abs(sum - 1) < 1e-3;
}

function most(values: StaticArray<f32>): i32 {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

function last(tokens: StaticArray<i32>): StaticArray<i32> {
  const one = new StaticArray<i32>(1);
  one[0] = tokens[tokens.length - 1];
  return one;
}

function output(): void {
  expect("abi_version", abiVersion() == host.ABI_VERSION);
  expect("argument", argument(1) == "grüß dich 🦊");
  const config = new Config(argument(2));
  expect("config number", config.number("number", 0) == -1.5 && config.integer("none", 7) == 7);
  expect("config text", config.text("text", "") == 'a"😀' && config.text("none", "-") == "-");
  const list = config.texts("list");
  expect("config list", list.length == 2 && list[0] == "x" && list[1] == "y");
  expect("config flag", config.flag("flag", false) && !config.flag("none", false));
  emit("grüß dich 🦊");
  emitToken(7);
  emitBytes(1, bytes([0, 1, 200, 255]));
  log(2, "conformance");
}

function realm(): void {
  const now = nowMillis();
  expect("now_ms", now >= 0 && nowMillis() >= now);
  expect("random", !same(random(16), random(16)));
  const millis = budgetLeft(host.BUDGET_MILLIS);
  expect("budget_left", millis > 0 && millis <= 60000);
  const tokens = budgetLeft(host.BUDGET_NEW_TOKENS);
  expect("budget_left tokens", tokens > 0 && tokens <= 10000);
  expect("budget_left memory", budgetLeft(host.BUDGET_MEMORY) > 0);
  budgetLeft(9);
  expect("budget_left of what", error() == host.EINVAL);

  expect("load nothing", loadBytes("key") == null && load("key") == "");
  storeBytes("key", bytes([0, 1, 255]));
  expect("load bytes", same(loadBytes("key"), bytes([0, 1, 255])));
  store("key", "text");
  expect("load", load("key") == "text");
  store("key", "");
  expect("store nothing", loadBytes("key") == null);
  expect("tool_call", callTool("quote", "é") == "<é>");
  callTool("none", "");
  expect("no tool", error() == host.ENOENT);
}

function model(model: Model): void {
  const again = Model.open("sample");
  expect("model_open", again.vocabulary == model.vocabulary);
  again.close();
  again.vocabulary;
  expect("model_close", error() == host.EBADF);
  const numbers = new StaticArray<i32>(4);
  numbers[0] = model.vocabulary;
  numbers[1] = model.context;
  numbers[2] = model.beginToken;
  numbers[3] = model.endToken;
  emitInts(3, numbers);
  const ids = model.tokenize("Hello Paris");
  expect("tokenize", ids.length > 0);
  const continuation = model.continuation(" Paris");
  let continued = "";
  for (let i = 0; i < continuation.length; i++) continued += String.UTF8.decode(model.tokenBytes(continuation[i]));
  expect("continuation", continued == " Paris");
  expect("detokenize", model.detokenize(ids).endsWith("Hello Paris"));
  expect("token_bytes", model.tokenBytes(ids[ids.length - 1]).byteLength > 0);
  expect("token_flags", model.ends(model.endToken) && !model.ends(ids[0]));
  expect("token_flags control", model.isControl(model.endToken) && !model.isControl(ids[0]));
  expect("chat_template", model.chat([message("user", 'a"b\n')]).length > 4);
}

function steps(model: Model, sequence: Sequence, prompt: StaticArray<i32>): void {
  const batch = new Batch(2);
  batch.set(0, sequence, prompt);
  batch.request(0).flags = host.STEP_LOGITS | host.STEP_EMIT;
  batch.step(1);
  const first = batch.token(0);
  expect("kv_len", sequence.length == prompt.length);
  expect("logits_read", most(sequence.logits(0, model.vocabulary)) == first);
  expect("logprob", batch.logprob(0) <= 0 && batch.logprob(0) > -1);
  expect("kv_text", sequence.text(first).length > 0);

  // All positions of the prompt again, beside a row that samples with a sampler of its own.
  const other = Sequence.of(model);
  const fork = sequence.fork();
  const sampler = Sampler.of(model, '{"temperature":0}');
  expect("kv_fork", fork.length == prompt.length);
  fork.truncate(prompt.length - 1);
  expect("kv_truncate", fork.length == prompt.length - 1);
  batch.set(0, other, prompt);
  batch.request(0).flags = host.STEP_ALL;
  batch.set(1, fork, last(prompt));
  batch.sampler(1, sampler);
  batch.step(2);
  expect("ALL", batch.outputs(0) == prompt.length && batch.token(0, prompt.length - 1) == first);
  for (let i = 0; i < prompt.length; i++) expect("ALL's probabilities", batch.logprob(0, i) <= 0);
  expect("sampler", batch.token(1) == first && !batch.ended(1));
  other.truncate(prompt.length - 1);
  batch.set(0, other, last(prompt));
  batch.request(0).flags = host.STEP_NONE;
  batch.step(1);
  expect("NONE", batch.outputs(0) == 0 && other.length == prompt.length);
  Sampler.of(model, '{"temperature":"x"}');
  expect("sampler_new", error() == host.EINVAL);
  batch.step(3);
  expect("more rows than there are", error() == host.EINVAL);

  other.truncate(prompt.length - 1);
  batch.request(0).flags = host.STEP_NO_END;
  const ticket = batch.submit(1);
  let done = false;
  for (let i = 0; i < 100 && !done; i++) done = ticket.wait(100);
  expect("step_wait", done && batch.token(0) == first);
  sampler.free();
  other.free();
  fork.free();
}

function saved(model: Model, sequence: Sequence): void {
  sequence.save("conformance");
  const opened = Sequence.openSaved(model, "conformance");
  expect("kv_open", opened.length == sequence.length);
  opened.free();
  // What is freed cannot be saved, and what was saved stays.
  opened.save("conformance");
  expect("save what is freed", error() == host.EBADF);
  const again = Sequence.openSaved(model, "conformance");
  expect("saved stays", ok() && again.length == sequence.length);
  again.free();
  forget("conformance");
  const none = Sequence.openSaved(model, "conformance");
  expect("forget", error() == host.ENOENT && none.handle == 0);
}

function embeddings(model: Model, prompt: StaticArray<i32>): void {
  const alone = model.embed(prompt, host.EMBED_MEAN);
  const sequence = Sequence.of(model);
  const appended = sequence.embed(prompt, host.EMBED_MEAN);
  expect("embed", isUnit(alone) && isUnit(appended));
  expect("embed of a sequence", sequence.length == prompt.length);
  sequence.free();
  const lengths = new StaticArray<i32>(2);
  lengths[0] = alone.length;
  lengths[1] = appended.length;
  emitInts(4, lengths);
}

/// What is freed constrains nothing, so it must not go through as none.
function freed(model: Model, batch: Batch, sequence: Sequence, matcher: Matcher, tokens: StaticArray<i32>): void {
  const sampler = Sampler.of(model, "{}");
  sampler.free();
  matcher.free();
  batch.set(0, sequence, tokens);
  batch.matcher(0, matcher);
  expect("step with a freed matcher", !batch.step(1) && error() == host.EBADF);
  expect("the same once the error is forgotten", !batch.step(1) && error() == host.EBADF);
  batch.matcher(0, null);
  batch.sampler(0, sampler);
  expect("step with a freed sampler", !batch.step(1) && error() == host.EBADF);
  batch.sampler(0, null);
  expect("step without them", batch.step(1));
}

function constraints(model: Model, prompt: StaticArray<i32>): void {
  Grammar.compile(host.REGEX, "(");
  expect("grammar_compile", error() == host.EINVAL);
  const grammar = Grammar.compile(host.REGEX, "^Rome$");
  const matcher = Matcher.of(grammar, model);
  const fork = matcher.fork();
  const sequence = Sequence.of(model);
  const batch = new Batch(1);
  expect("matcher_forced", matcher.forced() == "Rome");
  const forced = matcher.forcedTokens();
  expect("matcher_forced_tokens", forced.length > 0 && forced.length <= 4);
  const mask = matcher.mask();
  expect("matcher_mask", mask.length == (model.vocabulary + 31) / 32);
  batch.set(0, sequence, prompt);
  batch.mask(0, mask);
  batch.step(1);
  const token = batch.token(0);
  expect("mask", ((mask[token / 32] >> (token % 32)) & 1) == 1);
  matcher.accept(token);
  sequence.truncate(prompt.length - 1);
  batch.set(0, sequence, last(prompt));
  batch.matcher(0, fork);
  batch.step(1);
  expect("matcher", batch.token(0) == token && fork.forced() == matcher.forced());
  expect("matcher_status", matcher.complete == (matcher.forced().length == 0));
  for (let i = 0; i < 8 && !fork.complete; i++) {
    batch.next(0, sequence, batch.token(0));
    batch.step(1);
  }
  expect("matcher finished", fork.complete && fork.finished);
  freed(model, batch, sequence, fork, last(prompt));
  sequence.free();
  fork.free();
  matcher.free();
  grammar.free();
}

function layers(): void {
  const a: StaticArray<f32> = [1, 2, 3, 4];
  const b: StaticArray<f32> = [5, 6, 7, 8];
  expect("matmul", equal(multiply(a, b, 2, 2, 2), [19, 22, 43, 50]));
  expect("matmul transposed", equal(multiplyTransposed(a, b, 2, 2, 2), [17, 23, 39, 53]));
  storeLayer("mine", 3, bytes([4, 5, 6]));
  expect("layer", same(loadLayer("mine", 3), bytes([4, 5, 6])));
  loadLayer("mine", 4);
  expect("no layer", error() == host.ENOENT);
  expect("layer stats", layerStats()[1] >= 1);
}

export function conformance(handle: i32): i32 {
  begin();
  failures = STOPPED;
  failed = "";
  const sample = new Model(handle);
  output();
  realm();
  model(sample);
  const prompt = sample.chat([message("user", "What is the capital of France?")]);
  const sequence = Sequence.of(sample);
  steps(sample, sequence, prompt);
  saved(sample, sequence);
  sequence.free();
  embeddings(sample, prompt);
  constraints(sample, prompt);
  layers();
  expect("no other error", ok());
  const ended = error();
  emitEvent(2, failed);
  return ended < 0 ? ended : failures;
}

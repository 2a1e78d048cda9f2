// Self-consistency: several answers are sampled side by side, one step of n rows for each token, and the one
// that most of them agree on is emitted.
//
// Configuration: n (9), temperature (1), seed (1), max_tokens (48), after and before (texts around what is
// voted on, such as "=" and "."; without them the whole answer votes), regex (every answer keeps to it).
// Event 1: a line for each vote, `count<TAB>answer`, most votes first.

import {
  Batch, Config, Grammar, LENGTH, Matcher, Model, STOPPED, Sequence, argument, begin, emit, emitEvent, end, host,
  message, ok,
} from "../assembly";

export { load_model, unload_model } from "../assembly";

const MOST_ROWS = 32;

class Candidate {
  text: string = "";
  ended: bool = false;

  constructor(public sequence: Sequence, public matcher: Matcher | null, public next: i32) {}

  free(): void {
    this.sequence.free();
    const matcher = this.matcher;
    if (matcher) matcher.free();
  }
}

class Vote {
  count: i32 = 1;

  constructor(public key: string, public answer: string) {}
}

/// What of an answer votes.
function key(answer: string, after: string, before: string): string {
  let from = 0;
  let until = answer.length;
  if (after.length > 0) {
    const at = answer.indexOf(after);
    if (at < 0) return "";
    from = at + after.length;
  }
  if (before.length > 0) {
    const at = answer.indexOf(before, from);
    if (at >= 0) until = at;
  }
  return answer.substring(from, until).trim();
}

function count(candidates: Candidate[], config: Config): Vote[] {
  const after = config.text("after", "");
  const before = config.text("before", "");
  const votes: Vote[] = [];
  for (let i = 0; i < candidates.length; i++) {
    const answer = candidates[i].text;
    const voted = key(answer, after, before);
    // Who has not come to an answer has no vote.
    if (voted.length == 0 || !candidates[i].ended) continue;
    let known = false;
    for (let j = 0; j < votes.length && !known; j++) {
      known = votes[j].key == voted;
      if (known) votes[j].count++;
    }
    if (!known) votes.push(new Vote(voted, answer));
  }
  return votes.sort((a, b) => b.count - a.count);
}

export function generate(handle: i32): i32 {
  begin();
  const model = new Model(handle);
  const config = new Config(argument(2));
  const n = config.integer("n", 9);
  const most = config.integer("max_tokens", 48);
  const temperature = <f32>config.number("temperature", 1);
  const seed = config.integer("seed", 1);
  if (n < 1 || n > MOST_ROWS) return host.EINVAL;
  const prompt = model.chat([message("user", argument(1))]);

  // The prompt but its last token is computed once, and shared.
  const first = Sequence.of(model);
  const batch = new Batch(n);
  if (ok() && prompt.length > 1) {
    batch.set(0, first, StaticArray.fromArray(prompt.slice<i32[]>(0, prompt.length - 1)));
    batch.request(0).flags = host.STEP_NONE;
    batch.step(1);
  }
  const regex = config.text("regex", "");
  const grammar = regex.length > 0 && ok() ? Grammar.compile(host.REGEX, regex) : null;
  const candidates: Candidate[] = [];
  for (let i = 0; i < n && ok(); i++) {
    const matcher = grammar ? Matcher.of(grammar, model) : null;
    candidates.push(new Candidate(i == 0 ? first : first.fork(), matcher, prompt[prompt.length - 1]));
  }

  for (let produced = 0; produced < most && ok(); produced++) {
    const running: Candidate[] = [];
    for (let i = 0; i < candidates.length; i++) {
      if (candidates[i].ended) continue;
      const row = running.push(candidates[i]) - 1;
      const request = batch.request(row);
      request.flags = 0;
      request.temperature = temperature;
      request.seed = seed + i;
      const matcher = candidates[i].matcher;
      request.matcher = matcher ? matcher.handle : 0;
      batch.next(row, candidates[i].sequence, candidates[i].next);
    }
    if (running.length == 0 || !batch.step(running.length)) break;
    for (let row = 0; row < running.length; row++) {
      const candidate = running[row];
      candidate.ended = batch.ended(row);
      candidate.next = batch.token(row);
      if (!candidate.ended) candidate.text += candidate.sequence.text(candidate.next);
    }
  }

  const votes = ok() ? count(candidates, config) : [];
  first.free();
  for (let i = 0; i < candidates.length; i++) candidates[i].free();
  if (grammar) grammar.free();
  if (!ok()) return end(0);
  let result = "";
  for (let i = 0; i < votes.length; i++) result += votes[i].count.toString() + "\t" + votes[i].key + "\n";
  emitEvent(1, result);
  if (votes.length == 0) return end(LENGTH);
  emit(votes[0].answer);
  return end(STOPPED);
}

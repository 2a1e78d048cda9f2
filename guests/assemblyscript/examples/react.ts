// A tool loop in the manner of ReAct (Yao et al., 2023): where the model writes an action, the generation stops,
// a function of the embedding program is asked, its answer becomes part of the sequence, and the model goes on
// from there. No token before it is computed again.
//
// Configuration: tool (its name, "tool"), action and until (the texts around what the tool is asked; "Action: "
// and "\n"; an empty action means the begin of the answer or of a sentence), before and after (the texts around
// its answer in the sequence; "Observation: " and "\n"), max_calls (8), temperature (0), seed (0),
// max_tokens (128).
// Event 1: a line for each call, `question<TAB>answer`.

import {
  Batch, Config, LENGTH, Model, STOPPED, Sequence, argument, begin, callTool, emit, emitEvent, end, message, ok,
} from "../assembly";

export { load_model, unload_model } from "../assembly";

class Action {
  constructor(private open: string, private close: string) {}

  /// What is asked, where the text ends in a whole action; else empty.
  question(text: string): string {
    if (!text.endsWith(this.close)) return "";
    const inner = text.substring(0, text.length - this.close.length);
    if (this.open.length == 0) {
      const sentence = inner.lastIndexOf(". ");
      return inner.substring(sentence < 0 ? 0 : sentence + 2).trim();
    }
    const at = inner.lastIndexOf(this.open);
    return at < 0 ? "" : inner.substring(at + this.open.length).trim();
  }
}

/// The sampled token, which is not in the sequence yet, and the tokens after it.
function join(token: i32, more: StaticArray<i32>): StaticArray<i32> {
  const all = new StaticArray<i32>(1 + more.length);
  all[0] = token;
  memory.copy(changetype<usize>(all) + 4, changetype<usize>(more), 4 * more.length);
  return all;
}

export function generate(handle: i32): i32 {
  begin();
  const model = new Model(handle);
  const config = new Config(argument(2));
  const tool = config.text("tool", "tool");
  const action = new Action(config.text("action", "Action: "), config.text("until", "\n"));
  const before = config.text("before", "Observation: ");
  const after = config.text("after", "\n");
  const most = config.integer("max_tokens", 128);
  let calls = config.integer("max_calls", 8);

  const sequence = Sequence.of(model);
  const batch = new Batch(1);
  batch.request(0).temperature = <f32>config.number("temperature", 0);
  batch.request(0).seed = config.integer("seed", 0);
  batch.set(0, sequence, model.chat([message("user", argument(1))]));
  let text = "";
  let asked = "";
  let result = LENGTH;
  for (let i = 0; i < most && batch.step(1); i++) {
    const token = batch.token(0);
    if (batch.ended(0)) {
      result = STOPPED;
      break;
    }
    const piece = sequence.text(token);
    emit(piece);
    text += piece;
    const question = calls > 0 ? action.question(text) : "";
    if (question.length == 0) {
      batch.next(0, sequence, token);
      continue;
    }
    calls--;
    const answer = callTool(tool, question);
    if (!ok()) break;
    asked += question + "\t" + answer + "\n";
    const observation = before + answer + after;
    emit(observation);
    text += observation;
    batch.set(0, sequence, join(token, model.continuation(observation)));
  }
  emitEvent(1, asked);
  sequence.free();
  return end(result);
}

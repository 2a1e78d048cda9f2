import { Batch, LENGTH, Model, STOPPED, Sequence, argument, begin, emit, end, message } from "../assembly";

export { load_model, unload_model } from "../assembly";

export function generate(handle: i32): i32 {
  begin();
  const model = new Model(handle);
  const sequence = Sequence.of(model);
  const batch = new Batch(1);
  batch.set(0, sequence, model.chat([message("user", argument(1))]));
  let result = LENGTH;
  for (let i = 0; i < 64 && batch.step(1); i++) {
    if (batch.ended(0)) {
      result = STOPPED;
      break;
    }
    emit(sequence.text(batch.token(0)));
    batch.next(0, sequence, batch.token(0));
  }
  sequence.free();
  return end(result);
}

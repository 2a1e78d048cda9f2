// Search by meaning: of several texts the one whose embedding is nearest to the prompt's. With a model that only
// embeds (BERT and its kin), or with any other by its pooled hidden states.
//
// Configuration: texts (a list), pooling (0 the model's own, 1 mean, 2 first token, 3 last token).
// Event 1: lines of similarity, tab and text, the most similar first. Event 2: the prompt's embedding, f32.

import { Config, Model, STOPPED, argument, begin, emit, emitEvent, emitFloats, end, host, ok } from "../assembly";

export { load_model, unload_model } from "../assembly";

class Hit {
  constructor(public text: string, public similarity: f32) {}
}

function embed(model: Model, text: string, pooling: i32): StaticArray<f32> {
  return model.embed(model.tokenize(text, host.ADD_SPECIAL), pooling);
}

/// The cosine: embeddings have length 1.
function similarity(a: StaticArray<f32>, b: StaticArray<f32>): f32 {
  let sum: f32 = 0;
  for (let i = 0; i < a.length && i < b.length; i++) sum += a[i] * b[i];
  return sum;
}

export function generate(handle: i32): i32 {
  begin();
  const model = new Model(handle);
  const config = new Config(argument(2));
  const texts = config.texts("texts");
  const pooling = config.integer("pooling", host.EMBED_MODEL);
  if (texts.length == 0) return host.EINVAL;
  const asked = embed(model, argument(1), pooling);
  const hits: Hit[] = [];
  for (let i = 0; i < texts.length && ok(); i++) {
    hits.push(new Hit(texts[i], similarity(asked, embed(model, texts[i], pooling))));
  }
  if (!ok()) return end(0);
  hits.sort((a, b) => (b.similarity > a.similarity ? 1 : b.similarity < a.similarity ? -1 : 0));
  let lines = "";
  for (let i = 0; i < hits.length; i++) lines += hits[i].similarity.toString() + "\t" + hits[i].text + "\n";
  emitEvent(1, lines);
  emitFloats(2, asked);
  emit(hits[0].text);
  return end(STOPPED);
}

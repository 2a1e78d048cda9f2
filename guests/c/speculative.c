/* Speculative decoding: a small draft model proposes k tokens, the target model checks all of them in one step.
 * What comes out is exactly what the target alone would say, in fewer of its steps.
 *
 * Configuration: draft (name of the draft model, "draft"), k (4), max_tokens (64).
 * Event 1: i32[4], steps of the target, steps of the draft, tokens proposed, tokens accepted.
 */
#include "realm_guest.h"

enum { MOST_AHEAD = 16 };

static int32_t ids[RG_IDS], proposed[MOST_AHEAD], said[MOST_AHEAD + 1];
static realm_step request;

/* Feeds a sequence what it lacks of ids[0, n) and samples the token after it. */
static int32_t feed(int32_t kv, int32_t n, int32_t *out) {
  int32_t have = kv_len(kv);
  if (have < 0) return have;
  request = rg_request(kv, ids + have, n - have, out, 0);
  return step(&request, 1);
}

static int32_t decode(int32_t model, int32_t target, int32_t draft, int32_t count, int32_t k, int32_t most) {
  int32_t stats[4] = {0, 0, 0, 0}, n = count, end = count + most, ended = 0;
  if (end > RG_IDS - MOST_AHEAD - 1) return REALM_EMSGSIZE;
  /* All but the last token of the prompt. */
  int32_t error = 0;
  if (count > 1) {
    request = rg_request(target, ids, count - 1, said, 0);
    request.flags = REALM_STEP_NONE;
    error = step(&request, 1);
  }
  while (error == 0 && n < end && !ended) {
    int32_t ahead = k < end - n - 1 ? k : end - n - 1;
    for (int32_t i = 0; i < ahead && error == 0; i++) {
      error = feed(draft, n + i, &proposed[i]);
      ids[n + i] = proposed[i];
      stats[1]++;
    }
    if (error < 0) break;
    /* The last known token and the proposals: the target says what follows each. */
    request = rg_request(target, ids + n - 1, ahead + 1, said, 0);
    request.flags = REALM_STEP_ALL;
    error = step(&request, 1);
    if (error < 0) break;
    stats[0]++;
    stats[2] += ahead;
    int32_t same = 0;
    while (same < ahead && said[same] == proposed[same]) same++;
    stats[3] += same;
    for (int32_t i = 0; i <= same && !ended && n < end; i++) {
      ended = token_flags(model, said[i]) & REALM_TOKEN_ENDS_GENERATION;
      if (!ended) ids[n++] = said[i];
    }
    /* Both forget what the target did not say: its own last token is not in it yet. */
    int32_t keep = n - 1;
    if (kv_len(target) > keep) kv_truncate(target, keep);
    if (kv_len(draft) > keep) kv_truncate(draft, keep);
  }
  if (error < 0) return error;
  emit_event(1, stats, sizeof stats);
  error = rg_emit(model, ids + count, n - count);
  return error < 0 ? error : ended ? RG_STOPPED : RG_LENGTH;
}

REALM_EXPORT(generate)(int32_t model) {
  int32_t count = rg_begin(model, ids, RG_IDS);
  if (count < 0) return count;
  int32_t k = rg_config_int("k", 4), most = rg_config_int("max_tokens", 64);
  if (k < 1 || k > MOST_AHEAD || most < 1) return REALM_EINVAL;
  int32_t at = rg_config_at("draft"), n = 0;
  if (at >= 0 && rg_config[at] != '"') return REALM_EINVAL;
  while (at >= 0 && at + 1 + n < rg_config_length && rg_config[at + 1 + n] != '"') n++;
  int32_t small = at < 0 ? model_open("draft", 5) : model_open(rg_config + at + 1, n);
  if (small < 0) return small;
  int32_t target = kv_new(model), draft = kv_new(small);
  int32_t result = target < 0 ? target : draft < 0 ? draft : decode(model, target, draft, count, k, most);
  kv_free(target);
  kv_free(draft);
  model_close(small);
  return result;
}

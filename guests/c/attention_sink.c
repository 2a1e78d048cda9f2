/* Streaming past the context: when the sequence is full, its first tokens, on which attention rests (the
 * "sinks" of Xiao et al., 2023), and the most recent ones are kept. The sinks' keys and values stay; the recent
 * tokens are computed anew behind them, at their new positions, in one step. So an answer may be as long as
 * one likes, at the cost of one such step every context - window tokens.
 *
 * Configuration: sinks (4), window (half the context, at most 16384), max_tokens (1000), end (0: never let the model end).
 * Event 1: i32[2], tokens emitted, how often the window moved.
 */
#include "realm_guest.h"

static int32_t prompt[RG_IDS], recent[RG_IDS], refill[RG_IDS];
static realm_step request;

static int32_t min(int32_t a, int32_t b) { return a < b ? a : b; }

REALM_EXPORT(generate)(int32_t model) {
  realm_model_info info;
  int32_t error = model_info(model, &info, sizeof info), count = rg_begin(model, prompt, RG_IDS);
  if (error < 0 || count < 0) return error < 0 ? error : count;
  int32_t sinks = rg_config_int("sinks", 4), window = rg_config_int("window", min(info.context / 2, RG_IDS));
  int32_t most = rg_config_int("max_tokens", 1000), may_end = rg_config_int("end", 0);
  if (sinks < 1 || sinks > count || window < 2 || window > RG_IDS) return REALM_EINVAL;
  if (sinks + window >= info.context || count >= info.context) {
    return REALM_EINVAL;
  }
  int32_t kv = kv_new(model);
  if (kv < 0) return kv;
  /* recent: a ring of everything after the sinks, as far back as the window may need. */
  int32_t total = 0, stats[2] = {0, 0}, next = 0, ended = 0;
  for (int32_t i = sinks; i < count; i++) recent[total++ % RG_IDS] = prompt[i];
  request = rg_request(kv, prompt, count, &next, 0);
  error = 0;
  while (stats[0] < most && !ended) {
    request.flags = REALM_STEP_EMIT | (may_end ? 0 : REALM_STEP_NO_END);
    error = step(&request, 1);
    if (error < 0) break;
    ended = request.status & REALM_STATUS_ENDS_GENERATION;
    if (ended) break;
    stats[0]++;
    recent[total++ % RG_IDS] = next;
    request = rg_request(kv, &next, 1, &next, 0);
    if (kv_len(kv) + 1 >= info.context) {
      int32_t keep = window < total ? window : total;
      for (int32_t i = 0; i < keep; i++) refill[i] = recent[(total - keep + i) % RG_IDS];
      error = kv_truncate(kv, sinks);
      if (error < 0) break;
      request = rg_request(kv, refill, keep, &next, 0);
      stats[1]++;
    }
  }
  kv_free(kv);
  emit_event(1, stats, sizeof stats);
  return error < 0 ? error : ended ? RG_STOPPED : RG_LENGTH;
}

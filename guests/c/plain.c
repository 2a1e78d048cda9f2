/* The plain loop, to start from: the prompt in one step, then a step for each token until the model ends.
 *
 * Configuration: max_tokens (256), temperature (0), seed (0), ignore_end (0: 1 goes on to max_tokens).
 */
#include "realm_guest.h"

static int32_t prompt[RG_IDS];
static realm_step request;

REALM_EXPORT(generate)(int32_t model) {
  int32_t count = rg_begin(model, prompt, RG_IDS);
  if (count < 0) return count;
  int32_t most = rg_config_int("max_tokens", 256), next, error = 0, ended = 0;
  int32_t kv = kv_new(model);
  if (kv < 0) return kv;
  request = rg_request(kv, prompt, count, &next, 0);
  request.temperature = rg_config_number("temperature", 0);
  request.seed = rg_config_int("seed", 0);
  request.flags = REALM_STEP_EMIT | (rg_config_int("ignore_end", 0) ? REALM_STEP_NO_END : 0);
  for (int32_t i = 0; i < most && !ended && error == 0; i++) {
    error = step(&request, 1);
    ended = request.status & REALM_STATUS_ENDS_GENERATION;
    request.tokens = (uint32_t)&next;
    request.n = 1;
  }
  kv_free(kv);
  return error < 0 ? error : ended ? RG_STOPPED : RG_LENGTH;
}

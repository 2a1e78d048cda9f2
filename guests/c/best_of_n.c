/* Best of n: n answers are sampled side by side, one step of n rows for each token, and the one that the
 * model itself finds most probable per token is emitted.
 *
 * Configuration: n (4), temperature (0.8), seed (1), max_tokens (64).
 * Event 1: the mean log probability of each answer, f32[n]. Event 2: the index of the one emitted, i32.
 */
#include "realm_guest.h"

enum { MOST = 16, LONGEST = 256 };

static int32_t prompt[RG_IDS], tokens[MOST][LONGEST], length[MOST], next[MOST];
static int32_t kv[MOST], done[MOST];
static float logprob[MOST], sum[MOST];
static realm_step requests[MOST];

REALM_EXPORT(generate)(int32_t model) {
  int32_t count = rg_begin(model, prompt, RG_IDS);
  if (count < 0) return count;
  int32_t n = rg_config_int("n", 4), most = rg_config_int("max_tokens", 64);
  if (n < 1 || n > MOST || most < 1 || most > LONGEST) return REALM_EINVAL;
  float temperature = rg_config_number("temperature", 0.8f);
  int32_t seed = rg_config_int("seed", 1);

  /* The prompt but its last token is computed once; the answers fork from there and share it. */
  kv[0] = kv_new(model);
  if (kv[0] < 0) return kv[0];
  int32_t error = 0;
  if (count > 1) {
    requests[0] = rg_request(kv[0], prompt, count - 1, next, 0);
    requests[0].flags = REALM_STEP_NONE;
    error = step(requests, 1);
  }
  int32_t open = 1;
  for (; open < n && error == 0; open++) {
    kv[open] = kv_fork(kv[0]);
    if (kv[open] < 0) {
      error = kv[open];
      break;
    }
  }
  for (int32_t i = 0; i < n; i++) {
    next[i] = prompt[count - 1];
    length[i] = done[i] = 0;
    sum[i] = 0;
  }

  for (int32_t produced = 0; produced < most && error == 0; produced++) {
    int32_t rows = 0, of[MOST];
    for (int32_t i = 0; i < n; i++) {
      if (done[i]) continue;
      of[rows] = i;
      requests[rows] = rg_request(kv[i], &next[i], 1, &next[i], &logprob[i]);
      requests[rows].temperature = temperature;
      requests[rows++].seed = seed + i;
    }
    if (rows == 0) break;
    error = step(requests, rows);
    for (int32_t r = 0; r < rows && error == 0; r++) {
      int32_t i = of[r];
      sum[i] += logprob[i];
      done[i] = requests[r].status & REALM_STATUS_ENDS_GENERATION;
      tokens[i][length[i]++] = next[i];
    }
  }

  for (int32_t i = 0; i < open; i++) kv_free(kv[i]);
  if (error < 0) return error;
  int32_t best = 0;
  for (int32_t i = 0; i < n; i++) {
    sum[i] /= (float)length[i];
    if (sum[i] > sum[best]) best = i;
  }
  emit_event(1, sum, 4 * n);
  emit_event(2, &best, 4);
  error = rg_emit(model, tokens[best], length[best] - (done[best] ? 1 : 0));
  return error < 0 ? error : done[best] ? RG_STOPPED : RG_LENGTH;
}

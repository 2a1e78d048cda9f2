/* Beam search: the `width` most probable continuations go on side by side; each token is one step of as many
 * rows, with the logits read back and the best width of width * width candidates kept. A beam that splits is
 * forked, which shares its KV blocks.
 *
 * Configuration: width (4), max_tokens (64).
 * Event 1: the log probability of the emitted answer, its end included, f32.
 */
#include "realm_guest.h"

enum { WIDEST = 8, LONGEST = 256, LARGEST_VOCABULARY = 1 << 18 };

typedef struct {
  int32_t kv, next, length, ended;
  float score;
  int32_t tokens[LONGEST];
} beam;

typedef struct {
  int32_t from, token;
  float score;
} candidate;

static int32_t prompt[RG_IDS], sampled[WIDEST];
static float logits[LARGEST_VOCABULARY];
static beam beams[2][WIDEST];
static candidate best[WIDEST];
static realm_step requests[WIDEST];

/* e^x and ln x: a guest has no C library. */
static float exponential(float x) {
  if (x < -80) return 0;
  int32_t n = (int32_t)(x * 1.44269504f + (x < 0 ? -0.5f : 0.5f));
  float r = x - (float)n * 0.69314718f;
  float e = 1 + r * (1 + r * (0.5f + r * (0.16666667f + r * (0.041666667f + r * 0.0083333333f))));
  union {
    int32_t i;
    float f;
  } two = {(n + 127) << 23};
  return e * two.f;
}

static float logarithm(float x) {
  union {
    float f;
    int32_t i;
  } bits = {x};
  int32_t exponent = ((bits.i >> 23) & 255) - 127;
  bits.i = (bits.i & 0x7fffff) | 127 << 23;
  float m = (bits.f - 1) / (bits.f + 1), m2 = m * m;
  return (float)exponent * 0.69314718f + 2 * m * (1 + m2 * (0.33333333f + m2 * (0.2f + m2 * 0.14285714f)));
}

/* Offers a candidate; `best` stays sorted, the most probable first. */
static int32_t offer(int32_t kept, int32_t width, candidate c) {
  if (kept == width && c.score <= best[width - 1].score) return kept;
  int32_t at = kept < width ? kept : width - 1;
  for (; at > 0 && best[at - 1].score < c.score; at--) best[at] = best[at - 1];
  best[at] = c;
  return kept < width ? kept + 1 : width;
}

static void expand(int32_t from, float score, int32_t vocabulary, int32_t width, int32_t *kept) {
  float top = logits[0], sum = 0;
  for (int32_t i = 1; i < vocabulary; i++) top = logits[i] > top ? logits[i] : top;
  for (int32_t i = 0; i < vocabulary; i++) sum += exponential(logits[i] - top);
  float rest = top + logarithm(sum);
  for (int32_t i = 0; i < vocabulary; i++) {
    candidate c = {from, i, score + logits[i] - rest};
    if (*kept < width || c.score > best[width - 1].score) *kept = offer(*kept, width, c);
  }
}

static int32_t search(int32_t model, int32_t count, int32_t width, int32_t most, beam **answer) {
  beam *now = beams[0], *then = beams[1];
  realm_model_info info;
  int32_t error = model_info(model, &info, sizeof info);
  if (error < 0) return error;
  if (info.vocabulary > LARGEST_VOCABULARY) return REALM_EINVAL;
  now[0] = (beam){.kv = kv_new(model), .next = -1};
  if (now[0].kv < 0) return now[0].kv;
  int32_t alive = 1;
  error = 0;
  for (int32_t produced = 0; produced < most && error == 0; produced++) {
    int32_t rows = 0, of[WIDEST], kept = 0;
    for (int32_t i = 0; i < alive; i++) {
      if (now[i].ended) {
        /* A finished answer competes with its score as it is. */
        kept = offer(kept, width, (candidate){i, -1, now[i].score});
        continue;
      }
      of[rows] = i;
      requests[rows] = produced == 0 ? rg_request(now[i].kv, prompt, count, &sampled[i], 0)
                                     : rg_request(now[i].kv, &now[i].next, 1, &sampled[i], 0);
      requests[rows++].flags = REALM_STEP_LOGITS;
    }
    if (rows == 0) break;
    error = step(requests, rows);
    for (int32_t r = 0; r < rows && error == 0; r++) {
      int32_t n = logits_read(now[of[r]].kv, 0, logits, LARGEST_VOCABULARY);
      if (n < 0) error = n;
      expand(of[r], now[of[r]].score, info.vocabulary, width, &kept);
    }
    if (error < 0) break;
    /* The last beam that goes on from a parent takes its sequence, the others fork it. */
    int32_t last[WIDEST];
    for (int32_t i = 0; i < alive; i++) last[i] = -1;
    for (int32_t i = 0; i < kept; i++) last[best[i].from] = i;
    int32_t made = 0;
    for (; made < kept; made++) {
      candidate c = best[made];
      beam *parent = &now[c.from], *child = &then[made];
      *child = *parent;
      child->score = c.score;
      if (c.token >= 0) {
        child->next = c.token;
        child->tokens[child->length++] = c.token;
        child->ended = token_flags(model, c.token) & REALM_TOKEN_ENDS_GENERATION;
      }
      if (last[c.from] != made) {
        child->kv = kv_fork(parent->kv);
        if (child->kv < 0) {
          error = child->kv;
          break;
        }
      }
    }
    for (int32_t i = 0; i < alive; i++) {
      if (last[i] < 0 || last[i] >= made) kv_free(now[i].kv);
    }
    beam *swap = now;
    now = then;
    then = swap;
    alive = made;
  }
  for (int32_t i = 0; i < alive; i++) kv_free(now[i].kv);
  *answer = &now[0];
  return error;
}

REALM_EXPORT(generate)(int32_t model) {
  int32_t count = rg_begin(model, prompt, RG_IDS);
  if (count < 0) return count;
  int32_t width = rg_config_int("width", 4), most = rg_config_int("max_tokens", 64);
  if (width < 1 || width > WIDEST || most < 1 || most > LONGEST) return REALM_EINVAL;
  beam *answer;
  int32_t error = search(model, count, width, most, &answer);
  if (error < 0) return error;
  emit_event(1, &answer->score, 4);
  error = rg_emit(model, answer->tokens, answer->length - (answer->ended ? 1 : 0));
  return error < 0 ? error : answer->ended ? RG_STOPPED : RG_LENGTH;
}

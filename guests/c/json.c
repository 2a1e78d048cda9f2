/* JSON by schema: the host follows the grammar, the guest jumps ahead. Where the schema leaves no choice
 * (braces, keys, the rest of an enum's value) the text is appended without sampling it, many tokens in one step.
 *
 * Configuration: json_schema (any JSON), max_tokens (256).
 * Event 1: i32[3], steps taken, tokens sampled, tokens that were forced.
 */
#include "realm_guest.h"

enum { LONGEST = 512 };

static int32_t prompt[RG_IDS], tokens[LONGEST];
static realm_step request;

/* Appends what must follow to the tokens and advances the matcher; how many tokens. */
static int32_t jump(int32_t matcher, int32_t *to, int32_t room) {
  int32_t n = matcher_forced_tokens(matcher, to, room), count = 0;
  if (n > room) n = room;
  while (count < n && matcher_accept(matcher, to[count]) == 0) count++;
  return count;
}

/* The length of the JSON value that begins here. */
static int32_t value_length(int32_t at) {
  int32_t depth = 0, i = at, text = 0;
  for (; i < rg_config_length; i++) {
    char c = rg_config[i];
    if (text) {
      i += c == '\\';
      text = c != '"';
    } else if (c == '"') {
      text = 1;
    } else if (c == '{' || c == '[') {
      depth++;
    } else if (c == '}' || c == ']' || (c == ',' && depth == 0)) {
      if (depth == 0) break;
      if (c != ',' && --depth == 0) return i + 1 - at;
    }
  }
  return i - at;
}

static int32_t answer(int32_t model, int32_t matcher, int32_t kv, int32_t count, int32_t most) {
  int32_t stats[3] = {0, 0, 0}, length = 0, fed = 0, error = 0, ended = 0, finished = 0;
  /* The prompt and what must follow it go in together. */
  int32_t ahead = jump(matcher, tokens, most);
  while (!ended && length < most) {
    stats[2] += ahead;
    length += ahead;
    const int32_t *next = tokens + fed;
    int32_t n = length - fed;
    if (stats[0] == 0) {
      for (int32_t i = 0; i < n && count < RG_IDS; i++) prompt[count++] = tokens[i];
      next = prompt;
      n = count;
    }
    /* Where nothing but the end can follow, nobody needs to be asked. */
    int32_t status = matcher_status(matcher);
    if (status < 0) return status;
    finished = status & REALM_MATCHER_FINISHED;
    if (finished || length == most) break;
    request = rg_request(kv, next, n, &tokens[length], 0);
    request.matcher = matcher;
    error = step(&request, 1);
    if (error < 0) return error;
    fed = length++;
    stats[0]++;
    stats[1]++;
    ended = request.status & REALM_STATUS_ENDS_GENERATION;
    ahead = ended ? 0 : jump(matcher, tokens + length, most - length);
  }
  emit_event(1, stats, sizeof stats);
  error = rg_emit(model, tokens, length - (ended ? 1 : 0));
  return error < 0 ? error : ended || finished ? RG_STOPPED : RG_LENGTH;
}

REALM_EXPORT(generate)(int32_t model) {
  int32_t count = rg_begin(model, prompt, RG_IDS);
  if (count < 0) return count;
  int32_t most = rg_config_int("max_tokens", 256), at = rg_config_at("json_schema");
  if (most < 1 || most > LONGEST) return REALM_EINVAL;
  int32_t grammar = at < 0 ? grammar_compile(REALM_JSON, 0, 0)
                           : grammar_compile(REALM_JSON_SCHEMA, rg_config + at, value_length(at));
  if (grammar < 0) return grammar;
  int32_t matcher = matcher_new(grammar, model), kv = kv_new(model);
  int32_t result = matcher < 0 ? matcher : kv < 0 ? kv : answer(model, matcher, kv, count, most);
  kv_free(kv);
  matcher_free(matcher);
  grammar_free(grammar);
  return result;
}

/* JSON by schema: the host follows the grammar, the guest jumps ahead. Where the schema leaves no choice
 * (braces, keys, the rest of an enum's value) the text is appended without sampling it, many tokens in one step.
 *
 * Configuration: json_schema (any JSON), max_tokens (256).
 * Event 1: i32[3], steps taken, tokens sampled, tokens that were forced.
 */
#include "realm_guest.h"

enum { LONGEST = 512, PAGE = 1 << 16 };

static int32_t prompt[RG_IDS], tokens[LONGEST];
static char forced[4096];
static realm_step request;

/* The model's pieces, one after the other, and where each begins: as large as its vocabulary, so they lie behind
 * the memory that the module declares.
 */
static char *pieces;
static int32_t *piece_at, vocabulary, pieces_of;

/* Where what is read begins and where the memory ends, once there is any. */
static uintptr_t room_begin, room_end;

/* Makes sure that the memory reaches so far; 0 or an error. */
static int32_t reach(uintptr_t end) {
  if (end <= room_end) return 0;
  uintptr_t pages = (end - room_end + PAGE - 1) / PAGE;
  if (__builtin_wasm_memory_grow(0, pages) == (uintptr_t)-1) return REALM_EDQUOT;
  room_end += pages * PAGE;
  return 0;
}

/* The bytes of every token, read once as long as the model stays the same. */
static int32_t read_pieces(int32_t model) {
  realm_model_info info;
  int32_t error = model_info(model, &info, sizeof info);
  if (error < 0 || pieces_of == model) return error < 0 ? error : 0;
  pieces_of = 0;
  if (room_begin == 0) room_begin = room_end = (uintptr_t)__builtin_wasm_memory_size(0) * PAGE;
  piece_at = (int32_t *)room_begin;
  pieces = (char *)(piece_at + info.vocabulary + 1);
  error = reach((uintptr_t)pieces);
  if (error < 0) return error;
  for (int32_t i = 0, at = 0; i < info.vocabulary; i++) {
    int32_t left = (int32_t)(room_end - (uintptr_t)(pieces + at));
    int32_t n = token_bytes(model, i, pieces + at, left);
    if (n > left) {
      error = reach((uintptr_t)(pieces + at + n));
      if (error < 0) return error;
      n = token_bytes(model, i, pieces + at, n);
    }
    if (n < 0) return n;
    piece_at[i] = at;
    piece_at[i + 1] = at += n;
  }
  vocabulary = info.vocabulary;
  pieces_of = model;
  return 0;
}

/* The longest token that the text begins with, or -1. */
static int32_t longest_token(const char *text, int32_t n) {
  int32_t best = -1, most = 0;
  for (int32_t i = 0; i < vocabulary; i++) {
    int32_t size = piece_at[i + 1] - piece_at[i], j = 0;
    if (size <= most || size > n) continue;
    while (j < size && pieces[piece_at[i] + j] == text[j]) j++;
    if (j == size) {
      best = i;
      most = size;
    }
  }
  return best;
}

/* Appends what must follow to the tokens and advances the matcher; how many tokens. */
static int32_t jump(int32_t matcher, int32_t *to, int32_t room) {
  int32_t n = matcher_forced(matcher, forced, sizeof forced), count = 0;
  if (n > (int32_t)sizeof forced) n = sizeof forced;
  for (int32_t at = 0; at < n && count < room;) {
    int32_t token = longest_token(forced + at, n - at);
    if (token < 0 || matcher_accept(matcher, token) < 0) break;
    to[count++] = token;
    at += piece_at[token + 1] - piece_at[token];
  }
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
  int32_t stats[3] = {0, 0, 0}, length = 0, fed = 0, error = 0, ended = 0;
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
    if (length == most) break;
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
  return error < 0 ? error : ended ? RG_STOPPED : RG_LENGTH;
}

REALM_EXPORT(generate)(int32_t model) {
  int32_t count = rg_begin(model, prompt, RG_IDS);
  if (count < 0) return count;
  int32_t most = rg_config_int("max_tokens", 256), at = rg_config_at("json_schema");
  int32_t error = read_pieces(model);
  if (error < 0) return error;
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

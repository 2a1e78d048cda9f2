/* What most guests share: opening the model, the prompt as token ids, the configuration, one step. Every
 * function is static: a guest links nothing else, not even a C library (nor is REALM_PREFIXED for it). One call
 * runs at a time, so that static memory is enough.
 */
#ifndef REALM_GUEST_H
#define REALM_GUEST_H

#include "realm_host.h"

enum { RG_TEXT = 1 << 16, RG_IDS = 1 << 14 };

/* Results of generate. */
enum { RG_STOPPED = 0, RG_LENGTH = 1 };

static char rg_text[RG_TEXT];
static char rg_json[RG_TEXT];
static char rg_config[RG_TEXT];
static int32_t rg_config_length;

/* clang calls these even without a C library. */
__attribute__((used)) void *memset(void *to, int value, unsigned long n) {
  for (char *t = to; n--; t++) *t = (char)value;
  return to;
}

__attribute__((used)) void *memcpy(void *to, const void *from, unsigned long n) {
  char *t = to;
  for (const char *f = from; n--; t++, f++) *t = *f;
  return to;
}

static inline int32_t rg_length(const char *text) {
  int32_t n = 0;
  while (text[n]) n++;
  return n;
}

/* load_model(id) -> handle; unload_model(handle). Calls begin with the model's name as argument 0. A host of
 * another version of the ABI is refused.
 */
REALM_EXPORT(load_model)(void) {
  if (abi_version() != REALM_ABI_VERSION) {
    static const char line[] = "guest: expected version 1 of realm_host, found another";
    log(0, line, sizeof line - 1);
    return REALM_EINVAL;
  }
  int32_t n = arg_read(0, rg_text, RG_TEXT);
  return n < 0 || n > RG_TEXT ? REALM_EMSGSIZE : model_open(rg_text, n);
}

REALM_EXPORT(unload_model)(int32_t model) { return model_close(model); }

static int32_t rg_put(char *to, int32_t at, const char *text) {
  for (; *text; text++) to[at++] = *text;
  return at;
}

/* A text as the inside of a JSON string; at most six times as long. */
static int32_t rg_put_escaped(char *to, int32_t at, const char *text, int32_t n) {
  for (int32_t i = 0; i < n; i++) {
    char c = text[i];
    if (c == '"' || c == '\\') {
      to[at++] = '\\';
      to[at++] = c;
    } else if (c >= 0 && c < 0x20) {
      at = rg_put(to, at, "\\u00");
      to[at++] = "0123456789abcdef"[c >> 4];
      to[at++] = "0123456789abcdef"[c & 15];
    } else {
      to[at++] = c;
    }
  }
  return at;
}

/* The ids of one user message in the model's chat template; their number or an error. */
static int32_t rg_message(int32_t model, const char *text, int32_t length, int32_t *ids, int32_t cap) {
  if (length > RG_TEXT / 8) return REALM_EMSGSIZE;
  int32_t n = rg_put(rg_json, 0, "[{\"role\":\"user\",\"content\":\"");
  n = rg_put_escaped(rg_json, n, text, length);
  n = rg_put(rg_json, n, "\"}]");
  int32_t size = chat_template(model, rg_json, n, rg_text, RG_TEXT);
  if (size < 0 || size > RG_TEXT) return size < 0 ? size : REALM_EMSGSIZE;
  int32_t count = tokenize(model, rg_text, size, REALM_ADD_SPECIAL | REALM_PARSE_SPECIAL, ids, cap);
  return count > cap ? REALM_EMSGSIZE : count;
}

/* Reads argument 1, the prompt, and argument 2, the configuration, of a call of generate. */
static inline int32_t rg_begin(int32_t model, int32_t *ids, int32_t cap) {
  static char prompt[RG_TEXT / 8];
  rg_config_length = arg_read(2, rg_config, RG_TEXT);
  if (rg_config_length > RG_TEXT) return REALM_EMSGSIZE;
  int32_t length = arg_read(1, prompt, sizeof prompt);
  return length > (int32_t)sizeof prompt ? REALM_EMSGSIZE : rg_message(model, prompt, length, ids, cap);
}

static int32_t rg_config_space(int32_t at) {
  for (; at < rg_config_length; at++) {
    char c = rg_config[at];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') break;
  }
  return at;
}

/* Behind the string that begins here. */
static int32_t rg_config_string(int32_t at) {
  for (at++; at < rg_config_length && rg_config[at] != '"'; at++) at += rg_config[at] == '\\';
  return at + 1;
}

/* Where the value of a key of the outer object begins, or -1. What stands in texts or in inner values is passed
 * by; keys are compared as they are written.
 */
static int32_t rg_config_at(const char *key) {
  int32_t n = rg_length(key), depth = 0;
  for (int32_t i = 0; i < rg_config_length; i++) {
    char c = rg_config[i];
    if (c == '"') {
      int32_t end = rg_config_string(i), at = rg_config_space(end), same = 0;
      while (same < n && i + 1 + same < rg_config_length && rg_config[i + 1 + same] == key[same]) same++;
      if (depth == 1 && same == n && end == i + n + 2 && at < rg_config_length && rg_config[at] == ':') {
        at = rg_config_space(at + 1);
        return at < rg_config_length ? at : -1;
      }
      i = end - 1;
    }
    depth += (c == '{' || c == '[') - (c == '}' || c == ']');
  }
  return -1;
}

/* The digits from here on, on what came before them; where they end. */
static int32_t rg_config_digits(int32_t at, double *value) {
  for (; at < rg_config_length && rg_config[at] >= '0' && rg_config[at] <= '9'; at++) {
    *value = *value * 10 + (rg_config[at] - '0');
  }
  return at;
}

/* The power of ten that is written here, if one is. */
static int32_t rg_config_exponent(int32_t at) {
  if (at >= rg_config_length || (rg_config[at] != 'e' && rg_config[at] != 'E')) return 0;
  at++;
  int negative = at < rg_config_length && rg_config[at] == '-';
  if (at < rg_config_length && (rg_config[at] == '-' || rg_config[at] == '+')) at++;
  double value = 0;
  rg_config_digits(at, &value);
  int32_t exponent = value > 999 ? 999 : (int32_t)value;
  return negative ? -exponent : exponent;
}

/* A number of the configuration; `absent` where the key has none. */
static inline double rg_config_double(const char *key, double absent) {
  int32_t at = rg_config_at(key);
  if (at < 0) return absent;
  int negative = rg_config[at] == '-';
  double value = 0, power = 1;
  int32_t begin = at + negative, end = rg_config_digits(begin, &value), exponent = 0;
  if (end == begin) return absent;
  if (end < rg_config_length && rg_config[end] == '.') {
    begin = end + 1;
    end = rg_config_digits(begin, &value);
    exponent = begin - end;
  }
  exponent += rg_config_exponent(end);
  for (int32_t i = exponent < 0 ? -exponent : exponent; i > 0 && value > 0; i--) power *= 10;
  value = exponent < 0 ? value / power : value * power;
  return negative ? -value : value;
}

static inline float rg_config_number(const char *key, float absent) {
  return (float)rg_config_double(key, absent);
}

/* The same without its fraction; beyond what an int32_t has, the nearest one. */
static inline int32_t rg_config_int(const char *key, int32_t absent) {
  double value = rg_config_double(key, absent);
  return value <= INT32_MIN ? INT32_MIN : value >= INT32_MAX ? INT32_MAX : (int32_t)value;
}

/* A plain request: the most probable token, its log probability beside it. */
static inline realm_step rg_request(int32_t kv, const int32_t *tokens, int32_t n, int32_t *out, float *logprob) {
  realm_step r = {0};
  r.kv = kv;
  r.tokens = (uint32_t)tokens;
  r.n = n;
  r.out = (uint32_t)out;
  r.logprob = (uint32_t)logprob;
  r.top_p = 1;
  return r;
}

/* Emits tokens as text, without the one that ends generation. */
static inline int32_t rg_emit(int32_t model, const int32_t *ids, int32_t n) {
  int32_t size = detokenize(model, ids, n, rg_text, RG_TEXT);
  if (size < 0 || size > RG_TEXT) return size < 0 ? size : REALM_EMSGSIZE;
  return emit_text(rg_text, size);
}

#endif

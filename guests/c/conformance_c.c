/* Calls every host function once and checks what it gives: the header's test, not a guest to start from. It has
 * the prefixed names, beside a C library's own log and random.
 *
 * conformance returns the number of checks that failed; event 2 names them. Event 1 is four bytes, event 3 the
 * model's numbers (i32), event 4 the lengths of two embeddings (i32).
 */
#define REALM_PREFIXED
#include "realm_host.h"

/* As <math.h> and <stdlib.h> declare them; nothing calls them. */
double log(double x);
long random(void);

enum { ROOM = 1 << 16, IDS = 512, FLOATS = 1 << 16 };

static char text[ROOM], failed[4096];
static int32_t failed_length, failures, prompt[IDS], count, out[IDS];
static float numbers[FLOATS], logprobs[IDS];
static uint32_t bits[1 << 14];

static const char said[] = "gr\xc3\xbc\xc3\x9f dich \xf0\x9f\xa6\x8a";
static const char turn[] = "[{\"role\":\"user\",\"content\":\"What is the capital of France?\"}]";

static int32_t length_of(const char *s) {
  int32_t n = 0;
  while (s[n]) n++;
  return n;
}

static int same(const void *a, const void *b, int32_t n) {
  const char *x = a, *y = b;
  for (int32_t i = 0; i < n; i++) {
    if (x[i] != y[i]) return 0;
  }
  return 1;
}

static void check(const char *what, int holds) {
  if (holds) return;
  failures++;
  if (failed_length + length_of(what) >= (int32_t)sizeof failed) return;
  while (*what) failed[failed_length++] = *what++;
  failed[failed_length++] = '\n';
}

static int unit(const float *v, int32_t n) {
  float sum = 0;
  for (int32_t i = 0; i < n; i++) sum += v[i] * v[i];
  return sum > 0.999f && sum < 1.001f;
}

static realm_step request(int32_t kv, const int32_t *tokens, int32_t n, int32_t flags) {
  return (realm_step){
    .kv = kv, .tokens = (uint32_t)tokens, .n = n, .out = (uint32_t)out, .logprob = (uint32_t)logprobs, .flags = flags,
    .top_p = 1};
}

static void output(void) {
  check("abi_version", realm_host_abi_version() == REALM_ABI_VERSION);
  int32_t n = realm_host_arg_read(1, text, ROOM);
  check("arg_read", n == (int32_t)sizeof said - 1 && same(text, said, n));
  check("arg_read without room", realm_host_arg_read(1, text, 0) == n);
  check("emit_text", realm_host_emit_text(said, sizeof said - 1) == 0);
  check("emit_token", realm_host_emit_token(7) == 0);
  check("emit_event", realm_host_emit_event(1, "\x00\x01\xc8\xff", 4) == 0);
  check("log", realm_host_log(2, "conformance", 11) == 0);
}

static void realm(void) {
  int32_t now = realm_host_now_ms();
  check("now_ms", now >= 0 && realm_host_now_ms() >= now);
  check("random", realm_host_random(text, 16) == 0 && realm_host_random(text + 16, 16) == 0);
  check("random bytes", !same(text, text + 16, 16));
  int32_t left = realm_host_budget_left(REALM_BUDGET_MILLIS);
  check("budget_left", left > 0 && left <= 60000);
  left = realm_host_budget_left(REALM_BUDGET_NEW_TOKENS);
  check("budget_left tokens", left > 0 && left <= 10000);
  check("budget_left memory", realm_host_budget_left(REALM_BUDGET_MEMORY) > 0);
  check("budget_left of what", realm_host_budget_left(9) == REALM_EINVAL);

  check("kvs_get nothing", realm_host_kvs_get("key", 3, text, ROOM) == REALM_ENOENT);
  check("kvs_put", realm_host_kvs_put("key", 3, "\x00\x01\xff", 3) == 0);
  check("kvs_get", realm_host_kvs_get("key", 3, text, ROOM) == 3 && same(text, "\x00\x01\xff", 3));
  check("kvs_put nothing", realm_host_kvs_put("key", 3, text, 0) == 0);
  check("kvs_get removed", realm_host_kvs_get("key", 3, text, ROOM) == REALM_ENOENT);
  int32_t blob = realm_host_tool_call("quote", 5, "\xc3\xa9", 2);
  check("tool_call", blob > 0);
  check("blob_read", realm_host_blob_read(blob, 1, text, ROOM) == 3 && same(text, "\xc3\xa9>", 3));
  check("blob_free", realm_host_blob_free(blob) == 0 && realm_host_blob_free(blob) == REALM_EBADF);
  check("no tool", realm_host_tool_call("none", 4, text, 0) == REALM_ENOENT);
}

static int32_t model(int32_t model) {
  realm_model_info info, other;
  check("model_info", realm_host_model_info(model, &info, sizeof info) == sizeof info);
  int32_t again = realm_host_model_open("sample", 6);
  check("model_open", realm_host_model_info(again, &other, 16) == 16 && other.vocabulary == info.vocabulary);
  check("model_close", realm_host_model_close(again) == 0 && realm_host_kv_new(again) == REALM_EBADF);
  realm_host_emit_event(3, &info, sizeof info);
  int32_t n = realm_host_tokenize(model, "Hello Paris", 11, 0, out, IDS);
  int32_t size = realm_host_detokenize(model, out, n, text, ROOM);
  check("tokenize", n > 0 && realm_host_tokenize(model, "Hello Paris", 11, 0, out, 0) == n);
  check("detokenize", size >= 11 && same(text + size - 11, "Hello Paris", 11));
  check("token_bytes", realm_host_token_bytes(model, out[n - 1], text, ROOM) > 0);
  int32_t flags = realm_host_token_flags(model, info.eos);
  check("token_flags", flags == (REALM_TOKEN_CONTROL | REALM_TOKEN_ENDS_GENERATION));
  check("token_flags of text", realm_host_token_flags(model, out[n - 1]) == 0);
  size = realm_host_chat_template(model, turn, length_of(turn), text, ROOM);
  check("chat_template", size > 30 && size < ROOM);
  count = realm_host_tokenize(model, text, size, REALM_ADD_SPECIAL | REALM_PARSE_SPECIAL, prompt, IDS);
  check("tokenize specials", count > 4 && count < size && count < IDS);
  return info.vocabulary;
}

static void steps(int32_t model, int32_t kv, int32_t vocabulary) {
  realm_step rows[2] = {request(kv, prompt, count, REALM_STEP_LOGITS | REALM_STEP_EMIT)};
  check("step", realm_host_step(rows, 1) == 0);
  int32_t first = out[0], best = 0;
  check("kv_len", realm_host_kv_len(kv) == count);
  check("logits_read", realm_host_logits_read(kv, 0, numbers, FLOATS) == vocabulary);
  for (int32_t i = 1; i < vocabulary; i++) best = numbers[i] > numbers[best] ? i : best;
  check("logits", best == first && logprobs[0] <= 0 && logprobs[0] > -1);
  check("kv_text", realm_host_kv_text(kv, first, text, ROOM) > 0);

  /* All positions of the prompt again, beside a row that samples with a sampler of its own. */
  int32_t other = realm_host_kv_new(model), fork = realm_host_kv_fork(kv), sampled = -1;
  int32_t sampler = realm_host_sampler_new(model, "{\"temperature\":0}", 17);
  check("kv_fork", realm_host_kv_len(fork) == count);
  check("kv_truncate", realm_host_kv_truncate(fork, count - 1) == 0 && realm_host_kv_len(fork) == count - 1);
  rows[0] = request(other, prompt, count, REALM_STEP_ALL);
  rows[1] = request(fork, prompt + count - 1, 1, 0);
  rows[1].out = (uint32_t)&sampled;
  rows[1].logprob = 0;
  rows[1].sampler = sampler;
  check("ALL", realm_host_step(rows, 2) == 0 && out[count - 1] == first && sampled == first);
  check("sampler_new", realm_host_sampler_new(model, "{\"temperature\":\"x\"}", 19) == REALM_EINVAL);
  check("sampler_free", realm_host_sampler_free(sampler) == 0);

  realm_host_kv_truncate(other, count - 1);
  rows[0] = request(other, prompt + count - 1, 1, REALM_STEP_NO_END);
  int32_t ticket = realm_host_step_submit(rows, 1), result = REALM_EAGAIN;
  check("step_submit", ticket > 0);
  for (int32_t i = 0; i < 100 && result == REALM_EAGAIN; i++) result = realm_host_step_wait(ticket, 100);
  check("step_wait", result == 0 && out[0] == first);
  check("step_wait again", realm_host_step_wait(ticket, 0) == REALM_EBADF);
  realm_host_kv_free(other);
  realm_host_kv_free(fork);
}

static void saved(int32_t model, int32_t kv) {
  check("kv_save", realm_host_kv_save(kv, "conformance", 11) == 0);
  int32_t opened = realm_host_kv_open(model, "conformance", 11);
  check("kv_open", realm_host_kv_len(opened) == realm_host_kv_len(kv));
  check("kv_free", realm_host_kv_free(opened) == 0 && realm_host_kv_len(opened) == REALM_EBADF);
  check("kv_save of nothing", realm_host_kv_save(0, "conformance", 11) == 0);
  check("kv_open of nothing", realm_host_kv_open(model, "conformance", 11) == REALM_ENOENT);
}

static void embeddings(int32_t model) {
  int32_t lengths[2], kv = realm_host_kv_new(model);
  lengths[0] = realm_host_embed(model, prompt, count, REALM_EMBED_MEAN, numbers, FLOATS);
  check("embed", lengths[0] > 0 && unit(numbers, lengths[0]));
  lengths[1] = realm_host_embed(kv, prompt, count, REALM_EMBED_MEAN, numbers, FLOATS);
  check("embed of a sequence", unit(numbers, lengths[1]) && realm_host_kv_len(kv) == count);
  realm_host_kv_free(kv);
  realm_host_emit_event(4, lengths, sizeof lengths);
}

static void constraints(int32_t model, int32_t vocabulary) {
  check("grammar_compile", realm_host_grammar_compile(REALM_REGEX, "(", 1) == REALM_EINVAL);
  int32_t grammar = realm_host_grammar_compile(REALM_REGEX, "^Rome$", 6);
  int32_t matcher = realm_host_matcher_new(grammar, model), fork = realm_host_matcher_fork(matcher);
  int32_t kv = realm_host_kv_new(model), words = (vocabulary + 31) / 32;
  check("grammar_free", realm_host_grammar_free(grammar) == 0);
  check("matcher_forced", realm_host_matcher_forced(matcher, text, ROOM) == 4 && same(text, "Rome", 4));
  int32_t forced[8], known = realm_host_matcher_forced_tokens(matcher, forced, 8);
  check("matcher_forced_tokens", known > 0 && known <= 4 &&
        realm_host_detokenize(model, forced, known, text, ROOM) <= 4 && text[0] == 'R');
  check("matcher_mask", realm_host_matcher_mask(matcher, bits, sizeof bits / 4) == words);
  realm_step row = request(kv, prompt, count, 0);
  row.mask = (uint32_t)bits;
  check("mask", realm_host_step(&row, 1) == 0 && (bits[out[0] / 32] >> out[0] % 32 & 1) == 1);
  int32_t token = out[0];
  check("matcher_accept", realm_host_matcher_accept(matcher, token) == 0);
  realm_host_kv_truncate(kv, count - 1);
  row = request(kv, prompt + count - 1, 1, 0);
  row.matcher = fork;
  check("matcher_fork", realm_host_step(&row, 1) == 0 && out[0] == token);
  int32_t status = realm_host_matcher_status(matcher);
  check("matcher_status", status == realm_host_matcher_status(fork));
  for (int32_t i = 0; i < 8 && (status & REALM_MATCHER_COMPLETE) == 0; i++) {
    row.tokens = (uint32_t)out;
    check("step of a matcher", realm_host_step(&row, 1) == 0);
    status = realm_host_matcher_status(fork);
  }
  check("matcher finished", status == (REALM_MATCHER_COMPLETE | REALM_MATCHER_FINISHED));
  check("matcher_free", realm_host_matcher_free(matcher) == 0 && realm_host_matcher_free(fork) == 0);
  realm_host_kv_free(kv);
}

static void layers(void) {
  static const float a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8};
  static const float product[] = {19, 22, 43, 50}, transposed[] = {17, 23, 39, 53};
  check("matmul", realm_host_candle_matmul(a, 4, b, 4, 2, 2, 2, numbers) == 0);
  check("matmul's product", same(numbers, product, sizeof product));
  check("matmul transposed", realm_host_candle_matmul_transposed(a, 4, b, 4, 2, 2, 2, numbers) == 0);
  check("matmul transposed's product", same(numbers, transposed, sizeof transposed));
  check("store_layer", realm_host_memory64_store_layer("mine", 4, 3, "abc", 3) == 0);
  check("load_layer", realm_host_memory64_load_layer("mine", 4, 3, text, ROOM) == 3 && same(text, "abc", 3));
  check("no layer", realm_host_memory64_load_layer("mine", 4, 4, text, ROOM) == REALM_ENOENT);
  int64_t stats[6];
  check("get_cache_stats", realm_host_memory64_get_cache_stats(stats, sizeof stats) == sizeof stats);
  check("layers", stats[0] >= 3 && stats[1] >= 1);
}

REALM_EXPORT(load_model)(void) {
  int32_t n = realm_host_arg_read(0, text, ROOM);
  return realm_host_model_open(text, n);
}

REALM_EXPORT(conformance)(int32_t handle) {
  failures = failed_length = 0;
  output();
  realm();
  int32_t vocabulary = model(handle), kv = realm_host_kv_new(handle);
  check("kv_new", kv > 0);
  steps(handle, kv, vocabulary);
  saved(handle, kv);
  realm_host_kv_free(kv);
  embeddings(handle);
  constraints(handle, vocabulary);
  layers();
  int32_t error = realm_host_emit_event(2, failed, failed_length);
  return error < 0 ? error : failures;
}

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

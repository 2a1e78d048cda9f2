/* The realm_host ABI, version 1, for guests in C (or anything that reads a C header).
 *
 * docs/guest-abi.md is the reference page; a test compares this file with the host. Pointers are offsets in
 * the guest's linear memory. A negative result is an error number (REALM_E...). An output of variable size
 * returns its full size and writes at most the capacity. A pointer or length outside of memory traps.
 *
 *   clang --target=wasm32 -O2 -nostdlib -fno-builtin -Wl,--no-entry -I PATH/guests/c -o guest.wasm guest.c
 */
#ifndef REALM_HOST_H
#define REALM_HOST_H

#include <stdint.h>

#define REALM_ABI_VERSION 1

enum {
  REALM_ENOENT = -2,      /* no model, tool or value of that name */
  REALM_EBADF = -9,       /* no such handle in this realm */
  REALM_EAGAIN = -11,     /* the engine's queue is full; a ticket's steps are not done */
  REALM_EBUSY = -16,      /* a step in flight has it */
  REALM_EINVAL = -22,     /* an argument is out of its range */
  REALM_EMSGSIZE = -90,   /* too long for the model's context or a bound of the host */
  REALM_EDQUOT = -122,    /* a limit of the realm is reached */
  REALM_ECANCELED = -125  /* the caller gave up: free what is held and return */
};

/* tokenize */
enum { REALM_ADD_SPECIAL = 1, REALM_PARSE_SPECIAL = 2 };

/* token_flags */
enum { REALM_TOKEN_CONTROL = 1, REALM_TOKEN_ENDS_GENERATION = 2 };

/* budget_left */
enum { REALM_BUDGET_MILLIS = 0, REALM_BUDGET_NEW_TOKENS = 1, REALM_BUDGET_MEMORY = 2 };

/* grammar_compile */
enum { REALM_GBNF = 0, REALM_JSON_SCHEMA = 1, REALM_REGEX = 2, REALM_JSON = 3 };

/* matcher_status */
enum { REALM_MATCHER_COMPLETE = 1, REALM_MATCHER_FINISHED = 2 };

/* realm_step.flags */
enum {
  REALM_STEP_ALL = 1,    /* sample at every position */
  REALM_STEP_EMIT = 2,   /* send the sampled token to the caller's stream unless it ends generation */
  REALM_STEP_NONE = 4,   /* append only */
  REALM_STEP_LOGITS = 8, /* keep the logits for logits_read */
  REALM_STEP_NO_END = 16 /* sample no token that ends generation */
};

/* embed */
enum { REALM_EMBED_MODEL = 0, REALM_EMBED_MEAN = 1, REALM_EMBED_CLS = 2, REALM_EMBED_LAST = 3 };

/* realm_step.status */
enum { REALM_STATUS_ENDS_GENERATION = 1 };

/* One request of a step, little-endian. */
typedef struct {
  int32_t kv;           /* the sequence */
  uint32_t tokens;      /* pointer to the ids to append */
  int32_t n;            /* how many, at least 1 */
  uint32_t out;         /* pointer: the sampled id is written here; with ALL, n of them */
  uint32_t logprob;     /* pointer to f32 log probabilities likewise, or 0 */
  int32_t flags;        /* REALM_STEP_... */
  uint32_t mask;        /* pointer to a bitset over the vocabulary of what may be sampled, or 0 */
  int32_t matcher;      /* a matcher, or 0 */
  float temperature;    /* 0 takes the most probable */
  int32_t top_k;        /* 0: all */
  float top_p;          /* 1: all */
  int32_t seed;
  float min_p;          /* 0: all */
  float repeat_penalty; /* 0 or 1: none */
  int32_t status;       /* written by the host */
  int32_t sampler;      /* a sampler instead of the fields from temperature on, or 0 */
} realm_step;

_Static_assert(sizeof(realm_step) == 64, "a step request has 64 bytes");

/* model_info */
typedef struct {
  int32_t vocabulary; /* tokens */
  int32_t context;    /* the most tokens of a sequence */
  int32_t bos;        /* or -1 */
  int32_t eos;        /* or -1 */
} realm_model_info;

/* The functions have the names of the ABI. Two of them, log and random, a C library has as well: a guest that
 * links one defines REALM_PREFIXED before it includes this file, and calls realm_host_log, realm_host_step ...
 */
#ifdef REALM_PREFIXED
#define REALM_NAME(name) realm_host_##name
#else
#define REALM_NAME(name) name
#endif

#define REALM_IMPORT(name) \
  __attribute__((import_module("realm_host"), import_name(#name))) int32_t REALM_NAME(name)

/* Input and output */
REALM_IMPORT(abi_version)(void);
REALM_IMPORT(arg_read)(int32_t index, void *to, int32_t cap);
REALM_IMPORT(emit_token)(int32_t token);
REALM_IMPORT(emit_text)(const void *text, int32_t len);
REALM_IMPORT(emit_event)(int32_t kind, const void *data, int32_t len);
REALM_IMPORT(log)(int32_t level, const void *line, int32_t len);
REALM_IMPORT(now_ms)(void);
REALM_IMPORT(random)(void *to, int32_t len);
REALM_IMPORT(budget_left)(int32_t what);
REALM_IMPORT(kvs_get)(const void *key, int32_t key_len, void *to, int32_t cap);
REALM_IMPORT(kvs_put)(const void *key, int32_t key_len, const void *value, int32_t len);
REALM_IMPORT(tool_call)(const void *name, int32_t name_len, const void *text, int32_t len);
REALM_IMPORT(blob_read)(int32_t blob, int32_t offset, void *to, int32_t cap);
REALM_IMPORT(blob_free)(int32_t blob);

/* Model */
REALM_IMPORT(model_open)(const void *name, int32_t len);
REALM_IMPORT(model_close)(int32_t model);
REALM_IMPORT(model_info)(int32_t model, realm_model_info *to, int32_t cap);
REALM_IMPORT(tokenize)(int32_t model, const void *text, int32_t len, int32_t flags, int32_t *to, int32_t cap);
REALM_IMPORT(detokenize)(int32_t model, const int32_t *ids, int32_t n, void *to, int32_t cap);
REALM_IMPORT(token_bytes)(int32_t model, int32_t token, void *to, int32_t cap);
REALM_IMPORT(token_flags)(int32_t model, int32_t token);
REALM_IMPORT(chat_template)(int32_t model, const void *json, int32_t len, void *to, int32_t cap);

/* KV */
REALM_IMPORT(kv_new)(int32_t model);
REALM_IMPORT(kv_fork)(int32_t kv);
REALM_IMPORT(kv_len)(int32_t kv);
REALM_IMPORT(kv_truncate)(int32_t kv, int32_t len);
REALM_IMPORT(kv_text)(int32_t kv, int32_t token, void *to, int32_t cap);
REALM_IMPORT(kv_free)(int32_t kv);
REALM_IMPORT(kv_save)(int32_t kv, const void *name, int32_t len);
REALM_IMPORT(kv_open)(int32_t model, const void *name, int32_t len);

/* Constraints and samplers */
REALM_IMPORT(grammar_compile)(int32_t kind, const void *source, int32_t len);
REALM_IMPORT(grammar_free)(int32_t grammar);
REALM_IMPORT(matcher_new)(int32_t grammar, int32_t model);
REALM_IMPORT(matcher_fork)(int32_t matcher);
REALM_IMPORT(matcher_accept)(int32_t matcher, int32_t token);
REALM_IMPORT(matcher_status)(int32_t matcher);
REALM_IMPORT(matcher_forced)(int32_t matcher, void *to, int32_t cap);
REALM_IMPORT(matcher_forced_tokens)(int32_t matcher, int32_t *to, int32_t cap);
REALM_IMPORT(matcher_mask)(int32_t matcher, uint32_t *to, int32_t cap);
REALM_IMPORT(matcher_free)(int32_t matcher);
REALM_IMPORT(sampler_new)(int32_t model, const void *json, int32_t len);
REALM_IMPORT(sampler_free)(int32_t sampler);

/* Compute */
REALM_IMPORT(step)(realm_step *requests, int32_t n);
REALM_IMPORT(step_submit)(realm_step *requests, int32_t n);
REALM_IMPORT(step_wait)(int32_t ticket, int32_t timeout_ms);
REALM_IMPORT(logits_read)(int32_t kv, int32_t output, float *to, int32_t cap);
REALM_IMPORT(embed)(int32_t model_or_kv, const int32_t *tokens, int32_t n, int32_t flags, float *to, int32_t cap);

/* Low level: f32 matrices in the guest's memory, lengths in elements; private layers in host memory */
REALM_IMPORT(candle_matmul)(const float *a, int32_t a_len, const float *b, int32_t b_len, int32_t m, int32_t k,
                            int32_t n, float *result);
REALM_IMPORT(candle_matmul_transposed)(const float *a, int32_t a_len, const float *b, int32_t b_len, int32_t m,
                                       int32_t k, int32_t n, float *result);
REALM_IMPORT(memory64_store_layer)(const void *model, int32_t model_len, int32_t layer, const void *data,
                                   int32_t len);
REALM_IMPORT(memory64_load_layer)(const void *model, int32_t model_len, int32_t layer, void *to, int32_t cap);
REALM_IMPORT(memory64_get_cache_stats)(void *to, int32_t len);

/* What the host calls. */
#define REALM_EXPORT(name) __attribute__((export_name(#name))) int32_t name

#endif

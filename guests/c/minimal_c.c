#include "realm_guest.h"

static int32_t ids[RG_IDS], next;

REALM_EXPORT(generate)(int32_t model) {
  int32_t n = rg_begin(model, ids, RG_IDS), kv = n < 0 ? n : kv_new(model);
  if (kv < 0) return kv;
  realm_step r = rg_request(kv, ids, n, &next, 0);
  r.flags = REALM_STEP_EMIT;
  int32_t error = step(&r, 1);
  kv_free(kv);
  return error;
}

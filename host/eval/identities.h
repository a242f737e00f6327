/* Who is who in an evaluation: the gallery's ids as dense numbers, its items by identity, and what a protocol hides from a query. */
#pragma once

#include <stdbool.h>

#include "host/eval/evaluate.h"

typedef struct {
  int64_t count;                    /* different ids in the gallery */
  int32_t *of_item;                 /* [G]: 0 .. count - 1, in ascending order of the ids */
  int32_t *of_query;                /* [Q]; -1: nobody in the gallery has the query's id */
  int64_t *first;                   /* [count + 1] */
  int32_t *items;                   /* [G]: items[first[i] .. first[i+1]-1] are identity i's, ascending */
  int32_t *item_code, *hidden_code; /* [G], [Q]: those of kernels/retrieval/hide.h; NULL: the protocol hides nothing */
} xr_identities;

/* Everything lies in the arena. The cameras are there when the protocol needs them. */
xr_status xr_identities_find(xr_identities *who, xr_arena *arena, const xr_evaluation_input *in, const xr_protocol *protocol);

static inline bool xr_is_hidden(const xr_identities *who, int64_t query, int64_t item) {
  return who->item_code && who->hidden_code[query] >= 0 && who->hidden_code[query] == who->item_code[item];
}

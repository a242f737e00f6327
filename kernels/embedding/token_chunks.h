/* The GPU's workspace for the gradient of a token table.
 *
 * Tokens in the order of their ids are cut into chunks of XR_TOKEN_CHUNK. Ids whose tokens lie within one chunk are summed at once;
 * others leave a partial sum in each chunk that they reach: partial[chunk][0] for the id that came from the chunk before,
 * partial[chunk][1] for the one that begins here and goes on in the next. */
#pragma once

#include "kernels/embedding/token_embedding.h"

enum { XR_TOKEN_CHUNK = 32 };

typedef struct {
  int32_t place, id; /* place: b * tokens + t */
} xr_placed_token;

static inline int64_t xr_token_chunks(const xr_token_embedding *a) { return (a->batch * a->tokens + XR_TOKEN_CHUNK - 1) / XR_TOKEN_CHUNK; }

/* Where the partial sums start: after the ordered tokens, which fill whole chunks here so that this is a multiple of 16. */
static inline size_t xr_token_partial_offset(const xr_token_embedding *a) {
  return (size_t)xr_token_chunks(a) * XR_TOKEN_CHUNK * sizeof(xr_placed_token);
}

static inline size_t xr_token_chunk_bytes(const xr_token_embedding *a) {
  return xr_token_partial_offset(a) + (size_t)(xr_token_chunks(a) * 2 * a->width) * sizeof(float);
}

/* Token embedding with learned positions.
 *
 *   y[b, t, :] = table[ids[b, t], :] + position[t, :]
 *
 * Backward:
 *   dtable[v, :]   = sum over the (b, t) with ids[b, t] = v of dy[b, t, :], in the order of (b, t)
 *   dposition[t,:] = sum over b of dy[b, t, :]
 *
 * An id outside 0 .. vocabulary-1 is XR_BAD_INPUT (naming b, t, the id and the vocabulary) and nothing is written; on a GPU, where
 * nobody looks first, it makes its row of y and the last row of dtable NaN.
 * batch * tokens < 2^31. Any width >= 1. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t batch, tokens, vocabulary, width; /* B, T, V, D */
  xr_dtype dtype;                           /* of table, position, y and dy: XR_F32 or XR_BF16 */
  const int32_t *ids;                       /* [B, T] */
  const void *table;                        /* [V, D] */
  const void *position;                     /* [T, D] */
  void *y;                                  /* [B, T, D] */
  /* backward */
  const void *dy;         /* [B, T, D] */
  float *dtable;          /* [V, D] or NULL */
  float *dposition;       /* [T, D] or NULL */
  bool accumulate_dtable; /* add to dtable; when assigning, rows that no token uses become 0 */
  bool accumulate_dposition;
  void *workspace; /* xr_token_embedding_workspace() bytes, backward only */
} xr_token_embedding;

size_t xr_token_embedding_workspace(const xr_token_embedding *a);

xr_status xr_token_embedding_check(const xr_token_embedding *a); /* the arguments, not the data: what every backend does first */
xr_status xr_token_embedding_forward_cpu(const xr_token_embedding *a);
xr_status xr_token_embedding_forward_cuda(const xr_token_embedding *a, xr_stream stream);
xr_status xr_token_embedding_backward_cpu(const xr_token_embedding *a);
xr_status xr_token_embedding_backward_cuda(const xr_token_embedding *a, xr_stream stream);

XR_C_END

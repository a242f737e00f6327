/* What one query of a sample looks at: its attention to every key, the mean over the heads. A measure of tokens, without gradient.
 *
 *   row[b, n] = 1/H sum over h of softmax over n' of <q[b, i, h], k[b, n', h]> / sqrt(head_dim)      i = index[b]; keys n' <= i
 *
 * Keys behind i, which a causal tower hides from it, have 0. Without an index i = 0 and every key counts (a class token).
 * qkv is packed, [B, N, 3 D]: queries, keys and values side by side, D = heads * head_dim. An index outside 0 .. N - 1 is XR_BAD_INPUT on
 * the CPU and makes the sample's row NaN on the device. batch >= 0, 1 <= N <= 1024, heads >= 1, 1 <= head_dim <= 128. */
#pragma once

#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

enum { XR_ATTENTION_ROW_MAX_KEYS = 1024, XR_ATTENTION_ROW_MAX_HEAD_DIM = 128 };

typedef struct {
  int64_t batch, tokens, heads, head_dim;
  xr_dtype dtype;       /* of qkv: XR_F32 or XR_BF16 */
  const void *qkv;      /* [B, N, 3 D] */
  const int32_t *index; /* [B] or NULL */
  float *row;           /* [B, N] */
} xr_attention_row;

xr_status xr_attention_row_check(const xr_attention_row *a);
xr_status xr_attention_row_forward_cpu(const xr_attention_row *a);
xr_status xr_attention_row_forward_cuda(const xr_attention_row *a, xr_stream stream);

XR_C_END

/* A gate over scales: the weighted mean of S results, with weights from a softmax over the scales, for each sample and query.
 *
 *   g = softmax over s of logits[b, :, m],   out[b, m] = sum over s of g_s z[b, s, m]
 *
 * Backward, with G = dout[b, m]:
 *   dz[b, s, m] = g_s G,   dlogits[b, s, m] = g_s (<G, z_s> - sum_r g_r <G, z_r>)
 *
 * Sums and softmax in f32 under every dtype. batch >= 0, queries >= 0, 1 <= scales <= 32, 1 <= width <= 8192. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

enum { XR_SCALE_GATE_MAX_SCALES = 32, XR_SCALE_GATE_MAX_WIDTH = 8192 };

typedef struct {
  int64_t batch, scales, queries, width; /* B, S, M, D */
  xr_dtype dtype;                        /* of z, out and their gradients: XR_F32 or XR_BF16 */
  const void *z;                         /* [B, S, M, D] */
  const float *logits;                   /* [B, S, M] */
  float *gates;                          /* [B, S, M], g: forward writes, backward reads; may be the memory of logits */
  void *out;                             /* [B, M, D] */
  /* backward */
  const void *dout; /* [B, M, D] */
  void *dz;         /* [B, S, M, D] or NULL */
  float *dlogits;   /* [B, S, M] or NULL */
  bool accumulate_dz, accumulate_dlogits;
} xr_scale_gate;

xr_status xr_scale_gate_check(const xr_scale_gate *a); /* sizes and dtype */

xr_status xr_scale_gate_forward_cpu(const xr_scale_gate *a);
xr_status xr_scale_gate_forward_cuda(const xr_scale_gate *a, xr_stream stream);
xr_status xr_scale_gate_backward_cpu(const xr_scale_gate *a);
xr_status xr_scale_gate_backward_cuda(const xr_scale_gate *a, xr_stream stream);

XR_C_END

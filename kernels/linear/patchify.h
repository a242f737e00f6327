/* Cuts images into patches, one row a patch, so that a patch embedding is a linear layer.
 *
 *   y[(b gh + i) gw + j, (c p + u) p + v] = x[b, i s + u, j s + v, c],   gh = (height - p) / s + 1,   gw = (width - p) / s + 1
 *
 * Columns run over (channel, y, x): the order of a convolution's weight [out, 3, p, p]. Patches overlap when s < p; pixels that no whole
 * patch reaches are left out. Forward only: the image needs no gradient. batch >= 0, 1 <= patch <= height, width, stride >= 1. */
#pragma once

#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

enum { XR_IMAGE_CHANNELS = 3 };

typedef struct {
  int64_t batch, height, width; /* pixels */
  int64_t patch, stride;        /* pixels */
  xr_dtype dtype;               /* of x and y: XR_F32 or XR_BF16 */
  const void *x;                /* [batch, height, width, 3] */
  void *y;                      /* [batch * gh * gw, 3 * patch * patch] */
} xr_patchify;

/* Patches down and across one image. */
static inline int64_t xr_patchify_rows(const xr_patchify *a) { return (a->height - a->patch) / a->stride + 1; }
static inline int64_t xr_patchify_cols(const xr_patchify *a) { return (a->width - a->patch) / a->stride + 1; }

xr_status xr_patchify_check(const xr_patchify *a); /* the arguments, not the data: what every backend does first */
xr_status xr_patchify_forward_cpu(const xr_patchify *a);
xr_status xr_patchify_forward_cuda(const xr_patchify *a, xr_stream stream);

XR_C_END

/* From decoded pixels to what a network reads: flip, shift, normalise, erase, in one pass.
 *
 *   a = flip ? x mirrored left-right : x
 *   c[y, x] = a[y + crop_y, x + crop_x], black (0) outside the image
 *   n = (c / 255 - mean) / std
 *   out = fill inside the erased rectangle, else n
 *
 * This is torchvision's RandomHorizontalFlip, Pad, RandomCrop, ToTensor, Normalize, RandomErasing for given random decisions, equal to
 * the bit: three f32 operations in this order, with true divisions. `fill` is in normalised units, as RandomErasing comes last.
 * A crop at (u, v) of the image padded by p pixels is crop_x = u - p, crop_y = v - p; a zeroed decision leaves the image as it is.
 * bf16 results are the f32 results rounded. No gradient. */
#pragma once

#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int32_t flip;
  int32_t crop_x, crop_y;
  int32_t erase_x, erase_y, erase_width, erase_height; /* within the result; a width or height of 0: nothing is erased */
} xr_augment_decision;

typedef struct {
  int64_t count;                        /* B >= 0 */
  int32_t height, width;                /* >= 1, 3 * width <= XR_MAX_ROW */
  const uint8_t *pixels;                /* [B, height, width, 3] */
  const xr_augment_decision *decisions; /* [B], or NULL: only normalise */
  float mean[3], std[3], fill[3];       /* per channel; std > 0 */
  xr_dtype dtype;                       /* of out: XR_F32 or XR_BF16 */
  void *out;                            /* [B, height, width, 3] */
} xr_augment;

xr_status xr_augment_forward_check(const xr_augment *a); /* the arguments, not the data: what every backend does first */
xr_status xr_augment_forward_cpu(const xr_augment *a);
xr_status xr_augment_forward_cuda(const xr_augment *a, xr_stream stream);

XR_C_END

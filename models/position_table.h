/* A vision transformer's table of positions fitted to another grid of patches.
 *
 * Row 0 belongs to the class token and is kept. The other rows are an image [grid_height, grid_width, D], resized as
 * torch.nn.functional.interpolate does with align_corners=False and no antialiasing. For an axis of `in` positions and output o:
 *
 *   src = (o + 1/2) in / out - 1/2
 *   bilinear  src clamped at 0, from the two positions around it (the last one stands for what follows)
 *   bicubic   from four positions, clamped to the image, with Keys' weights, a = -0.75
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  int64_t height, width;
} xr_grid;

typedef enum { XR_POSITIONS_BILINEAR, XR_POSITIONS_BICUBIC } xr_position_filter;

/* in [1 + from.height * from.width, D] -> out [1 + to.height * to.width, D], each element summed in double. */
void xr_position_table_resize(const float *in, xr_grid from, float *out, xr_grid to, int64_t width, xr_position_filter filter);

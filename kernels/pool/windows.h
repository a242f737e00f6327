/* Windows that slide over one axis of a map: where they lie, and which of them cover an element. */
#pragma once

#include "kernels/common/math.h"

/* first .. end - 1 */
typedef struct {
  int64_t first, end;
} xr_window_range;

/* The offsets inside window `window` that lie inside a map of `size`. */
XR_MATH_INLINE xr_window_range xr_window_inside(int64_t window, int64_t kernel, int64_t stride, int64_t pad, int64_t size) {
  const int64_t start = window * stride - pad, left = size - start;
  const xr_window_range range = {start < 0 ? -start : 0, left < kernel ? left : kernel};
  return range;
}

/* The windows, of `windows`, that cover element `at`. */
XR_MATH_INLINE xr_window_range xr_windows_over(int64_t at, int64_t kernel, int64_t stride, int64_t pad, int64_t windows) {
  const int64_t behind = at + pad - kernel + 1, last = (at + pad) / stride;
  const xr_window_range range = {behind <= 0 ? 0 : (behind + stride - 1) / stride, last < windows ? last + 1 : windows};
  return range;
}

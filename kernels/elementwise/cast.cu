#include "kernels/elementwise/cast.h"

#include "kernels/common/scaled_copy.cuh"

xr_status xr_cast_forward_cuda(const xr_cast *a, xr_stream stream) {
  XR_TRY(xr_cast_check(a));
  return xr_scaled_copy_cuda("cast", a->y, a->y_dtype, false, 1, a->x, a->x_dtype, a->count, stream);
}

xr_status xr_cast_backward_cuda(const xr_cast *a, xr_stream stream) {
  XR_TRY(xr_cast_check(a));
  return xr_scaled_copy_cuda("cast", a->dx, a->x_dtype, a->accumulate_dx, 1, a->dy, a->y_dtype, a->count, stream);
}

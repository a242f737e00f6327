#include "kernels/elementwise/scale.h"

#include "kernels/common/scaled_copy.cuh"

xr_status xr_scale_forward_cuda(const xr_scale *a, xr_stream stream) {
  XR_TRY(xr_scale_check(a));
  return xr_scaled_copy_cuda("scale", a->y, a->dtype, false, a->alpha, a->x, a->dtype, a->count, stream);
}

xr_status xr_scale_backward_cuda(const xr_scale *a, xr_stream stream) {
  XR_TRY(xr_scale_check(a));
  return xr_scaled_copy_cuda("scale", a->dx, a->dtype, a->accumulate_dx, a->alpha, a->dy, a->dtype, a->count, stream);
}

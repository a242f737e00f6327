#include "kernels/elementwise/scale.h"

#include "kernels/common/spans.h"

xr_status xr_scale_check(const xr_scale *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "scale: dtype %s", xr_dtype_name(a->dtype));
  return XR_OK;
}

xr_status xr_scale_forward_cpu(const xr_scale *a) {
  XR_TRY(xr_scale_check(a));
  xr_scaled_copy(a->y, a->dtype, false, a->alpha, a->x, a->dtype, a->count);
  return XR_OK;
}

xr_status xr_scale_backward_cpu(const xr_scale *a) {
  XR_TRY(xr_scale_check(a));
  xr_scaled_copy(a->dx, a->dtype, a->accumulate_dx, a->alpha, a->dy, a->dtype, a->count);
  return XR_OK;
}

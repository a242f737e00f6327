#include "kernels/elementwise/cast.h"

#include "kernels/common/spans.h"

xr_status xr_cast_check(const xr_cast *a) {
  if (!xr_is_float(a->x_dtype) || !xr_is_float(a->y_dtype))
    return xr_fail(XR_UNSUPPORTED, "cast: %s to %s", xr_dtype_name(a->x_dtype), xr_dtype_name(a->y_dtype));
  return XR_OK;
}

xr_status xr_cast_forward_cpu(const xr_cast *a) {
  XR_TRY(xr_cast_check(a));
  xr_scaled_copy(a->y, a->y_dtype, false, 1, a->x, a->x_dtype, a->count);
  return XR_OK;
}

xr_status xr_cast_backward_cpu(const xr_cast *a) {
  XR_TRY(xr_cast_check(a));
  xr_scaled_copy(a->dx, a->x_dtype, a->accumulate_dx, 1, a->dy, a->y_dtype, a->count);
  return XR_OK;
}

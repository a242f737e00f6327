#include "kernels/copy/slice.h"

#include "kernels/copy/runs.h"

xr_status xr_slice_check(const xr_slice *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "slice: dtype %s", xr_dtype_name(a->dtype));
  if (a->outer < 0 || a->axis < 0 || a->inner < 0 || a->start < 0 || a->length < 0 || a->start > a->axis - a->length)
    return xr_fail(XR_BAD_SHAPE, "slice: %lld elements from %lld of an axis of %lld", (long long)a->length, (long long)a->start,
                   (long long)a->axis);
  return XR_OK;
}

xr_status xr_slice_forward_cpu(const xr_slice *a) {
  XR_TRY(xr_slice_check(a));
  const int64_t run = a->length * a->inner;
  xr_copy_runs((xr_runs){a->y, 0, run}, false, (xr_runs){(void *)a->x, a->start * a->inner, a->axis * a->inner}, a->dtype, a->outer, run);
  return XR_OK;
}

xr_status xr_slice_backward_cpu(const xr_slice *a) {
  XR_TRY(xr_slice_check(a));
  const int64_t run = a->length * a->inner, whole = a->axis * a->inner, before = a->start * a->inner;
  xr_copy_runs((xr_runs){a->dx, before, whole}, a->accumulate_dx, (xr_runs){(void *)a->dy, 0, run}, a->dtype, a->outer, run);
  if (!a->accumulate_dx) {
    xr_zero_runs((xr_runs){a->dx, 0, whole}, a->dtype, a->outer, before);
    xr_zero_runs((xr_runs){a->dx, before + run, whole}, a->dtype, a->outer, whole - before - run);
  }
  return XR_OK;
}

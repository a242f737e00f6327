#include "kernels/copy/concat.h"

#include "kernels/copy/runs.h"

xr_status xr_concat_check(const xr_concat *a, int64_t *whole) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "concat: dtype %s", xr_dtype_name(a->dtype));
  if (a->inputs < 1 || a->inputs > XR_MAX_CONCAT)
    return xr_fail(XR_BAD_ARGUMENT, "concat: %d inputs, 1 to %d are supported", a->inputs, XR_MAX_CONCAT);
  *whole = 0;
  for (int k = 0; k < a->inputs; k++) {
    if (a->outer < 0 || a->inner < 0 || a->axis[k] < 0)
      return xr_fail(XR_BAD_SHAPE, "concat: input %d is [%lld, %lld, %lld]", k, (long long)a->outer, (long long)a->axis[k],
                     (long long)a->inner);
    *whole += a->axis[k] * a->inner;
  }
  return XR_OK;
}

xr_status xr_concat_forward_cpu(const xr_concat *a) {
  int64_t whole;
  XR_TRY(xr_concat_check(a, &whole));
  for (int64_t k = 0, at = 0; k < a->inputs; k++) {
    const int64_t run = a->axis[k] * a->inner;
    xr_copy_runs((xr_runs){a->y, at, whole}, false, (xr_runs){(void *)a->x[k], 0, run}, a->dtype, a->outer, run);
    at += run;
  }
  return XR_OK;
}

xr_status xr_concat_backward_cpu(const xr_concat *a) {
  int64_t whole;
  XR_TRY(xr_concat_check(a, &whole));
  for (int64_t k = 0, at = 0; k < a->inputs; k++) {
    const int64_t run = a->axis[k] * a->inner;
    if (a->dx[k])
      xr_copy_runs((xr_runs){a->dx[k], 0, run}, a->accumulate_dx[k], (xr_runs){(void *)a->dy, at, whole}, a->dtype, a->outer, run);
    at += run;
  }
  return XR_OK;
}

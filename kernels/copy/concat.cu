#include "kernels/copy/concat.h"

#include "kernels/copy/runs.cuh"

xr_status xr_concat_forward_cuda(const xr_concat *a, xr_stream stream) {
  int64_t whole;
  XR_TRY(xr_concat_check(a, &whole));
  for (int64_t k = 0, at = 0; k < a->inputs; k++) {
    const int64_t run = a->axis[k] * a->inner;
    XR_TRY(xr_copy_runs_cuda("concat", {a->y, at, whole}, false, {(void *)a->x[k], 0, run}, a->dtype, a->outer, run, stream));
    at += run;
  }
  return XR_OK;
}

xr_status xr_concat_backward_cuda(const xr_concat *a, xr_stream stream) {
  int64_t whole;
  XR_TRY(xr_concat_check(a, &whole));
  for (int64_t k = 0, at = 0; k < a->inputs; k++) {
    const int64_t run = a->axis[k] * a->inner;
    if (a->dx[k])
      XR_TRY(xr_copy_runs_cuda("concat backward", {a->dx[k], 0, run}, a->accumulate_dx[k], {(void *)a->dy, at, whole}, a->dtype, a->outer,
                               run, stream));
    at += run;
  }
  return XR_OK;
}

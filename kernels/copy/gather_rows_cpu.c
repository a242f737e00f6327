#include "kernels/copy/gather_rows.h"

#include "kernels/common/spans.h"

xr_status xr_gather_rows_check(const xr_gather_rows *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "gather_rows: dtype %s", xr_dtype_name(a->dtype));
  if (a->batch < 0 || a->tokens < 0 || a->width < 0)
    return xr_fail(XR_BAD_SHAPE, "gather_rows: x [%lld, %lld, %lld]", (long long)a->batch, (long long)a->tokens, (long long)a->width);
  return XR_OK;
}

static xr_status check_indices(const xr_gather_rows *a) {
  for (int64_t b = 0; b < a->batch; b++)
    if (a->index[b] < 0 || a->index[b] >= a->tokens)
      return xr_fail(XR_BAD_INPUT, "gather_rows: sample %lld asks for token %d of %lld (counted from 0)", (long long)b, a->index[b],
                     (long long)a->tokens);
  return XR_OK;
}

static void copy_row(void *out, int64_t out_row, bool accumulate, const void *in, int64_t in_row, const xr_gather_rows *a) {
  for (int64_t at = 0; at < a->width; at += XR_SPAN) {
    const int64_t n = xr_span_length(a->width, at);
    float scratch[XR_SPAN];
    const float *x = xr_span_read(in, a->dtype, in_row * a->width + at, n, scratch);
    xr_span_store(out, a->dtype, out_row * a->width + at, n, x, accumulate);
  }
}

xr_status xr_gather_rows_forward_cpu(const xr_gather_rows *a) {
  XR_TRY(xr_gather_rows_check(a));
  XR_TRY(check_indices(a));
#pragma omp parallel for schedule(static)
  for (int64_t b = 0; b < a->batch; b++) copy_row(a->y, b, false, a->x, b * a->tokens + a->index[b], a);
  return XR_OK;
}

xr_status xr_gather_rows_backward_cpu(const xr_gather_rows *a) {
  XR_TRY(xr_gather_rows_check(a));
  XR_TRY(check_indices(a));
#pragma omp parallel for schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    if (!a->accumulate_dx) xr_span_zero(a->dx, a->dtype, b * a->tokens * a->width, a->tokens * a->width);
    copy_row(a->dx, b * a->tokens + a->index[b], a->accumulate_dx, a->dy, b, a);
  }
  return XR_OK;
}

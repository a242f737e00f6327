#include "kernels/copy/take_rows.h"

#include "kernels/common/spans.h"

xr_status xr_take_rows_check(const xr_take_rows *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "take_rows: dtype %s", xr_dtype_name(a->dtype));
  if (a->rows < 0 || a->width < 0 || a->taken < 0 || a->rows > INT32_MAX || a->taken > INT32_MAX)
    return xr_fail(XR_BAD_SHAPE, "take_rows: %lld rows of x [%lld, %lld]", (long long)a->taken, (long long)a->rows, (long long)a->width);
  return XR_OK;
}

static xr_status check_indices(const xr_take_rows *a) {
  int64_t before = -1;
  for (int64_t r = 0; r < a->taken; r++) {
    const int32_t index = a->index[r];
    if (index < -1 || index >= a->rows)
      return xr_fail(XR_BAD_INPUT, "take_rows: place %lld asks for row %d of %lld (counted from 0; -1: none)", (long long)r, index,
                     (long long)a->rows);
    if (index != -1 && index <= before)
      return xr_fail(XR_BAD_INPUT, "take_rows: place %lld asks for row %d: rows ascend and -1 comes last", (long long)r, index);
    before = index == -1 ? a->rows : index;
  }
  return XR_OK;
}

/* out row (+)= in row, or 0 for an in_row of -1. */
static void copy_row(void *out, int64_t out_row, bool accumulate, const void *in, int64_t in_row, const xr_take_rows *a) {
  if (in_row < 0) {
    if (!accumulate && a->width) xr_span_zero(out, a->dtype, out_row * a->width, a->width);
    return;
  }
  for (int64_t at = 0; at < a->width; at += XR_SPAN) {
    const int64_t n = xr_span_length(a->width, at);
    float scratch[XR_SPAN];
    const float *x = xr_span_read(in, a->dtype, in_row * a->width + at, n, scratch);
    xr_span_store(out, a->dtype, out_row * a->width + at, n, x, accumulate);
  }
}

xr_status xr_take_rows_forward_cpu(const xr_take_rows *a) {
  XR_TRY(xr_take_rows_check(a));
  XR_TRY(check_indices(a));
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < a->taken; r++) copy_row(a->y, r, false, a->x, a->index[r], a);
  return XR_OK;
}

/* The place of `row` among the indices, or -1. */
static int64_t place_of(const xr_take_rows *a, uint32_t row) {
  int64_t low = 0, high = a->taken;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if ((uint32_t)a->index[middle] < row) /* -1 is above every row */
      low = middle + 1;
    else
      high = middle;
  }
  return low < a->taken && (uint32_t)a->index[low] == row ? low : -1;
}

xr_status xr_take_rows_backward_cpu(const xr_take_rows *a) {
  XR_TRY(xr_take_rows_check(a));
  XR_TRY(check_indices(a));
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < a->rows; row++) copy_row(a->dx, row, a->accumulate_dx, a->dy, place_of(a, (uint32_t)row), a);
  return XR_OK;
}

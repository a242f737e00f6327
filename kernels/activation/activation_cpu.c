#include "kernels/activation/activation.h"

#include "kernels/common/rows.h"

enum { CHUNK = 4096 }; /* elements at a time: the scratch rows stay in the first-level cache */

xr_status xr_activation_check(const xr_activation *a) {
  if (a->count < 0) return xr_fail(XR_BAD_SHAPE, "activation: %lld elements", (long long)a->count);
  if ((unsigned)a->kind >= XR_ACTIVATIONS) return xr_fail(XR_UNSUPPORTED, "activation: kind %d", (int)a->kind);
  if (a->dtype != XR_F32 && a->dtype != XR_BF16) return xr_fail(XR_UNSUPPORTED, "activation: dtype %s", xr_dtype_name(a->dtype));
  return XR_OK;
}

/* Element `start` of a tensor. */
static const void *read_at(const void *base, xr_dtype dtype, int64_t start) {
  return (const char *)base + (size_t)start * xr_dtype_bytes(dtype);
}

static void *write_at(void *base, xr_dtype dtype, int64_t start) { return (char *)base + (size_t)start * xr_dtype_bytes(dtype); }

xr_status xr_activation_forward_cpu(const xr_activation *a) {
  XR_TRY(xr_activation_check(a));
#pragma omp parallel for schedule(static)
  for (int64_t start = 0; start < a->count; start += CHUNK) {
    float scratch_x[CHUNK], scratch_y[CHUNK];
    const int64_t n = a->count - start < CHUNK ? a->count - start : CHUNK;
    void *to = write_at(a->y, a->dtype, start);
    float *y = xr_row_target(to, a->dtype, 0, n, scratch_y);
    xr_activation_row(a->kind, y, xr_row_read(read_at(a->x, a->dtype, start), a->dtype, 0, n, scratch_x), n);
    xr_row_write(to, a->dtype, 0, n, y);
  }
  return XR_OK;
}

xr_status xr_activation_backward_cpu(const xr_activation *a) {
  XR_TRY(xr_activation_check(a));
#pragma omp parallel for schedule(static)
  for (int64_t start = 0; start < a->count; start += CHUNK) {
    float scratch_x[CHUNK], scratch_dy[CHUNK], scratch_old[CHUNK], dx[CHUNK];
    const int64_t n = a->count - start < CHUNK ? a->count - start : CHUNK;
    const float *x = xr_row_read(read_at(a->x, a->dtype, start), a->dtype, 0, n, scratch_x);
    const float *dy = xr_row_read(read_at(a->dy, a->dtype, start), a->dtype, 0, n, scratch_dy);
    void *to = write_at(a->dx, a->dtype, start);
    xr_activation_slope_row(a->kind, dx, dy, x, n);
    if (a->accumulate_dx) {
      const float *old = xr_row_read(to, a->dtype, 0, n, scratch_old);
      for (int64_t i = 0; i < n; i++) dx[i] += old[i];
    }
    if (a->dtype == XR_F32)
      memcpy(to, dx, (size_t)n * sizeof *dx);
    else
      xr_narrow(to, dx, n);
  }
  return XR_OK;
}

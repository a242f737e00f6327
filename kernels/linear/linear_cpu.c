#include "kernels/linear/linear.h"

#include "kernels/common/rows.h"
#include "kernels/linear/gemm.h"
#include "kernels/linear/linear_products.h"

enum { SPAN = 1024 }; /* elements of a row at a time: their scratch lies on the stack */

xr_status xr_linear_forward_cpu(const xr_linear *a) {
  XR_TRY(xr_linear_check(a));
  const xr_gemm product = xr_linear_forward_product(a);
  return xr_gemm_cpu(&product);
}

static const float *read_span(const void *base, xr_dtype dtype, int64_t start, int64_t n, float *scratch) {
  if (dtype == XR_F32) return (const float *)base + start;
  xr_widen(scratch, (const xr_bf16 *)base + start, n);
  return scratch;
}

/* n elements from `start` on: dpre from dy, and dbias (or NULL) plus them. */
static void backward_span(const xr_linear *a, int64_t start, int64_t n, float *dbias) {
  float scratch_dy[SPAN], scratch_pre[SPAN], scratch_dpre[SPAN];
  const float *dpre = read_span(a->dy, a->y_dtype, start, n, scratch_dy);
  if (a->activation != XR_ACTIVATION_NONE) {
    float *target = a->dtype == XR_F32 ? (float *)a->dpre + start : scratch_dpre;
    xr_activation_slope_row(a->activation, target, dpre, read_span(a->pre, a->y_dtype, start, n, scratch_pre), n);
    dpre = target;
  }
  if (xr_linear_has_dpre(a) && a->dtype == XR_BF16) xr_narrow((xr_bf16 *)a->dpre + start, dpre, n);
  if (!dbias) return;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) dbias[i] += dpre[i];
}

static void backward_rows(const xr_linear *a) {
  float *partial = a->dbias ? a->workspace : NULL;
  const int64_t per_block = (a->rows + XR_REDUCTION_BLOCKS - 1) / XR_REDUCTION_BLOCKS;
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < XR_REDUCTION_BLOCKS; block++) {
    float *dbias = partial ? partial + block * a->out : NULL;
    if (dbias) memset(dbias, 0, (size_t)a->out * sizeof *dbias);
    const int64_t end = (block + 1) * per_block < a->rows ? (block + 1) * per_block : a->rows;
    for (int64_t row = block * per_block; row < end; row++) {
      for (int64_t col = 0; col < a->out; col += SPAN)
        backward_span(a, row * a->out + col, a->out - col < SPAN ? a->out - col : SPAN, dbias ? dbias + col : NULL);
    }
  }
  for (int64_t i = 0; partial && i < a->out; i++) {
    float sum = a->accumulate_dbias ? a->dbias[i] : 0;
    for (int block = 0; block < XR_REDUCTION_BLOCKS; block++) sum += partial[block * a->out + i];
    a->dbias[i] = sum;
  }
}

xr_status xr_linear_backward_cpu(const xr_linear *a) {
  XR_TRY(xr_linear_check_backward(a));
  if (xr_linear_has_dpre(a) || a->dbias) backward_rows(a);
  const void *dpre = xr_linear_has_dpre(a) ? a->dpre : a->dy;
  if (a->dweight) {
    const xr_gemm product = xr_linear_dweight_product(a, dpre);
    XR_TRY(xr_gemm_cpu(&product));
  }
  if (a->dx) {
    const xr_gemm product = xr_linear_dx_product(a, dpre);
    XR_TRY(xr_gemm_cpu(&product));
  }
  return XR_OK;
}

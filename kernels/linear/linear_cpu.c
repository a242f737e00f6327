#include "kernels/linear/linear.h"

#include "kernels/common/rows.h"
#include "kernels/linear/gemm.h"

enum { SPAN = 1024 }; /* elements of a row at a time: their scratch lies on the stack */

static xr_gemm forward_product(const xr_linear *a) {
  return (xr_gemm){.m = a->rows,
                   .n = a->out,
                   .k = a->in,
                   .transpose_b = !a->weight_transposed,
                   .dtype = a->dtype,
                   .c_dtype = a->y_dtype,
                   .a = a->x,
                   .b = a->weight,
                   .c = a->y,
                   .lda = a->in,
                   .ldb = a->weight_transposed ? a->out : a->in,
                   .ldc = a->out,
                   .bias = a->bias,
                   .activation = a->activation,
                   .pre = a->activation == XR_ACTIVATION_NONE ? NULL : a->pre,
                   .workspace = a->workspace};
}

static xr_gemm dx_product(const xr_linear *a, const void *dpre) {
  return (xr_gemm){.m = a->rows,
                   .n = a->in,
                   .k = a->out,
                   .transpose_b = a->weight_transposed,
                   .dtype = a->dtype,
                   .c_dtype = a->dtype,
                   .a = dpre,
                   .b = a->weight,
                   .c = a->dx,
                   .lda = a->out,
                   .ldb = a->weight_transposed ? a->out : a->in,
                   .ldc = a->in,
                   .accumulate = a->accumulate_dx,
                   .workspace = a->workspace};
}

static xr_gemm dweight_product(const xr_linear *a, const void *dpre) {
  xr_gemm product = {.m = a->out,
                     .n = a->in,
                     .k = a->rows,
                     .transpose_a = true,
                     .dtype = a->dtype,
                     .c_dtype = XR_F32,
                     .a = dpre,
                     .b = a->x,
                     .c = a->dweight,
                     .lda = a->out,
                     .ldb = a->in,
                     .ldc = a->in,
                     .accumulate = a->accumulate_dweight,
                     .workspace = a->workspace};
  if (a->weight_transposed) {
    product.m = product.lda = a->in;
    product.n = product.ldb = product.ldc = a->out;
    product.a = a->x;
    product.b = dpre;
  }
  return product;
}

/* Whether the products read dpre, not dy. */
static bool has_dpre(const xr_linear *a) { return a->activation != XR_ACTIVATION_NONE || a->y_dtype != a->dtype; }

size_t xr_linear_workspace(const xr_linear *a) {
  const xr_gemm products[] = {forward_product(a), dx_product(a, NULL), dweight_product(a, NULL)};
  const bool wanted[] = {a->y != NULL, a->dx != NULL, a->dweight != NULL};
  size_t bytes = a->dbias ? (size_t)XR_REDUCTION_BLOCKS * (size_t)a->out * sizeof(float) : 0;
  for (int i = 0; i < 3; i++) {
    const size_t one = wanted[i] ? xr_gemm_workspace(&products[i]) : 0;
    if (one > bytes) bytes = one;
  }
  return bytes;
}

static xr_status check(const xr_linear *a) {
  if (a->rows < 0 || a->in < 1 || a->out < 1)
    return xr_fail(XR_BAD_SHAPE, "linear: %lld rows of %lld inputs and %lld outputs", (long long)a->rows, (long long)a->in,
                   (long long)a->out);
  if ((a->dtype != XR_F32 && a->dtype != XR_BF16) || (a->y_dtype != a->dtype && a->y_dtype != XR_F32))
    return xr_fail(XR_UNSUPPORTED, "linear: dtype %s with results of dtype %s", xr_dtype_name(a->dtype), xr_dtype_name(a->y_dtype));
  if ((unsigned)a->activation >= XR_ACTIVATIONS) return xr_fail(XR_UNSUPPORTED, "linear: activation %d", (int)a->activation);
  return XR_OK;
}

xr_status xr_linear_forward_cpu(const xr_linear *a) {
  XR_TRY(check(a));
  const xr_gemm product = forward_product(a);
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
  if (has_dpre(a) && a->dtype == XR_BF16) xr_narrow((xr_bf16 *)a->dpre + start, dpre, n);
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
    float sum = a->accumulate_dweight ? a->dbias[i] : 0;
    for (int block = 0; block < XR_REDUCTION_BLOCKS; block++) sum += partial[block * a->out + i];
    a->dbias[i] = sum;
  }
}

xr_status xr_linear_backward_cpu(const xr_linear *a) {
  XR_TRY(check(a));
  if (has_dpre(a) && !a->dpre) return xr_fail(XR_BAD_ARGUMENT, "linear: backward needs dpre (activation, or dy of another dtype)");
  if (a->activation != XR_ACTIVATION_NONE && !a->pre) return xr_fail(XR_BAD_ARGUMENT, "linear: backward needs pre: the activation's input");
  if (a->y_dtype != a->dtype && a->dpre == a->dy)
    return xr_fail(XR_BAD_ARGUMENT, "linear: dpre has another dtype than dy and cannot share its memory");
  if (has_dpre(a) || a->dbias) backward_rows(a);
  const void *dpre = has_dpre(a) ? a->dpre : a->dy;
  if (a->dweight) {
    const xr_gemm product = dweight_product(a, dpre);
    XR_TRY(xr_gemm_cpu(&product));
  }
  if (a->dx) {
    const xr_gemm product = dx_product(a, dpre);
    XR_TRY(xr_gemm_cpu(&product));
  }
  return XR_OK;
}

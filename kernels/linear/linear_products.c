/* What the backends of the linear layer share: which products it is made of. */
#include "kernels/linear/linear.h"

#include "kernels/common/rows.h"
#include "kernels/linear/gemm.h"
#include "kernels/linear/linear_products.h"

xr_gemm xr_linear_forward_product(const xr_linear *a) {
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
                   .tf32 = a->tf32,
                   .workspace = a->workspace};
}

xr_gemm xr_linear_dx_product(const xr_linear *a, const void *dpre) {
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
                   .tf32 = a->tf32,
                   .workspace = a->workspace};
}

xr_gemm xr_linear_dweight_product(const xr_linear *a, const void *dpre) {
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
                     .tf32 = a->tf32,
                     .workspace = a->workspace};
  if (a->weight_transposed) {
    product.m = product.lda = a->in;
    product.n = product.ldb = product.ldc = a->out;
    product.a = a->x;
    product.b = dpre;
  }
  return product;
}

size_t xr_linear_workspace(const xr_linear *a) {
  const xr_gemm products[] = {xr_linear_forward_product(a), xr_linear_dx_product(a, NULL), xr_linear_dweight_product(a, NULL)};
  const bool wanted[] = {a->y != NULL, a->dx != NULL, a->dweight != NULL};
  const int64_t partials = xr_linear_row_blocks(a->rows) > XR_REDUCTION_BLOCKS ? xr_linear_row_blocks(a->rows) : XR_REDUCTION_BLOCKS;
  size_t bytes = a->dbias ? (size_t)partials * (size_t)a->out * sizeof(float) : 0;
  for (int i = 0; i < 3; i++) {
    const size_t one = wanted[i] ? xr_gemm_workspace(&products[i]) : 0;
    if (one > bytes) bytes = one;
  }
  return bytes;
}

xr_status xr_linear_check(const xr_linear *a) {
  if (a->rows < 0 || a->in < 1 || a->out < 1)
    return xr_fail(XR_BAD_SHAPE, "linear: %lld rows of %lld inputs and %lld outputs", (long long)a->rows, (long long)a->in,
                   (long long)a->out);
  if ((a->dtype != XR_F32 && a->dtype != XR_BF16) || (a->y_dtype != a->dtype && a->y_dtype != XR_F32))
    return xr_fail(XR_UNSUPPORTED, "linear: dtype %s with results of dtype %s", xr_dtype_name(a->dtype), xr_dtype_name(a->y_dtype));
  if ((unsigned)a->activation >= XR_ACTIVATIONS) return xr_fail(XR_UNSUPPORTED, "linear: activation %d", (int)a->activation);
  return XR_OK;
}

xr_status xr_linear_check_backward(const xr_linear *a) {
  XR_TRY(xr_linear_check(a));
  if (xr_linear_has_dpre(a) && !a->dpre)
    return xr_fail(XR_BAD_ARGUMENT, "linear: backward needs dpre (activation, or dy of another dtype)");
  if (a->activation != XR_ACTIVATION_NONE && !a->pre) return xr_fail(XR_BAD_ARGUMENT, "linear: backward needs pre: the activation's input");
  if (a->y_dtype != a->dtype && a->dpre == a->dy)
    return xr_fail(XR_BAD_ARGUMENT, "linear: dpre has another dtype than dy and cannot share its memory");
  return XR_OK;
}

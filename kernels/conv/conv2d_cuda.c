/* The products are the library's (conv2d_parts.h); the bias is added and its gradient summed by the linear layer's kernels. */
#include <cuda_runtime_api.h>

#include "kernels/conv/conv2d.h"
#include "kernels/conv/conv2d_parts.h"
#include "kernels/linear/linear_finish.h"

xr_status xr_conv2d_forward_cuda(const xr_conv2d *a, xr_stream stream) {
  XR_TRY(xr_conv2d_check(a));
  const xr_linear linear = xr_conv2d_as_linear(a);
  if (xr_conv2d_is_linear(a)) return xr_linear_forward_cuda(&linear, stream);
  if (a->batch == 0) return XR_OK;
  XR_TRY(xr_conv2d_product_cuda(a, XR_CONV_FORWARD, stream));
  if (!a->bias) return XR_OK;
  const xr_linear_finish finish = {
      .rows = linear.rows, .cols = a->out, .dtype = a->dtype, .product = a->y, .ld = a->out, .bias = a->bias, .y = a->y};
  return xr_linear_finish_cuda(&finish, stream);
}

static xr_status zero(float *to, int64_t count, xr_stream stream) {
  const cudaError_t error = cudaMemsetAsync(to, 0, (size_t)count * sizeof *to, stream);
  return error == cudaSuccess ? XR_OK : xr_fail(XR_DEVICE, "conv2d: zeroing: %s", cudaGetErrorString(error));
}

xr_status xr_conv2d_backward_cuda(const xr_conv2d *a, xr_stream stream) {
  XR_TRY(xr_conv2d_check(a));
  if (a->batch == 0) {
    if (a->dweight && !a->accumulate_dweight) XR_TRY(zero(a->dweight, xr_conv2d_weight_elements(a), stream));
    return a->dbias && !a->accumulate_dbias ? zero(a->dbias, a->out, stream) : XR_OK;
  }
  const xr_linear linear = xr_conv2d_is_linear(a) ? xr_conv2d_as_linear(a) : xr_conv2d_bias_gradient(a);
  if (xr_conv2d_is_linear(a) || a->dbias) XR_TRY(xr_linear_backward_cuda(&linear, stream));
  if (xr_conv2d_is_linear(a)) return XR_OK;
  if (a->dweight) XR_TRY(xr_conv2d_product_cuda(a, XR_CONV_DWEIGHT, stream));
  return a->dx ? xr_conv2d_product_cuda(a, XR_CONV_DX, stream) : XR_OK;
}

#include "kernels/conv/conv2d_parts.h"

xr_linear xr_conv2d_as_linear(const xr_conv2d *a) {
  return (xr_linear){.rows = a->batch * xr_conv2d_out_height(a) * xr_conv2d_out_width(a),
                     .in = a->in,
                     .out = a->out,
                     .dtype = a->dtype,
                     .y_dtype = a->dtype,
                     .tf32 = a->tf32,
                     .x = a->x,
                     .weight = a->weight,
                     .bias = a->bias,
                     .y = a->y,
                     .dy = a->dy,
                     .dx = a->dx,
                     .accumulate_dx = a->accumulate_dx,
                     .dweight = a->dweight,
                     .dbias = a->dbias,
                     .accumulate_dweight = a->accumulate_dweight,
                     .accumulate_dbias = a->accumulate_dbias,
                     .workspace = a->workspace};
}

xr_linear xr_conv2d_bias_gradient(const xr_conv2d *a) {
  xr_linear linear = xr_conv2d_as_linear(a);
  linear.y = linear.dx = NULL;
  linear.dweight = NULL;
  return linear;
}

size_t xr_conv2d_workspace(const xr_conv2d *a) {
  if (xr_conv2d_check(a) != XR_OK || a->batch == 0) return 0;
  const xr_linear linear = xr_conv2d_is_linear(a) ? xr_conv2d_as_linear(a) : xr_conv2d_bias_gradient(a);
  size_t bytes = xr_linear_workspace(&linear);
  if (xr_conv2d_is_linear(a)) return bytes;
  const bool wanted[XR_CONV_PARTS] = {a->y != NULL, a->dx != NULL, a->dweight != NULL};
  for (int part = 0; part < XR_CONV_PARTS; part++) {
    if (!wanted[part]) continue;
    const size_t cpu = xr_conv2d_product_workspace_cpu(a, (xr_conv_part)part);
    if (cpu > bytes) bytes = cpu;
#ifdef XREID_CUDA
    const size_t cuda = xr_conv2d_product_workspace_cuda(a, (xr_conv_part)part);
    if (cuda > bytes) bytes = cuda;
#endif
  }
  return bytes;
}

xr_status xr_conv2d_check(const xr_conv2d *a) {
  if (a->batch < 0 || a->height < 1 || a->width < 1 || a->in < 1 || a->out < 1 || a->kernel_height < 1 || a->kernel_width < 1 ||
      a->stride < 1 || a->pad < 0)
    return xr_fail(XR_BAD_SHAPE, "conv2d: %lld maps of %lld x %lld x %lld by %lld kernels of %lld x %lld, stride %lld, padding %lld",
                   (long long)a->batch, (long long)a->height, (long long)a->width, (long long)a->in, (long long)a->out,
                   (long long)a->kernel_height, (long long)a->kernel_width, (long long)a->stride, (long long)a->pad);
  if (a->pad >= a->kernel_height || a->pad >= a->kernel_width)
    return xr_fail(XR_BAD_SHAPE, "conv2d: a padding of %lld is not smaller than the kernel of %lld x %lld", (long long)a->pad,
                   (long long)a->kernel_height, (long long)a->kernel_width);
  if (a->height + 2 * a->pad < a->kernel_height || a->width + 2 * a->pad < a->kernel_width)
    return xr_fail(XR_BAD_SHAPE, "conv2d: a kernel of %lld x %lld does not fit maps of %lld x %lld with a padding of %lld",
                   (long long)a->kernel_height, (long long)a->kernel_width, (long long)a->height, (long long)a->width, (long long)a->pad);
  if (a->dtype != XR_F32 && a->dtype != XR_BF16) return xr_fail(XR_UNSUPPORTED, "conv2d: dtype %s", xr_dtype_name(a->dtype));
  return XR_OK;
}

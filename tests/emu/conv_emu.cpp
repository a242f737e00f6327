/* Stands for kernels/conv/conv2d_cudnn.c: the CPU's convolution, in the order of the stream. */
#include <cuda_runtime.h>

#include <vector>

#include "kernels/conv/conv2d_parts.h"
#include "tests/emu/tf32.h"

/* Nothing beyond what the CPU's product asks for. */
size_t xr_conv2d_product_workspace_cuda(const xr_conv2d *, xr_conv_part) { return 0; }

static std::vector<float> rounded(const void *from, int64_t count) {
  std::vector<float> to(static_cast<size_t>(count));
  for (size_t i = 0; i < to.size(); i++) to[i] = rounded_to_tf32(static_cast<const float *>(from)[i]);
  return to;
}

static xr_status convolve(xr_conv2d a, xr_conv_part part) {
  std::vector<float> x, weight, dy;
  if (a.tf32 && a.dtype == XR_F32) {
    const int64_t results = a.batch * xr_conv2d_out_height(&a) * xr_conv2d_out_width(&a) * a.out;
    if (part != XR_CONV_DX) a.x = (x = rounded(a.x, a.batch * a.height * a.width * a.in)).data();
    if (part != XR_CONV_DWEIGHT) a.weight = (weight = rounded(a.weight, xr_conv2d_weight_elements(&a))).data();
    if (part != XR_CONV_FORWARD) a.dy = (dy = rounded(a.dy, results)).data();
  }
  return part == XR_CONV_FORWARD ? xr_conv2d_forward_cpu(&a) : xr_conv2d_backward_cpu(&a);
}

xr_status xr_conv2d_product_cuda(const xr_conv2d *a, xr_conv_part part, xr_stream stream) {
  xr_conv2d product = *a;
  product.bias = nullptr;
  product.dbias = nullptr;
  if (part != XR_CONV_DX) product.dx = nullptr;
  if (part != XR_CONV_DWEIGHT) product.dweight = nullptr;
  const cudaError_t error = emu::submit(stream,
                                        [product, part] { return convolve(product, part) == XR_OK ? cudaSuccess : cudaErrorInvalidValue; });
  return error == cudaSuccess ? XR_OK : xr_fail_in(XR_DEVICE, "conv2d");
}

void xr_conv2d_cache_clear_cuda(void) { xr_conv2d_cache_clear(); }

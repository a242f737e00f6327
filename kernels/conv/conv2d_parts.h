/* What the backends of the convolution share. */
#pragma once

#include "kernels/conv/conv2d.h"
#include "kernels/linear/linear.h"

XR_C_BEGIN

/* The three products. */
typedef enum { XR_CONV_FORWARD, XR_CONV_DX, XR_CONV_DWEIGHT, XR_CONV_PARTS } xr_conv_part;

/* Whether it is a linear layer over pixels. */
static inline bool xr_conv2d_is_linear(const xr_conv2d *a) {
  return a->kernel_height == 1 && a->kernel_width == 1 && a->stride == 1 && a->pad == 0;
}

/* The whole layer where it is linear. */
xr_linear xr_conv2d_as_linear(const xr_conv2d *a);
/* A linear layer of which only dbias is wanted: the sums of dy over pixels. */
xr_linear xr_conv2d_bias_gradient(const xr_conv2d *a);

static inline int64_t xr_conv2d_weight_elements(const xr_conv2d *a) { return a->out * a->kernel_height * a->kernel_width * a->in; }

/* One product on the device, by the library: y without the bias, dx or dweight. The convolution is not linear and not empty. cuDNN:
 * conv2d_cudnn.c; tests/emu/conv_emu.cpp stands for it. */
xr_status xr_conv2d_product_cuda(const xr_conv2d *a, xr_conv_part part, xr_stream stream);
size_t xr_conv2d_product_workspace_cuda(const xr_conv2d *a, xr_conv_part part);

/* Bytes on the CPU for one product. */
size_t xr_conv2d_product_workspace_cpu(const xr_conv2d *a, xr_conv_part part);

XR_C_END

/* What follows a product of the linear layer on CUDA, in one kernel. */
#pragma once

#include "kernels/activation/activation.h"

XR_C_BEGIN

typedef struct {
  int64_t rows, cols;
  xr_dtype dtype;      /* of product, pre and y */
  const void *product; /* [rows, cols] */
  int64_t ld;          /* elements from one row to the next, of all three */
  const float *bias;   /* [cols] or NULL */
  xr_activation_kind activation;
  void *pre; /* product + bias, may be the memory of product; NULL: not wanted */
  void *y;   /* activation(product + bias), may be the memory of product */
} xr_linear_finish;

xr_status xr_linear_finish_cuda(const xr_linear_finish *a, xr_stream stream);

XR_C_END

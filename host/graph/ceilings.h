/* What a machine reaches: how fast it copies memory and how fast it multiplies matrices, measured with our own product and the backend's
 * own copy. Nothing that is memory- or product-bound can be faster, so these are the ceilings that times are compared with. */
#pragma once

#include "host/graph/device.h"

typedef enum { XR_PRODUCT_F32, XR_PRODUCT_TF32, XR_PRODUCT_BF16, XR_PRODUCT_KINDS } xr_product_kind;

const char *xr_product_name(xr_product_kind kind); /* "f32" */

/* The products of a graph's layers; `tf32` means something in f32 on CUDA alone. */
xr_product_kind xr_product_kind_of(xr_backend backend, xr_dtype compute, bool tf32);

/* Bytes read and written in a second by copies four times as large as the last cache, at least 64 MiB. The best of at least three copies,
 * more while `seconds` last. */
xr_status xr_measure_copies(xr_backend backend, double seconds, double *bytes_per_second);

/* Operations (2 for each multiply-add) in a second in square products, as large as they may be to fit several times into `seconds`, up to
 * 2048 on the CPU and 8192 on CUDA. Operands are random: a device that saves power on zeros is faster on them. */
xr_status xr_measure_products(xr_backend backend, xr_product_kind kind, double seconds, double *flops_per_second);

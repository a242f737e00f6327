/* Golden files: inputs and double-precision results made by tests/oracle, one safetensors file an operation.
 *
 * A case "c" is the set of tensors named "c.<tensor>": inputs and parameters as float32 (exactly what both sides compute from) and,
 * for every result r, "c.<r>" as float64 (PyTorch in double precision) and "c.<r>.naive_f32" and "c.<r>.naive_bf16": the largest
 * absolute error of the plain PyTorch program in that precision against it.
 *
 * The criterion (flash-attention's): our largest error is at most twice the naive program's, plus one rounding of the largest
 * value, so that a naive program that happens to be exact does not ask for the impossible. */
#pragma once

#include <criterion/criterion.h>

#include "host/base/dtype.h"
#include "host/io/safetensors.h"

typedef struct {
  xr_safetensors *file;
  const char *name; /* of the case, for messages */
} xr_golden;

/* Opens tests/golden/<file>.safetensors; fails the test when it cannot. */
xr_golden xr_golden_open(const char *file);
void xr_golden_close(xr_golden *golden);

const xr_stored_tensor *xr_golden_tensor(const xr_golden *golden, const char *tensor);
int64_t xr_golden_dim(const xr_golden *golden, const char *tensor, int axis);
double xr_golden_scalar(const xr_golden *golden, const char *tensor);

/* A fresh block holding the tensor as f32, bf16 or i32; free with xr_block_free(). */
void *xr_golden_load(const xr_golden *golden, const char *tensor, xr_dtype dtype);

/* A fresh block for `count` elements, every one a NaN (floats) or -1: what is not written shows. */
void *xr_poisoned(xr_dtype dtype, int64_t count);

/* Fails the test unless `values` (of the stored tensor's size) meets the criterion in `precision` (XR_F32 or XR_BF16), the precision
 * in which the operation ran; `dtype` says how `values` are stored. */
void xr_golden_expect(const xr_golden *golden, const char *result, const void *values, xr_dtype dtype, xr_dtype precision);

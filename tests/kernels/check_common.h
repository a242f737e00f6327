/* Small operations made of one device helper each, so that kernels/common is checked like any kernel. */
#pragma once

#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

/* vec.cuh: y = x + 1, 16 bytes at a time where the addresses allow it, or element by element. */
typedef struct {
  int64_t count, offset; /* the first `offset` elements of x and y are left alone */
  xr_dtype dtype;
  const void *x;
  void *y;
} check_vec;
xr_status check_vec_cpu(const check_vec *a);
xr_status check_vec_cuda(const check_vec *a, xr_stream stream);

/* reduce.cuh: of each row of 256 whole numbers, by one block: sum, largest, smallest, and the sums of 8 neighbours. */
typedef struct {
  int64_t rows;
  const float *x;                  /* [rows, 256] */
  float *sum, *largest, *smallest; /* [rows] */
  float *eights;                   /* [rows, 32] */
} check_reduce;
xr_status check_reduce_cpu(const check_reduce *a);
xr_status check_reduce_cuda(const check_reduce *a, xr_stream stream);

/* mma.cuh and async_copy.cuh: C = A B for whole tiles. m % 16 = n % 16 = k % 16 = 0; one warp for a 16 x 16 tile of C. */
typedef struct {
  int64_t m, n, k;
  bool b_by_rows; /* B is stored [k, n] and read by the transposed load; else [n, k] */
  const xr_bf16 *a, *b;
  float *c; /* [m, n] */
} check_mma;
xr_status check_mma_cpu(const check_mma *a);
xr_status check_mma_cuda(const check_mma *a, xr_stream stream);

XR_C_END

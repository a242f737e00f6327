/* Single-threaded matrix products of oneDNN: f32 by a plain call, bf16 by objects that are made once per shape and kept. Used by
 * gemm_cpu.c only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

/* C[m, n] f32 = op(A) op(B), A and B bf16, row-major with leading dimensions. */
typedef struct {
  int64_t m, n, k, lda, ldb, ldc, transpose_a, transpose_b;
} xr_gemm_shape;

typedef struct xr_gemm_primitive xr_gemm_primitive;

/* The product of this shape, held until the release; *out is NULL (and the status XR_OK) when oneDNN has no fast bf16 on this processor. */
xr_status xr_gemm_primitive_hold(const xr_gemm_shape *shape, xr_gemm_primitive **out);
void xr_gemm_primitive_release(xr_gemm_primitive *primitive); /* NULL is allowed */

size_t xr_gemm_primitive_workspace(const xr_gemm_primitive *primitive);

/* False when oneDNN failed. Any number of threads may run one primitive at a time, each with its own workspace. */
bool xr_gemm_primitive_run(const xr_gemm_primitive *primitive, const void *a, const void *b, float *c, void *workspace);

/* C = alpha op(A) op(B) + beta C in f32 on the calling thread alone. Nothing of C is read when beta is 0. False when the library
 * failed, which it does only for want of memory. */
bool xr_sgemm_serial(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                     const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

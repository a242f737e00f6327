/* Matrix products, with what is applied to a tile of the result while it is in cache.
 *
 *   C = activation(alpha op(A) op(B) + bias) (+ C when accumulating),   op(X) = X or its transpose, sums in f32
 *
 * Matrices are row-major: element (i, j) of X lies at x[i * ldx + j]. The result is byte-equal for any number of threads: C is cut
 * into tiles by its shape alone, and each tile is one single-threaded library product over all of k.
 * m, n, k >= 0 (k = 0: the product is zero), batch >= 1.
 *
 * CUDA: cuBLASLt. f32 operands have f32 results; activation and pre are left to the caller (linear.cu). f32 is exact f32 unless `tf32`.
 * What the library needs for a shape is found out and kept when the shape is first met, so a shape must have run once before it is
 * captured. Only algorithms without atomics are allowed: the same bits in every run on one kind of device. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/activation/activation.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t batch; /* products; 0 means 1 */
  int64_t m, n, k;
  bool transpose_a, transpose_b;
  xr_dtype dtype;                       /* of a and b: XR_F32 or XR_BF16 */
  xr_dtype c_dtype;                     /* of c and pre: XR_F32 or XR_BF16 */
  const void *a;                        /* [m, k], stored [k, m] when transpose_a */
  const void *b;                        /* [k, n], stored [n, k] when transpose_b */
  void *c;                              /* [m, n] */
  int64_t lda, ldb, ldc;                /* elements from one stored row to the next */
  int64_t stride_a, stride_b, stride_c; /* elements from one product to the next; stride_a or stride_b 0: shared by the batch */
  float alpha;                          /* 0 means 1 */
  const float *bias;                    /* [n] or NULL */
  xr_activation_kind activation;        /* not together with accumulate */
  void *pre;                            /* what the activation was applied to, with c's dtype, ldc and stride_c; or NULL */
  bool accumulate;
  bool tf32;       /* CUDA, f32: operands are rounded to 10 bits, for speed. The CPU computes in f32 */
  void *workspace; /* xr_gemm_workspace() bytes, aligned to 64 (CUDA: 256); NULL when that is 0 */
} xr_gemm;

/* Serves every backend of the build. 0 on the CPU when a, b and c are f32. */
size_t xr_gemm_workspace(const xr_gemm *a);
/* 32 MiB: what cuBLASLt's fastest algorithms ask for on Hopper and Blackwell. 4 MiB would do before them, but a plan is made without a
 * device. */
size_t xr_gemm_workspace_cuda(const xr_gemm *a);
xr_status xr_gemm_check(const xr_gemm *a); /* the arguments, not the data: what every backend does first */
xr_status xr_gemm_cpu(const xr_gemm *a);
xr_status xr_gemm_cuda(const xr_gemm *a, xr_stream stream);

/* The same product on the calling thread alone, in one tile: for use inside a parallel region. */
size_t xr_gemm_serial_workspace(const xr_gemm *a);
xr_status xr_gemm_serial_cpu(const xr_gemm *a);

/* bf16 products are library objects that take milliseconds to make; the last 256 shapes are kept, for all threads. This frees those that
 * no thread is using. The only memory that these functions keep between calls. */
void xr_gemm_cache_clear(void);
/* The same for what xr_gemm_cuda() keeps: handles, descriptions and chosen algorithms. Not while a captured graph will be replayed. */
void xr_gemm_cache_clear_cuda(void);

XR_C_END

/* xr_gemm_cuda() through cuBLASLt. The library is column-major: a row-major matrix is its own transpose there, so C^T = op(B)^T op(A)^T is
 * what it computes, with B as its first operand. */
#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/linear/gemm.h"
#include "kernels/linear/linear_finish.h"

enum { WORKSPACE_BYTES = 32 << 20 };

size_t xr_gemm_workspace_cuda(const xr_gemm *a) {
  (void)a;
  return WORKSPACE_BYTES;
}

/* Everything that the choice of an algorithm depends on. Compared as bytes: made in zeroed memory. */
typedef struct {
  int64_t batch, m, n, k, lda, ldb, ldc, stride_a, stride_b, stride_c;
  int64_t dtype, c_dtype, device, workspace;
  int64_t align_a, align_b, align_c; /* bytes */
  int64_t transpose_a, transpose_b, accumulate, bias, tf32;
} shape;

typedef struct product {
  struct product *next;
  shape shape;
  cublasLtMatmulDesc_t description;
  cublasLtMatrixLayout_t first, second, result; /* of B, A and C */
  cublasLtMatmulAlgo_t algorithm;
  bool bias_after; /* the library cannot add it: a kernel does */
} product;

typedef struct handle {
  struct handle *next;
  int device;
  cublasLtHandle_t lt;
} handle;

static struct {
  pthread_mutex_t lock;
  product *products;
  handle *handles;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

static xr_status status_of(cublasStatus_t status, const char *doing) {
  return status == CUBLAS_STATUS_SUCCESS ? XR_OK : xr_fail(XR_DEVICE, "cuBLASLt: %s: %s", doing, cublasLtGetStatusString(status));
}

static xr_status status_of_cuda(cudaError_t error, const char *doing) {
  return error == cudaSuccess ? XR_OK : xr_fail(XR_DEVICE, "gemm: %s: %s", doing, cudaGetErrorString(error));
}

static cudaDataType_t type_of(int64_t dtype) { return dtype == XR_BF16 ? CUDA_R_16BF : CUDA_R_32F; }

/* The largest power of two up to 256 that divides the address. */
static int64_t alignment_of(const void *pointer) {
  int64_t bytes = 256;
  while (bytes > 1 && (uintptr_t)pointer % (uintptr_t)bytes) bytes /= 2;
  return bytes;
}

static shape shape_of(const xr_gemm *a, int device) {
  shape s;
  memset(&s, 0, sizeof s);
  s.batch = a->batch ? a->batch : 1;
  s.m = a->m;
  s.n = a->n;
  s.k = a->k;
  s.lda = a->lda;
  s.ldb = a->ldb;
  s.ldc = a->ldc;
  if (s.batch > 1) {
    s.stride_a = a->stride_a;
    s.stride_b = a->stride_b;
    s.stride_c = a->stride_c;
  }
  s.dtype = a->dtype;
  s.c_dtype = a->c_dtype;
  s.device = device;
  s.workspace = a->workspace ? WORKSPACE_BYTES : 0;
  s.align_a = alignment_of(a->a);
  s.align_b = alignment_of(a->b);
  s.align_c = alignment_of(a->c);
  s.transpose_a = a->transpose_a;
  s.transpose_b = a->transpose_b;
  s.accumulate = a->accumulate;
  s.bias = a->bias && alignment_of(a->bias) >= 16;
  s.tf32 = a->tf32;
  return s;
}

/* ---- descriptions */
static bool set(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t attribute, const void *value, size_t bytes) {
  return cublasLtMatmulDescSetAttribute(d, attribute, value, bytes) == CUBLAS_STATUS_SUCCESS;
}

/* A row-major matrix of `rows` rows as the library's of `rows` columns. */
static bool layout(cublasLtMatrixLayout_t *out, int64_t dtype, int64_t rows, int64_t cols, int64_t ld, int64_t batch, int64_t stride) {
  const int32_t count = (int32_t)batch;
  return cublasLtMatrixLayoutCreate(out, type_of(dtype), (uint64_t)cols, (uint64_t)rows, ld) == CUBLAS_STATUS_SUCCESS &&
         cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count) == CUBLAS_STATUS_SUCCESS &&
         cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride) ==
             CUBLAS_STATUS_SUCCESS;
}

static bool describe(product *p) {
  const shape *s = &p->shape;
  const cublasComputeType_t compute = s->dtype == XR_F32 && s->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  const cublasOperation_t first = s->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N, second = s->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
  return cublasLtMatmulDescCreate(&p->description, compute, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS &&
         set(p->description, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first) &&
         set(p->description, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second) &&
         layout(&p->first, s->dtype, s->transpose_b ? s->n : s->k, s->transpose_b ? s->k : s->n, s->ldb, s->batch, s->stride_b) &&
         layout(&p->second, s->dtype, s->transpose_a ? s->k : s->m, s->transpose_a ? s->m : s->k, s->lda, s->batch, s->stride_a) &&
         layout(&p->result, s->c_dtype, s->m, s->n, s->ldc, s->batch, s->stride_c);
}

/* NULL: no bias. */
static bool describe_bias(product *p, const float *bias) {
  const cublasLtEpilogue_t epilogue = bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
  const int32_t type = CUDA_R_32F;
  return set(p->description, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue) &&
         (!bias || (set(p->description, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type, sizeof type) &&
                    set(p->description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias)));
}

/* Sums that are cut are added in a second pass, never by whichever block comes first. */
static bool prefer(cublasLtMatmulPreference_t preference, const shape *s) {
  const uint64_t workspace = (uint64_t)s->workspace;
  const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  const struct {
    cublasLtMatmulPreferenceAttributes_t attribute;
    uint32_t bytes;
  } alignments[] = {{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, (uint32_t)s->align_b},
                    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, (uint32_t)s->align_a},
                    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, (uint32_t)s->align_c},
                    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, (uint32_t)s->align_c}};
  bool ok = cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace) ==
                CUBLAS_STATUS_SUCCESS &&
            cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions, sizeof reductions) ==
                CUBLAS_STATUS_SUCCESS;
  for (size_t i = 0; ok && i < sizeof alignments / sizeof *alignments; i++)
    ok = cublasLtMatmulPreferenceSetAttribute(preference, alignments[i].attribute, &alignments[i].bytes, sizeof alignments[i].bytes) ==
         CUBLAS_STATUS_SUCCESS;
  return ok;
}

/* ---- choosing */
static cublasStatus_t choose(cublasLtHandle_t lt, product *p) {
  cublasLtMatmulPreference_t preference = NULL;
  cublasLtMatmulHeuristicResult_t found;
  int count = 0;
  cublasStatus_t status = cublasLtMatmulPreferenceCreate(&preference);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  status = !prefer(preference, &p->shape) ? CUBLAS_STATUS_INVALID_VALUE
                                          : cublasLtMatmulAlgoGetHeuristic(lt, p->description, p->first, p->second, p->result, p->result,
                                                                           preference, 1, &found, &count);
  cublasLtMatmulPreferenceDestroy(preference);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (!count || found.state != CUBLAS_STATUS_SUCCESS) return CUBLAS_STATUS_NOT_SUPPORTED;
  p->algorithm = found.algo;
  return CUBLAS_STATUS_SUCCESS;
}

static void destroy(product *p) {
  if (p->result) cublasLtMatrixLayoutDestroy(p->result);
  if (p->second) cublasLtMatrixLayoutDestroy(p->second);
  if (p->first) cublasLtMatrixLayoutDestroy(p->first);
  if (p->description) cublasLtMatmulDescDestroy(p->description);
  free(p);
}

static xr_status fail_shape(const shape *s, cublasStatus_t status) {
  return xr_fail(XR_DEVICE, "cuBLASLt has no algorithm for a product of %s [%lld, %lld] and [%lld, %lld]: %s",
                 xr_dtype_name((xr_dtype)s->dtype), (long long)s->m, (long long)s->k, (long long)s->k, (long long)s->n,
                 cublasLtGetStatusString(status));
}

static xr_status make_product(cublasLtHandle_t lt, const shape *s, const float *bias, product **out) {
  product *p = calloc(1, sizeof *p);
  *out = p;
  if (!p) return xr_fail(XR_NO_MEMORY, "out of memory");
  p->shape = *s;
  cublasStatus_t status = CUBLAS_STATUS_INVALID_VALUE;
  if (describe(p)) {
    status = s->bias && describe_bias(p, bias) ? choose(lt, p) : CUBLAS_STATUS_NOT_SUPPORTED;
    p->bias_after = s->bias && status != CUBLAS_STATUS_SUCCESS;
    if (status != CUBLAS_STATUS_SUCCESS) status = describe_bias(p, NULL) ? choose(lt, p) : CUBLAS_STATUS_INVALID_VALUE;
  }
  return status == CUBLAS_STATUS_SUCCESS ? XR_OK : fail_shape(s, status);
}

/* The two below with the lock held. */
static xr_status handle_of(int device, cublasLtHandle_t *lt) {
  for (const handle *h = cache.handles; h; h = h->next)
    if (h->device == device) {
      *lt = h->lt;
      return XR_OK;
    }
  handle *h = calloc(1, sizeof *h);
  if (!h) return xr_fail(XR_NO_MEMORY, "out of memory");
  xr_status status = status_of(cublasLtCreate(&h->lt), "starting");
  if (status != XR_OK) {
    free(h);
    return status;
  }
  h->device = device;
  h->next = cache.handles;
  cache.handles = h;
  *lt = h->lt;
  return XR_OK;
}

static xr_status find(const shape *s, const float *bias, cublasLtHandle_t *lt, const product **out) {
  XR_TRY(handle_of((int)s->device, lt));
  for (product **at = &cache.products; *at; at = &(*at)->next) {
    product *p = *at;
    if (memcmp(&p->shape, s, sizeof *s) != 0) continue;
    *out = p;
    return XR_OK;
  }
  product *p;
  xr_status status = make_product(*lt, s, bias, &p);
  if (status != XR_OK) {
    if (p) destroy(p);
    return status;
  }
  p->next = cache.products;
  cache.products = p;
  *out = p;
  return XR_OK;
}

void xr_gemm_cache_clear_cuda(void) {
  pthread_mutex_lock(&cache.lock);
  while (cache.products) {
    product *p = cache.products;
    cache.products = p->next;
    destroy(p);
  }
  while (cache.handles) {
    handle *h = cache.handles;
    cache.handles = h->next;
    cublasLtDestroy(h->lt);
    free(h);
  }
  pthread_mutex_unlock(&cache.lock);
}

/* ---- running */
static xr_status check(const xr_gemm *a) {
  XR_TRY(xr_gemm_check(a));
  if (a->activation != XR_ACTIVATION_NONE || a->pre)
    return xr_fail(XR_UNSUPPORTED, "gemm: on CUDA activations are applied by xr_linear_finish_cuda()");
  if (a->dtype == XR_F32 && a->c_dtype != XR_F32)
    return xr_fail(XR_UNSUPPORTED, "gemm: f32 operands with a %s result on CUDA", xr_dtype_name(a->c_dtype));
  return XR_OK;
}

static void *product_at(const xr_gemm *a, int64_t index) {
  return (char *)a->c + index * a->stride_c * (int64_t)xr_dtype_bytes(a->c_dtype);
}

/* An empty sum. */
static xr_status zero(const xr_gemm *a, int64_t batch, xr_stream stream) {
  const size_t bytes = xr_dtype_bytes(a->c_dtype);
  for (int64_t i = 0; i < batch; i++)
    XR_TRY(status_of_cuda(cudaMemset2DAsync(product_at(a, i), (size_t)a->ldc * bytes, 0, (size_t)a->n * bytes, (size_t)a->m, stream),
                          "zeroing"));
  return XR_OK;
}

static xr_status add_bias(const xr_gemm *a, int64_t batch, xr_stream stream) {
  for (int64_t i = 0; i < batch; i++) {
    void *c = product_at(a, i);
    const xr_linear_finish finish = {.rows = a->m, .cols = a->n, .dtype = a->c_dtype, .product = c, .ld = a->ldc, .bias = a->bias, .y = c};
    XR_TRY(xr_linear_finish_cuda(&finish, stream));
  }
  return XR_OK;
}

static xr_status multiply(const xr_gemm *a, xr_stream stream, bool *bias_after) {
  cublasLtHandle_t lt = NULL;
  const product *p = NULL;
  int device;
  XR_TRY(status_of_cuda(cudaGetDevice(&device), "asking for the device"));
  const shape s = shape_of(a, device);
  const float alpha = a->alpha != 0 ? a->alpha : 1, beta = a->accumulate ? 1 : 0;
  pthread_mutex_lock(&cache.lock);
  xr_status status = find(&s, a->bias, &lt, &p);
  if (status == XR_OK) {
    *bias_after = a->bias && (!s.bias || p->bias_after);
    if (a->bias && !*bias_after && !set(p->description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &a->bias, sizeof a->bias))
      status = xr_fail(XR_DEVICE, "cuBLASLt: setting the bias failed");
  }
  if (status == XR_OK)
    status = status_of(cublasLtMatmul(lt, p->description, &alpha, a->b, p->first, a->a, p->second, &beta, a->c, p->result, a->c, p->result,
                                      &p->algorithm, a->workspace, (size_t)s.workspace, stream),
                       "a product");
  pthread_mutex_unlock(&cache.lock);
  return status;
}

xr_status xr_gemm_cuda(const xr_gemm *a, xr_stream stream) {
  XR_TRY(check(a));
  const int64_t batch = a->batch ? a->batch : 1;
  bool bias_after = a->bias != NULL;
  if (a->m == 0 || a->n == 0) return XR_OK;
  if (a->k > 0)
    XR_TRY(multiply(a, stream, &bias_after));
  else if (!a->accumulate)
    XR_TRY(zero(a, batch, stream));
  return bias_after ? add_bias(a, batch, stream) : XR_OK;
}

#include "kernels/linear/gemm.h"

#include <math.h>

#include "kernels/common/rows.h"
#include "kernels/common/threads.h"
#include "kernels/linear/gemm_onednn.h"

enum { WIDE_K = 512 }; /* columns of A and rows of B widened at a time where oneDNN has no fast bf16 */

/* How C is cut, and what computes a tile. Tiles have rows x cols elements; those of the last row and column may have fewer. */
typedef struct {
  int64_t batch, rows, cols, rows_count, cols_count;
  bool direct;                        /* everything is f32: the library writes into C, else into an f32 tile of the workspace */
  bool wide;                          /* bf16 operands are widened to f32 */
  xr_gemm_primitive *primitive[2][2]; /* bf16: for tiles of [not last, last row][not last, last column] */
  size_t tile_bytes, slot_bytes;
} plan;

static int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }
static size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }
static int64_t divide_up(int64_t x, int64_t by) { return (x + by - 1) / by; }

/* Tiles of at most 2^18 elements (an f32 tile fits the second-level cache), about 16 of them where C is smaller than 16 of those, and
 * never below 2^13: a product's packing costs as much as 1/rows + 1/cols of its arithmetic, so tiles are nearly square, 1.7 times wider
 * than high since the kernels take 48 columns at a time. Powers of two across and even counts down keep 2^i threads equally busy. */
static void choose_tiles(const xr_gemm *a, plan *p) {
  const double elements = (double)p->batch * (double)a->m * (double)a->n;
  const double area = fmin(fmax(elements / 16, 0x1p13), 0x1p18), width = 1.3 * sqrt(area);
  int64_t across = 1;
  while ((double)a->n > width * (double)across) across *= 2;
  p->cols = round_up(divide_up(a->n, across), 16);
  if (p->cols > a->n) p->cols = a->n;
  int64_t down = (int64_t)ceil((double)a->m * (double)p->cols / area);
  if (down > 1) down += down % 2;
  p->rows = round_up(divide_up(a->m, down < 1 ? 1 : down), 8);
  if (p->rows > a->m) p->rows = a->m;
}

static xr_status hold_primitives(const xr_gemm *a, plan *p, size_t *bytes) {
  const int64_t rows[2] = {p->rows, a->m - (p->rows_count - 1) * p->rows}, cols[2] = {p->cols, a->n - (p->cols_count - 1) * p->cols};
  for (int i = 0; i < 2; i++) {
    for (int j = 0; j < 2; j++) {
      const xr_gemm_shape shape = {.m = rows[i],
                                   .n = cols[j],
                                   .k = a->k,
                                   .lda = a->lda,
                                   .ldb = a->ldb,
                                   .ldc = p->cols,
                                   .transpose_a = a->transpose_a,
                                   .transpose_b = a->transpose_b};
      XR_TRY(xr_gemm_primitive_hold(&shape, &p->primitive[i][j]));
      if (!p->primitive[i][j])
        p->wide = true;
      else if (xr_gemm_primitive_workspace(p->primitive[i][j]) > *bytes)
        *bytes = xr_gemm_primitive_workspace(p->primitive[i][j]);
    }
  }
  return XR_OK;
}

static void release(plan *p) {
  for (int i = 0; i < 4; i++) xr_gemm_primitive_release(p->primitive[i / 2][i % 2]);
}

/* To be released whether or not it fails. m, n > 0. */
static xr_status make_plan(const xr_gemm *a, bool serial, plan *p) {
  *p = (plan){.batch = a->batch ? a->batch : 1, .rows = a->m, .cols = a->n};
  if (!serial) choose_tiles(a, p);
  p->rows_count = divide_up(a->m, p->rows);
  p->cols_count = divide_up(a->n, p->cols);
  p->direct = a->dtype == XR_F32 && a->c_dtype == XR_F32;
  if (p->direct) return XR_OK;
  p->tile_bytes = aligned((size_t)(p->rows * p->cols) * sizeof(float));
  size_t bytes = 0;
  if (a->dtype == XR_BF16 && a->k > 0) XR_TRY(hold_primitives(a, p, &bytes));
  if (p->wide) bytes = (size_t)(p->rows + p->cols) * WIDE_K * sizeof(float);
  p->slot_bytes = p->tile_bytes + aligned(bytes);
  return XR_OK;
}

static size_t workspace(const xr_gemm *a, bool serial) {
  if (a->m < 1 || a->n < 1) return 0;
  plan p;
  const xr_status status = make_plan(a, serial, &p);
  const int64_t tiles = p.batch * p.rows_count * p.cols_count, slots = serial ? 1 : xr_thread_slots();
  release(&p);
  return status == XR_OK ? (size_t)(tiles < slots ? tiles : slots) * p.slot_bytes : 0;
}

size_t xr_gemm_workspace(const xr_gemm *a) {
  const size_t bytes = workspace(a, false);
#ifdef XREID_CUDA
  const size_t cuda = xr_gemm_workspace_cuda(a);
  return bytes > cuda ? bytes : cuda;
#else
  return bytes;
#endif
}
size_t xr_gemm_serial_workspace(const xr_gemm *a) { return workspace(a, true); }

static const void *at(const void *base, xr_dtype dtype, int64_t element) {
  return (const char *)base + element * (int64_t)xr_dtype_bytes(dtype);
}

static void widen_block(float *out, const xr_bf16 *in, int64_t rows, int64_t cols, int64_t ld) {
  for (int64_t i = 0; i < rows; i++) xr_widen(out + i * cols, in + i * ld, cols);
}

/* tile[rows, cols] = op(A) op(B) over bf16, a block of k at a time, in order. */
static bool wide_product(const xr_gemm *g, const xr_bf16 *a, const xr_bf16 *b, int64_t rows, int64_t cols, float *tile, int64_t ld,
                         float *scratch) {
  float *wide_a = scratch, *wide_b = scratch + rows * WIDE_K;
  bool ok = true;
  for (int64_t start = 0; start < g->k && ok; start += WIDE_K) {
    const int64_t k = g->k - start < WIDE_K ? g->k - start : WIDE_K;
    if (g->transpose_a)
      widen_block(wide_a, a + start * g->lda, k, rows, g->lda);
    else
      widen_block(wide_a, a + start, rows, k, g->lda);
    if (g->transpose_b)
      widen_block(wide_b, b + start, cols, k, g->ldb);
    else
      widen_block(wide_b, b + start * g->ldb, k, cols, g->ldb);
    ok = xr_sgemm_serial(g->transpose_a, g->transpose_b, rows, cols, k, 1, wide_a, g->transpose_a ? rows : k, wide_b,
                         g->transpose_b ? k : cols, start ? 1 : 0, tile, ld);
  }
  return ok;
}

static void zero_block(float *out, int64_t rows, int64_t cols, int64_t ld) {
  for (int64_t i = 0; i < rows; i++) memset(out + i * ld, 0, (size_t)cols * sizeof *out);
}

/* Bias, activation, sum and storing, one row of a tile that lies in cache: t[n], at element `where` of c. */
static void finish_row(const xr_gemm *g, bool direct, float *t, const float *bias, int64_t n, int64_t where) {
  const float alpha = g->alpha != 0 && !direct ? g->alpha : 1;
  if (bias) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) t[i] = t[i] * alpha + bias[i];
  } else if (alpha != 1) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) t[i] *= alpha;
  }
  if (g->pre && g->c_dtype == XR_F32) memcpy((float *)g->pre + where, t, (size_t)n * sizeof *t);
  if (g->pre && g->c_dtype == XR_BF16) xr_narrow((xr_bf16 *)g->pre + where, t, n);
  if (g->activation != XR_ACTIVATION_NONE) xr_activation_row(g->activation, t, t, n);
  if (direct) return;
  if (g->c_dtype == XR_F32) {
    float *c = (float *)g->c + where;
    const float keep = g->accumulate ? 1 : 0;
    for (int64_t i = 0; i < n; i++) c[i] = keep != 0 ? c[i] + t[i] : t[i];
  } else {
    xr_bf16 *c = (xr_bf16 *)g->c + where;
    if (g->accumulate)
      for (int64_t i = 0; i < n; i++) t[i] += xr_bf16_to_f32(c[i]);
    xr_narrow(c, t, n);
  }
}

static bool run_tile(const xr_gemm *g, const plan *p, int64_t index, char *slot) {
  const int64_t row_index = index % p->rows_count, col_index = index / p->rows_count % p->cols_count;
  const int64_t batch = index / (p->rows_count * p->cols_count), row = row_index * p->rows, col = col_index * p->cols;
  const bool last_row = row_index == p->rows_count - 1, last_col = col_index == p->cols_count - 1;
  const int64_t rows = last_row ? g->m - row : p->rows, cols = last_col ? g->n - col : p->cols;
  const void *a = at(g->a, g->dtype, batch * g->stride_a + (g->transpose_a ? row : row * g->lda));
  const void *b = at(g->b, g->dtype, batch * g->stride_b + (g->transpose_b ? col * g->ldb : col));
  const int64_t where = batch * g->stride_c + row * g->ldc + col;
  float *tile = p->direct ? (float *)g->c + where : (float *)(void *)slot;
  const int64_t ld = p->direct ? g->ldc : p->cols;
  bool ok = true;
  if (g->k == 0) {
    if (!p->direct || !g->accumulate) zero_block(tile, rows, cols, ld);
  } else if (g->dtype == XR_F32) {
    const float alpha = p->direct && g->alpha != 0 ? g->alpha : 1, beta = p->direct && g->accumulate ? 1 : 0;
    ok = xr_sgemm_serial(g->transpose_a, g->transpose_b, rows, cols, g->k, alpha, a, g->lda, b, g->ldb, beta, tile, ld);
  } else if (p->wide) {
    ok = wide_product(g, a, b, rows, cols, tile, ld, (float *)(void *)(slot + p->tile_bytes));
  } else {
    ok = xr_gemm_primitive_run(p->primitive[last_row][last_col], a, b, tile, slot + p->tile_bytes);
  }
  if (p->direct && !g->bias && g->activation == XR_ACTIVATION_NONE && !g->pre) return ok;
  for (int64_t i = 0; i < rows && ok; i++)
    finish_row(g, p->direct, tile + i * ld, g->bias ? g->bias + col : NULL, cols, where + i * g->ldc);
  return ok;
}

xr_status xr_gemm_check(const xr_gemm *a) {
  if (a->batch < 0 || a->m < 0 || a->n < 0 || a->k < 0)
    return xr_fail(XR_BAD_SHAPE, "gemm: %lld products of [%lld, %lld] and [%lld, %lld]", (long long)a->batch, (long long)a->m,
                   (long long)a->k, (long long)a->k, (long long)a->n);
  if (a->lda < (a->transpose_a ? a->m : a->k) || a->ldb < (a->transpose_b ? a->k : a->n) || a->ldc < a->n)
    return xr_fail(XR_BAD_SHAPE, "gemm: leading dimensions %lld, %lld, %lld are shorter than the rows of [%lld, %lld] x [%lld, %lld]",
                   (long long)a->lda, (long long)a->ldb, (long long)a->ldc, (long long)a->m, (long long)a->k, (long long)a->k,
                   (long long)a->n);
  if ((a->dtype != XR_F32 && a->dtype != XR_BF16) || (a->c_dtype != XR_F32 && a->c_dtype != XR_BF16))
    return xr_fail(XR_UNSUPPORTED, "gemm: %s operands with a %s result", xr_dtype_name(a->dtype), xr_dtype_name(a->c_dtype));
  if (a->accumulate && (a->activation != XR_ACTIVATION_NONE || a->bias))
    return xr_fail(XR_UNSUPPORTED, "gemm: accumulate together with a bias or an activation");
  return XR_OK;
}

static xr_status run(const xr_gemm *a, bool serial) {
  XR_TRY(xr_gemm_check(a));
  if (a->m == 0 || a->n == 0) return XR_OK;
  plan p;
  xr_status status = make_plan(a, serial, &p);
  const int64_t tiles = p.batch * p.rows_count * p.cols_count;
  int failures = 0;
  if (status == XR_OK && serial) {
    for (int64_t i = 0; i < tiles; i++) failures += !run_tile(a, &p, i, a->workspace);
  } else if (status == XR_OK) {
#pragma omp parallel for schedule(dynamic) num_threads(xr_threads(tiles)) reduction(+ : failures)
    for (int64_t i = 0; i < tiles; i++) {
      char *slot = p.slot_bytes ? (char *)a->workspace + (size_t)xr_thread_index() * p.slot_bytes : NULL;
      failures += !run_tile(a, &p, i, slot);
    }
  }
  release(&p);
  if (failures) return xr_fail(XR_NO_MEMORY, "gemm: oneDNN failed in %d of %lld tiles", failures, (long long)tiles);
  return status;
}

xr_status xr_gemm_cpu(const xr_gemm *a) { return run(a, false); }
xr_status xr_gemm_serial_cpu(const xr_gemm *a) { return run(a, true); }

#include "kernels/norm/batchnorm.h"

#include <math.h>

#include "kernels/common/spans.h"
#include "kernels/norm/moments.h"

xr_status xr_batchnorm_check(const xr_batchnorm *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "batchnorm: dtype %s", xr_dtype_name(a->dtype));
  if (a->rows < 1 || a->cols < 1 || a->rows > INT32_MAX || a->cols > INT32_MAX)
    return xr_fail(XR_BAD_SHAPE, "batchnorm: x [%lld, %lld], at least one row and one column are expected", (long long)a->rows,
                   (long long)a->cols);
  return XR_OK;
}

/* The chunks' partial sums, then two rows of totals. */
size_t xr_batchnorm_workspace(const xr_batchnorm *a) { return (size_t)((xr_chunk_count(a->rows) + 1) * 2 * a->cols) * sizeof(float); }

/* Where work(a, chunk, at, n) of all chunks of rows and all spans of columns is done. */
typedef void (*chunk_work)(const xr_batchnorm *a, int64_t chunk, int64_t at, int64_t n);

static void for_chunks(const xr_batchnorm *a, chunk_work work) {
  const int64_t chunks = xr_chunk_count(a->rows), spans = xr_span_count(a->cols);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t chunk = 0; chunk < chunks; chunk++)
    for (int64_t span = 0; span < spans; span++) work(a, chunk, span * XR_SPAN, xr_span_length(a->cols, span * XR_SPAN));
}

static float *partial(const xr_batchnorm *a, int64_t chunk, int which) { return a->workspace + (chunk * 2 + which) * a->cols; }

/* ---- forward */
/* A chunk's moments: a first mean, then differences from it, whose own mean corrects the first one. */
static void chunk_moments(const xr_batchnorm *a, int64_t chunk, int64_t at, int64_t n) {
  const int64_t first = chunk * xr_chunk_rows(a->rows), count = xr_chunk_length(a->rows, chunk);
  float mean[XR_SPAN] = {0}, sum[XR_SPAN] = {0}, squares[XR_SPAN] = {0}, scratch[XR_SPAN];
  for (int64_t row = first; row < first + count; row++) {
    const float *x = xr_span_read(a->x, a->dtype, row * a->cols + at, n, scratch);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) mean[i] += x[i];
  }
  for (int64_t i = 0; i < n; i++) mean[i] /= (float)count;
  for (int64_t row = first; row < first + count; row++) {
    const float *x = xr_span_read(a->x, a->dtype, row * a->cols + at, n, scratch);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      const float apart = x[i] - mean[i];
      sum[i] += apart;
      squares[i] += apart * apart;
    }
  }
  float *out_mean = partial(a, chunk, 0) + at, *out_squares = partial(a, chunk, 1) + at;
  for (int64_t i = 0; i < n; i++) {
    out_mean[i] = mean[i] + sum[i] / (float)count;
    out_squares[i] = squares[i] - sum[i] * sum[i] / (float)count;
  }
}

static void finish_moments(const xr_batchnorm *a) {
  const int64_t chunks = xr_chunk_count(a->rows);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->cols; i++) {
    xr_moments all = {0};
    for (int64_t chunk = 0; chunk < chunks; chunk++)
      all = xr_merge_moments(
          all, (xr_moments){(double)xr_chunk_length(a->rows, chunk), (double)partial(a, chunk, 0)[i], (double)partial(a, chunk, 1)[i]});
    a->mean[i] = (float)all.mean;
    a->rstd[i] = (float)(1 / sqrt(all.squares / all.count + (double)a->eps));
    if (!a->running_mean) continue;
    a->running_mean[i] = xr_running(a->running_mean[i], a->momentum, all.mean);
    if (a->rows > 1) a->running_var[i] = xr_running(a->running_var[i], a->momentum, all.squares / (all.count - 1));
  }
}

static void apply(const xr_batchnorm *a, int64_t chunk, int64_t at, int64_t n) {
  const int64_t first = chunk * xr_chunk_rows(a->rows), count = xr_chunk_length(a->rows, chunk);
  const float *mean = a->mean + at, *bias = a->bias + at;
  float scale[XR_SPAN], scratch[XR_SPAN], scratch_add[XR_SPAN], y[XR_SPAN];
  for (int64_t i = 0; i < n; i++) scale[i] = a->rstd[at + i] * a->weight[at + i];
  for (int64_t row = first; row < first + count; row++) {
    const int64_t offset = row * a->cols + at;
    const float *x = xr_span_read(a->x, a->dtype, offset, n, scratch);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean[i]) * scale[i] + bias[i];
    if (a->add) {
      const float *add = xr_span_read(a->add, a->dtype, offset, n, scratch_add);
#pragma omp simd
      for (int64_t i = 0; i < n; i++) y[i] += add[i];
    }
    if (a->relu) {
#pragma omp simd
      for (int64_t i = 0; i < n; i++) y[i] = y[i] < 0 ? 0 : y[i]; /* a NaN stays */
    }
    xr_span_store(a->y, a->dtype, offset, n, y, false);
  }
}

xr_status xr_batchnorm_forward_cpu(const xr_batchnorm *a) {
  XR_TRY(xr_batchnorm_check(a));
  if (a->training) {
    for_chunks(a, chunk_moments);
    finish_moments(a);
  } else {
    for (int64_t i = 0; i < a->cols; i++) {
      a->mean[i] = a->running_mean[i];
      a->rstd[i] = (float)(1 / sqrt((double)a->running_var[i] + (double)a->eps));
    }
  }
  for_chunks(a, apply);
  return XR_OK;
}

/* ---- backward */
/* g of a span: in place in dy, or in scratch[n]. */
static const float *gradient(const xr_batchnorm *a, int64_t offset, int64_t n, float *scratch, float *scratch_y) {
  const float *dy = xr_span_read(a->dy, a->dtype, offset, n, scratch);
  if (!a->relu) return dy;
  const float *y = xr_span_read(a->y, a->dtype, offset, n, scratch_y);
#pragma omp simd
  for (int64_t i = 0; i < n; i++) scratch[i] = y[i] > 0 ? dy[i] : 0;
  return scratch;
}

static void chunk_sums(const xr_batchnorm *a, int64_t chunk, int64_t at, int64_t n) {
  const int64_t first = chunk * xr_chunk_rows(a->rows), count = xr_chunk_length(a->rows, chunk);
  const float *mean = a->mean + at, *rstd = a->rstd + at;
  float dweight[XR_SPAN] = {0}, dbias[XR_SPAN] = {0}, scratch[XR_SPAN], scratch_y[XR_SPAN], scratch_x[XR_SPAN];
  for (int64_t row = first; row < first + count; row++) {
    const int64_t offset = row * a->cols + at;
    const float *g = gradient(a, offset, n, scratch, scratch_y), *x = xr_span_read(a->x, a->dtype, offset, n, scratch_x);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      dweight[i] += g[i] * ((x[i] - mean[i]) * rstd[i]);
      dbias[i] += g[i];
    }
  }
  memcpy(partial(a, chunk, 0) + at, dweight, (size_t)n * sizeof *dweight);
  memcpy(partial(a, chunk, 1) + at, dbias, (size_t)n * sizeof *dbias);
}

static void finish_sums(const xr_batchnorm *a) {
  const int64_t chunks = xr_chunk_count(a->rows);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->cols; i++) {
    double total[2] = {0};
    for (int which = 0; which < 2; which++) {
      for (int64_t chunk = 0; chunk < chunks; chunk++) total[which] += (double)partial(a, chunk, which)[i];
      partial(a, chunks, which)[i] = (float)total[which];
    }
    if (a->dweight) a->dweight[i] = (float)total[0] + (a->accumulate_dweight ? a->dweight[i] : 0);
    if (a->dbias) a->dbias[i] = (float)total[1] + (a->accumulate_dbias ? a->dbias[i] : 0);
  }
}

static void chunk_gradients(const xr_batchnorm *a, int64_t chunk, int64_t at, int64_t n) {
  const int64_t first = chunk * xr_chunk_rows(a->rows), count = xr_chunk_length(a->rows, chunk), chunks = xr_chunk_count(a->rows);
  const float *mean = a->mean + at, *rstd = a->rstd + at, *dweight = partial(a, chunks, 0) + at, *dbias = partial(a, chunks, 1) + at;
  float scale[XR_SPAN], mean_g[XR_SPAN], mean_gn[XR_SPAN], scratch[XR_SPAN], scratch_y[XR_SPAN], scratch_x[XR_SPAN], dx[XR_SPAN];
  for (int64_t i = 0; i < n; i++) {
    scale[i] = a->weight[at + i] * rstd[i];
    mean_g[i] = dbias[i] / (float)a->rows;
    mean_gn[i] = dweight[i] / (float)a->rows;
  }
  for (int64_t row = first; row < first + count; row++) {
    const int64_t offset = row * a->cols + at;
    const float *g = gradient(a, offset, n, scratch, scratch_y);
    if (a->dx) {
      const float *x = xr_span_read(a->x, a->dtype, offset, n, scratch_x);
#pragma omp simd
      for (int64_t i = 0; i < n; i++) dx[i] = scale[i] * (g[i] - mean_g[i] - (x[i] - mean[i]) * rstd[i] * mean_gn[i]);
    }
    if (a->dadd && (a->dadd != a->dy || a->relu)) xr_span_store(a->dadd, a->dtype, offset, n, g, a->accumulate_dadd);
    if (a->dx) xr_span_store(a->dx, a->dtype, offset, n, dx, a->accumulate_dx);
  }
}

xr_status xr_batchnorm_backward_cpu(const xr_batchnorm *a) {
  XR_TRY(xr_batchnorm_check(a));
  if (!a->training) return xr_fail(XR_BAD_ARGUMENT, "batchnorm: running statistics have no backward");
  for_chunks(a, chunk_sums);
  finish_sums(a);
  if (a->dx || a->dadd) for_chunks(a, chunk_gradients);
  return XR_OK;
}

#include "host/eval/scores.h"

#include <math.h>
#include <string.h>

#include "kernels/linear/gemm.h"

static double squared_length(const float *x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
  return sum;
}

static void normalize_row(float *out, const float *x, int64_t n) {
  const float length = fmaxf((float)sqrt(squared_length(x, n)), 1e-12f);
  for (int64_t i = 0; i < n; i++) out[i] = x[i] / length;
}

xr_status xr_score_source_open(xr_score_source *s, const xr_evaluation_input *in) {
  *s = (xr_score_source){.in = in, .gallery = in->gallery_features};
  if (in->scores) return XR_OK;
  const int64_t n = in->gallery, width = in->width;
  s->queries = xr_block_alloc((size_t)(XR_SCORE_BLOCK * width) * sizeof(float));
  if (!s->queries) return XR_NO_MEMORY;
  if (in->metric == XR_COSINE) {
    s->gallery = s->normalized = xr_block_alloc((size_t)(n * width) * sizeof(float));
    if (!s->normalized) return XR_NO_MEMORY;
#pragma omp parallel for schedule(static)
    for (int64_t g = 0; g < n; g++) normalize_row(s->normalized + g * width, in->gallery_features + g * width, width);
  }
  if (in->metric == XR_EUCLIDEAN) {
    s->minus_half_squares = xr_block_alloc((size_t)n * sizeof(float));
    if (!s->minus_half_squares) return XR_NO_MEMORY;
#pragma omp parallel for schedule(static)
    for (int64_t g = 0; g < n; g++) s->minus_half_squares[g] = (float)(-0.5 * squared_length(in->gallery_features + g * width, width));
  }
  return XR_OK;
}

void xr_score_source_close(xr_score_source *s) {
  xr_block_free(s->normalized);
  xr_block_free(s->minus_half_squares);
  xr_block_free(s->queries);
  *s = (xr_score_source){0};
}

static void copy_rows(const xr_score_source *s, int64_t first, int64_t count, float *strip) {
  const int64_t n = s->in->gallery;
  const float *from = s->in->scores + first * n;
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < count; r++) {
    if (s->in->distances)
      for (int64_t g = 0; g < n; g++) strip[r * n + g] = -from[r * n + g];
    else
      memcpy(strip + r * n, from + r * n, (size_t)n * sizeof *strip);
  }
}

/* XR_SCORE_BLOCK rows of scores, of which the first `count` belong to queries. */
static xr_status multiply(const xr_score_source *s, int64_t first, int64_t count, float *rows) {
  const xr_evaluation_input *in = s->in;
  const int64_t width = in->width;
  memset(s->queries, 0, (size_t)(XR_SCORE_BLOCK * width) * sizeof(float));
  for (int64_t r = 0; r < count; r++) {
    const float *query = in->query_features + (first + r) * width;
    if (in->metric == XR_COSINE)
      normalize_row(s->queries + r * width, query, width);
    else
      memcpy(s->queries + r * width, query, (size_t)width * sizeof *query);
  }
  return xr_gemm_cpu(&(xr_gemm){.m = XR_SCORE_BLOCK,
                                .n = in->gallery,
                                .k = width,
                                .transpose_b = true,
                                .dtype = XR_F32,
                                .c_dtype = XR_F32,
                                .a = s->queries,
                                .lda = width,
                                .b = s->gallery,
                                .ldb = width,
                                .c = rows,
                                .ldc = in->gallery,
                                .bias = s->minus_half_squares});
}

xr_status xr_score_strip(const xr_score_source *s, int64_t first, int64_t count, float *strip) {
  if (s->in->scores) {
    copy_rows(s, first, count, strip);
    return XR_OK;
  }
  for (int64_t r = 0; r < count; r += XR_SCORE_BLOCK)
    XR_TRY(multiply(s, first + r, count - r < XR_SCORE_BLOCK ? count - r : XR_SCORE_BLOCK, strip + r * s->in->gallery));
  return XR_OK;
}

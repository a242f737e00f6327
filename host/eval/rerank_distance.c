#include "host/eval/rerank_distance.h"

#include <math.h>

#include "host/base/memory.h"
#include "kernels/retrieval/unit_rows.h"
#include "kernels/retrieval/widen.h"

enum { READ_ROWS = 1024 };

/* One side's features as f32, from row `at` of d->rows on. */
static xr_status read_side(xr_squared_distances *d, const xr_row_source *from, int64_t at, int64_t count) {
  void *staging = xr_block_alloc((size_t)(READ_ROWS * d->width) * sizeof(float));
  xr_status status = staging ? XR_OK : XR_NO_MEMORY;
  for (int64_t i = 0; status == XR_OK && i < count; i += READ_ROWS) {
    const int64_t n = count - i < READ_ROWS ? count - i : READ_ROWS;
    const void *rows;
    status = xr_row_source_get(from, d->width, i, n, staging, &rows);
    if (status == XR_OK) xr_widen_any(d->rows + (at + i) * d->width, rows, from->dtype, 0, n * d->width);
  }
  xr_block_free(staging);
  return status;
}

static xr_score_tile tile_of(const xr_squared_distances *d, int64_t first, int64_t count, float *scores) {
  return (xr_score_tile){.queries = count,
                         .gallery = d->count,
                         .width = d->width,
                         .query = d->rows + first * d->width,
                         .items = d->rows,
                         .packed = d->packed,
                         .scores = scores};
}

static xr_status open_features(xr_squared_distances *d, const xr_rerank_input *in) {
  d->rows = xr_block_alloc((size_t)(d->count * d->width) * sizeof *d->rows);
  d->half_squares = xr_block_alloc((size_t)d->count * sizeof *d->half_squares);
  d->packed = xr_block_alloc(xr_score_packed_bytes(d->count, d->width));
  if (!d->rows || !d->half_squares || !d->packed) return XR_NO_MEMORY;
  XR_TRY(read_side(d, &in->query_features, 0, in->queries));
  XR_TRY(read_side(d, &in->gallery_features, in->queries, in->gallery));
  const xr_unit_rows unit = {.rows = d->count,
                             .width = d->width,
                             .x = d->rows,
                             .y = d->euclidean ? NULL : d->rows,
                             .minus_half_squares = d->euclidean ? d->half_squares : NULL};
  XR_TRY(xr_unit_rows_cpu(&unit));
  const xr_score_tile whole = tile_of(d, 0, 0, NULL);
  return xr_score_pack_cpu(&whole, d->packed);
}

xr_status xr_squared_distances_open(xr_squared_distances *d, const xr_rerank_input *in) {
  *d = (xr_squared_distances){
      .count = in->queries + in->gallery, .width = in->width, .matrix = in->distances, .euclidean = in->metric == XR_EUCLIDEAN};
  if (d->matrix) return XR_OK;
  const xr_status status = open_features(d, in);
  if (status != XR_OK) xr_squared_distances_close(d);
  return status;
}

void xr_squared_distances_close(xr_squared_distances *d) {
  xr_block_free(d->rows);
  xr_block_free(d->half_squares);
  xr_block_free(d->packed);
  *d = (xr_squared_distances){0};
}

/* From the product of rows i and j; the same for j and i. A NaN stays one. */
static inline float squared(const xr_squared_distances *d, int64_t i, int64_t j, float product) {
  const float x = d->euclidean ? -2 * (product + (d->half_squares[i] + d->half_squares[j])) : 1 - product;
  const float positive = x < 0 || i == j ? 0 : x; /* rounding may have made it negative */
  return x != x ? x : d->euclidean ? positive : positive * positive;
}

/* Columns of a matrix, a few rows of it at a time, so that what lies beside each other is read together. */
static void squared_columns(const xr_squared_distances *d, int64_t first, int64_t count, float *out) {
  enum { BLOCK = 16 };
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < d->count; block += BLOCK)
    for (int64_t i = 0; i < count; i++)
      for (int64_t j = block; j < block + BLOCK && j < d->count; j++) {
        const float x = d->matrix[j * d->count + first + i];
        out[i * d->count + j] = x * x;
      }
}

xr_status xr_squared_rows(const xr_squared_distances *d, int64_t first, int64_t count, float *out) {
  if (d->matrix) {
    squared_columns(d, first, count, out);
    return XR_OK;
  }
  xr_score_tile tile = tile_of(d, first, count, out);
  tile.workspace = xr_block_alloc(xr_score_tile_workspace(&tile));
  const xr_status status = tile.workspace ? xr_score_tile_cpu(&tile) : XR_NO_MEMORY;
  xr_block_free(tile.workspace);
  XR_TRY(status);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < count; i++)
    for (int64_t j = 0; j < d->count; j++) out[i * d->count + j] = squared(d, first + i, j, out[i * d->count + j]);
  return XR_OK;
}

xr_status xr_squared_pairs(const xr_squared_distances *d, const xr_score_pair *pairs, int64_t count, float *out) {
  if (!d->matrix)
    XR_TRY(xr_score_pairs_cpu(&(xr_score_pairs){.count = count,
                                                .queries = d->count,
                                                .gallery = d->count,
                                                .width = d->width,
                                                .query = d->rows,
                                                .items = d->rows,
                                                .pairs = pairs,
                                                .scores = out}));
#pragma omp parallel for schedule(static)
  for (int64_t p = 0; p < count; p++) {
    const int64_t i = pairs[p].query, j = pairs[p].item;
    const float x = d->matrix ? d->matrix[j * d->count + i] : 0;
    out[p] = d->matrix ? x * x : squared(d, i, j, out[p]);
  }
  return XR_OK;
}

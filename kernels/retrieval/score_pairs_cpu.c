#include "kernels/retrieval/score_pairs.h"

#include <math.h>
#include <stdbool.h>

#include "kernels/retrieval/fma_vector.h"
#include "kernels/retrieval/widen.h"

/* A chain is a sequence of dependent steps, so GROUP chains run side by side, one a lane, over PIECE elements at a time. */
enum { GROUP = XR_FMA_LANES, PIECE = 64 };

xr_status xr_score_pairs_check(const xr_score_pairs *a) {
  if (a->count < 0 || a->queries < 0 || a->gallery < 0 || a->width < 1 || (a->query_stride && a->query_stride < a->width) ||
      (a->item_stride && a->item_stride < a->width))
    return xr_fail(XR_BAD_SHAPE, "score pairs: %lld pairs of %lld queries and %lld items of %lld elements, %lld and %lld from row to row",
                   (long long)a->count, (long long)a->queries, (long long)a->gallery, (long long)a->width, (long long)a->query_stride,
                   (long long)a->item_stride);
  if (!xr_is_score_dtype(a->query_dtype) || !xr_is_score_dtype(a->item_dtype))
    return xr_fail(XR_UNSUPPORTED, "score pairs: queries of %s, items of %s", xr_dtype_name(a->query_dtype), xr_dtype_name(a->item_dtype));
  return XR_OK;
}

/* lanes[k][lane] = element first + k of the lane's row. */
static void read_lanes(float lanes[PIECE][GROUP], const void *rows, xr_dtype dtype, const int64_t *at, int64_t lane_count, int64_t first,
                       int64_t n) {
  for (int64_t l = 0; l < lane_count; l++) {
    float piece[PIECE];
    xr_widen_any(piece, rows, dtype, at[l] + first, n);
    for (int64_t k = 0; k < n; k++) lanes[k][l] = piece[k];
  }
}

static void score_group(const xr_score_pairs *a, int64_t first, int64_t count) {
  const int64_t query_stride = a->query_stride ? a->query_stride : a->width, item_stride = a->item_stride ? a->item_stride : a->width;
  int64_t query_at[GROUP], item_at[GROUP];
  _Alignas(64) float query[PIECE][GROUP] = {{0}}, item[PIECE][GROUP] = {{0}}, result[GROUP] = {0};
  for (int64_t l = 0; l < count; l++) {
    query_at[l] = a->pairs[first + l].query * query_stride;
    item_at[l] = a->pairs[first + l].item * item_stride;
  }
  xr_vector acc = xr_vector_load(result);
  for (int64_t k = 0; k < a->width; k += PIECE) {
    const int64_t n = a->width - k < PIECE ? a->width - k : PIECE;
    read_lanes(query, a->query, a->query_dtype, query_at, count, k, n);
    read_lanes(item, a->items, a->item_dtype, item_at, count, k, n);
    for (int64_t i = 0; i < n; i++) acc = xr_vector_fma(xr_vector_load(query[i]), xr_vector_load(item[i]), acc);
  }
  xr_vector_store(result, acc);
  for (int64_t l = 0; l < count; l++) a->scores[first + l] = a->bias ? result[l] + a->bias[a->pairs[first + l].item] : result[l];
}

xr_status xr_score_pairs_cpu(const xr_score_pairs *a) {
  XR_TRY(xr_score_pairs_check(a));
  for (int64_t i = 0; i < a->count; i++) {
    const xr_score_pair p = a->pairs[i];
    if (p.query < 0 || p.query >= a->queries || p.item < 0 || p.item >= a->gallery)
      return xr_fail(XR_BAD_INPUT, "score pairs: pair %lld is row %d of %lld queries with row %d of %lld items", (long long)i, p.query,
                     (long long)a->queries, p.item, (long long)a->gallery);
  }
#pragma omp parallel for schedule(static)
  for (int64_t group = 0; group < (a->count + GROUP - 1) / GROUP; group++) {
    const int64_t first = group * GROUP;
    score_group(a, first, a->count - first < GROUP ? a->count - first : GROUP);
  }
  return XR_OK;
}

#include "kernels/retrieval/score_pairs.h"

#include <math.h>
#include <stdbool.h>

#include "kernels/retrieval/widen.h"

/* A chain is a sequence of dependent steps, so GROUP chains run side by side, over PIECE elements at a time. */
enum { GROUP = 10, PIECE = 64 };

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

static void score_group(const xr_score_pairs *a, int64_t first, int64_t count) {
  const int64_t query_stride = a->query_stride ? a->query_stride : a->width, item_stride = a->item_stride ? a->item_stride : a->width;
  float query[GROUP][PIECE], item[GROUP][PIECE], sum[GROUP] = {0};
  for (int64_t k = 0; k < a->width; k += PIECE) {
    const int64_t n = a->width - k < PIECE ? a->width - k : PIECE;
    for (int64_t l = 0; l < GROUP; l++) {
      const xr_score_pair p = a->pairs[first + (l < count ? l : 0)];
      xr_widen_any(query[l], a->query, a->query_dtype, p.query * query_stride + k, n);
      xr_widen_any(item[l], a->items, a->item_dtype, p.item * item_stride + k, n);
    }
    for (int64_t i = 0; i < n; i++) {
#pragma GCC unroll 16
      for (int l = 0; l < GROUP; l++) sum[l] = fmaf(query[l][i], item[l][i], sum[l]);
    }
  }
  for (int64_t l = 0; l < count; l++) a->scores[first + l] = a->bias ? sum[l] + a->bias[a->pairs[first + l].item] : sum[l];
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

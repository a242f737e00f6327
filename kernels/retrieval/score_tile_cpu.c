#include "kernels/retrieval/score_tile.h"

#include "kernels/retrieval/fma_vector.h"
#include "kernels/retrieval/widen.h"

/* A block of ROWS x COLUMNS scores stays in registers while k runs: each of its elements is one chain. Items are packed in panels of
 * COLUMNS, queries in panels of ROWS, both [panel][k][..], the last ones filled up with zeros. Rows longer than DEPTH are taken in
 * pieces, between which the chains wait in `scores`: they are f32 anyway. */
enum {
  ROWS = XR_FMA_ROWS,
  COLUMNS = 2 * XR_FMA_LANES,
  DEPTH = 512, /* a panel of items is then at most 64 KiB and stays in the second-level cache */
  SQUARE = 16  /* rows and elements that are transposed at once when packing */
};

static int64_t panels(int64_t n, int64_t each) { return (n + each - 1) / each; }
static int64_t stride_or(int64_t stride, int64_t otherwise) { return stride ? stride : otherwise; }

static size_t packed_floats(int64_t rows, int64_t each, int64_t width) { return (size_t)(panels(rows, each) * each * width); }

size_t xr_score_packed_bytes(int64_t gallery, int64_t width) { return packed_floats(gallery, COLUMNS, width) * sizeof(float); }

size_t xr_score_tile_workspace(const xr_score_tile *a) { return packed_floats(a->queries, ROWS, a->width) * sizeof(float); }

xr_status xr_score_tile_check(const xr_score_tile *a) {
  if (a->queries < 0 || a->gallery < 0 || a->width < 1 || stride_or(a->query_stride, a->width) < a->width ||
      stride_or(a->item_stride, a->width) < a->width || stride_or(a->stride, a->gallery) < a->gallery)
    return xr_fail(XR_BAD_SHAPE, "score tile: %lld queries x %lld items of %lld elements, %lld, %lld and %lld from row to row",
                   (long long)a->queries, (long long)a->gallery, (long long)a->width, (long long)a->query_stride, (long long)a->item_stride,
                   (long long)a->stride);
  if (!xr_is_score_dtype(a->query_dtype) || !xr_is_score_dtype(a->item_dtype))
    return xr_fail(XR_UNSUPPORTED, "score tile: queries of %s, items of %s", xr_dtype_name(a->query_dtype), xr_dtype_name(a->item_dtype));
  return XR_OK;
}

/* Transposes SQUARE x SQUARE numbers: four perfect shuffles of the whole, which vectorise. */
static void transpose(float *restrict square, float *restrict other) {
  enum { HALF = SQUARE * SQUARE / 2 };
  for (int pass = 0; pass < 2; pass++) {
#pragma omp simd
    for (int i = 0; i < HALF; i++) {
      other[2 * i] = square[i];
      other[2 * i + 1] = square[i + HALF];
    }
#pragma omp simd
    for (int i = 0; i < HALF; i++) {
      square[2 * i] = other[i];
      square[2 * i + 1] = other[i + HALF];
    }
  }
}

/* Rows of one side. */
typedef struct {
  const void *from;
  xr_dtype dtype;
  int64_t rows, width, stride;
} matrix;

static matrix queries_of(const xr_score_tile *a) {
  return (matrix){a->query, a->query_dtype, a->queries, a->width, stride_or(a->query_stride, a->width)};
}

static matrix items_of(const xr_score_tile *a) {
  return (matrix){a->items, a->item_dtype, a->gallery, a->width, stride_or(a->item_stride, a->width)};
}

/* to[k][each] = elements first_k .. first_k+depth-1 of a panel's rows. */
static void pack_piece(float *to, const matrix *m, int64_t panel, int each, int64_t first_k, int64_t depth) {
  _Alignas(64) float square[SQUARE][SQUARE] = {{0}}, other[SQUARE][SQUARE];
  for (int start = 0; start < each; start += SQUARE) {
    const int64_t first = panel * each + start, here = m->rows - first < SQUARE ? m->rows - first : SQUARE;
    const int64_t used = each - start < SQUARE ? each - start : SQUARE;
    for (int64_t k = 0; k < depth; k += SQUARE) {
      const int64_t n = depth - k < SQUARE ? depth - k : SQUARE;
      for (int64_t r = 0; r < SQUARE; r++) {
        if (r < here && n == SQUARE)
          xr_widen_any(square[r], m->from, m->dtype, (first + r) * m->stride + first_k + k, SQUARE);
        else if (r < here)
          xr_widen_any(square[r], m->from, m->dtype, (first + r) * m->stride + first_k + k, n);
        else
          memset(square[r], 0, sizeof square[r]);
      }
      transpose(square[0], other[0]);
      for (int64_t i = 0; i < n; i++) memcpy(to + (k + i) * each + start, square[i], (size_t)used * sizeof *to);
    }
  }
}

static void pack(float *to, const matrix *m, int each) {
#pragma omp parallel for schedule(static)
  for (int64_t panel = 0; panel < panels(m->rows, each); panel++) pack_piece(to + panel * each * m->width, m, panel, each, 0, m->width);
}

xr_status xr_score_pack_cpu(const xr_score_tile *a, float *packed) {
  XR_TRY(xr_score_tile_check(a));
  const matrix items = items_of(a);
  pack(packed, &items, COLUMNS);
  return XR_OK;
}

/* block[r][c] continues with `depth` steps of its chains; block is [ROWS][COLUMNS]. */
static inline void multiply(const float *restrict query, const float *restrict items, int64_t depth, float *restrict block) {
  xr_vector acc[ROWS][2];
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++)
    for (int h = 0; h < 2; h++) acc[r][h] = xr_vector_load(block + r * COLUMNS + h * XR_FMA_LANES);
  for (int64_t k = 0; k < depth; k++) {
    const xr_vector left = xr_vector_load(items), right = xr_vector_load(items + XR_FMA_LANES);
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
      const xr_vector q = xr_vector_of(query[r]);
      acc[r][0] = xr_vector_fma(q, left, acc[r][0]);
      acc[r][1] = xr_vector_fma(q, right, acc[r][1]);
    }
    query += ROWS;
    items += COLUMNS;
  }
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++)
    for (int h = 0; h < 2; h++) xr_vector_store(block + r * COLUMNS + h * XR_FMA_LANES, acc[r][h]);
}

/* Elements k .. k+depth-1 of one panel of queries and one of items, both packed. */
static void panel_pair(const xr_score_tile *a, const float *query, const float *items, int64_t row, int64_t column, int64_t k,
                       int64_t depth) {
  const int64_t rows = a->queries - row < ROWS ? a->queries - row : ROWS, stride = stride_or(a->stride, a->gallery);
  const int64_t columns = a->gallery - column < COLUMNS ? a->gallery - column : COLUMNS;
  float *scores = a->scores + row * stride + column;
  _Alignas(64) float block[ROWS * COLUMNS] = {0};
  if (k > 0)
    for (int64_t r = 0; r < rows; r++) memcpy(block + r * COLUMNS, scores + r * stride, (size_t)columns * sizeof *scores);
  multiply(query, items, depth, block);
  const bool last = k + depth == a->width;
  for (int64_t r = 0; r < rows; r++) {
    if (last && a->bias)
      for (int64_t c = 0; c < columns; c++) scores[r * stride + c] = block[r * COLUMNS + c] + a->bias[column + c];
    else
      memcpy(scores + r * stride, block + r * COLUMNS, (size_t)columns * sizeof *scores);
  }
}

xr_status xr_score_tile_cpu(const xr_score_tile *a) {
  XR_TRY(xr_score_tile_check(a));
  if (!a->queries || !a->gallery) return XR_OK;
  float *query = a->workspace;
  const matrix queries = queries_of(a), items = items_of(a);
  pack(query, &queries, ROWS);
#pragma omp parallel for schedule(static)
  for (int64_t panel = 0; panel < panels(a->gallery, COLUMNS); panel++) {
    _Alignas(64) float own[COLUMNS * DEPTH];
    for (int64_t k = 0; k < a->width; k += DEPTH) {
      const int64_t depth = a->width - k < DEPTH ? a->width - k : DEPTH;
      const float *piece = a->packed ? a->packed + (panel * a->width + k) * COLUMNS : own;
      if (!a->packed) pack_piece(own, &items, panel, COLUMNS, k, depth);
      for (int64_t row = 0; row < a->queries; row += ROWS)
        panel_pair(a, query + row * a->width + k * ROWS, piece, row, panel * COLUMNS, k, depth);
    }
  }
  return XR_OK;
}

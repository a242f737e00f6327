#include "host/eval/scorer.h"

#include <stdlib.h>

#include "host/base/memory.h"
#include "host/graph/device.h"
#include "kernels/retrieval/set_score.h"
#include "kernels/retrieval/unit_rows.h"

/* The features or the sets of one side. A set is `per_item` rows. */
typedef struct {
  xr_row_source source;
  int64_t width, per_item;
  bool items, unit, bias; /* of the gallery side; to be scaled to length 1; -|x|^2 / 2 wanted */
  void *staging;          /* plain memory: what a reader writes */
  void *raw;              /* CUDA: the rows as they are */
  float *unit_rows, *minus_half_squares;
  float *packed;  /* CPU, items */
  bool is_packed; /* holds what was loaded last */
  const void *at; /* what was loaded last, ready to be multiplied: [rows, width] of dtype */
  xr_dtype dtype;
  int64_t rows;
} part;

typedef enum { FEATURES, SETS, PARTS } part_kind;

struct xr_scorer {
  xr_scorer_shape shape;
  part part[XR_SIDES][PARTS];
  float *cosines;              /* of sets: of a tile or of pairs */
  void *workspace;             /* of products */
  xr_score_pair *row_pairs;    /* plain memory: pairs of rows of sets */
  xr_score_pair *device_pairs; /* CUDA */
  float *device_scores;        /* CUDA: of pairs */
};

static bool needs(const xr_scorer_shape *s, part_kind kind) {
  return kind == FEATURES ? xr_needs_features(&s->rule) : xr_needs_sets(&s->rule);
}

static part part_of(const xr_scorer_shape *s, xr_side side, part_kind kind) {
  if (kind == SETS)
    return (part){.source = s->sets[side], .width = s->set_width, .per_item = s->set_size[side], .items = side == XR_ITEMS, .unit = true};
  return (part){.source = s->features[side],
                .width = s->width,
                .per_item = 1,
                .items = side == XR_ITEMS,
                .unit = s->rule.metric == XR_COSINE,
                .bias = side == XR_ITEMS && s->rule.metric == XR_EUCLIDEAN};
}

xr_status xr_scorer_check(const xr_scorer_shape *s) {
  XR_TRY(xr_score_rule_check(&s->rule, s->set_size[XR_QUERIES], s->set_size[XR_ITEMS]));
  for (int kind = 0; kind < PARTS; kind++) {
    if (!needs(s, (part_kind)kind)) continue;
    const char *what = kind == FEATURES ? "features" : "sets";
    for (int side = 0; side < XR_SIDES; side++) {
      const part p = part_of(s, (xr_side)side, (part_kind)kind);
      if (!xr_has_rows(&p.source)) return xr_fail(XR_BAD_ARGUMENT, "score: the %s of one side are missing", what);
      if (p.width < 1) return xr_fail(XR_BAD_SHAPE, "score: the %s have no elements", what);
      if (p.source.dtype != XR_F32 && p.source.dtype != XR_BF16 && p.source.dtype != XR_F16)
        return xr_fail(XR_UNSUPPORTED, "score: %s of %s; f32, bf16 and f16 are supported", what, xr_dtype_name(p.source.dtype));
    }
  }
  return XR_OK;
}

static size_t row_bytes(const xr_scorer_shape *s, const part *p) {
  const size_t row = (size_t)(p->width * p->per_item), stored = row * xr_dtype_bytes(p->source.dtype), wide = row * sizeof(float);
  return (p->source.data ? 0 : stored) +
         (s->backend == XR_CUDA ? stored
          : p->items            ? wide
                                : 0) +
         (p->unit ? wide : 0) + (p->bias ? sizeof(float) : 0);
}

size_t xr_scorer_row_bytes(const xr_scorer_shape *s, xr_side side) {
  size_t bytes = 0;
  for (int kind = 0; kind < PARTS; kind++)
    if (needs(s, (part_kind)kind)) {
      const part p = part_of(s, side, (part_kind)kind);
      bytes += row_bytes(s, &p);
    }
  return bytes;
}

size_t xr_scorer_score_bytes(const xr_scorer_shape *s) {
  return sizeof(float) * (size_t)(1 + (xr_needs_sets(&s->rule) ? s->set_size[XR_QUERIES] * s->set_size[XR_ITEMS] : 0));
}

static xr_score_tile product(const part *query, const part *item) {
  return (xr_score_tile){.queries = query->rows,
                         .gallery = item->rows,
                         .width = item->width,
                         .query_dtype = query->dtype,
                         .item_dtype = item->dtype,
                         .query = query->at,
                         .items = item->at,
                         .bias = item->minus_half_squares,
                         .packed = item->is_packed ? item->packed : NULL};
}

/* The product's workspace when everything that there is room for is loaded. */
static size_t workspace_of(const xr_scorer *s, part_kind kind) {
  part query = s->part[XR_QUERIES][kind], item = s->part[XR_ITEMS][kind];
  query.rows = s->shape.tile_rows * query.per_item;
  item.rows = s->shape.capacity[XR_ITEMS] * item.per_item;
  query.dtype = query.unit ? XR_F32 : query.source.dtype;
  item.dtype = item.unit ? XR_F32 : item.source.dtype;
  item.is_packed = item.packed != NULL;
  const xr_score_tile tile = product(&query, &item);
  return xr_score_tile_workspace(&tile);
}

static xr_status device_alloc(const xr_scorer *s, void *at, int64_t count, size_t bytes) {
  return xr_device_alloc(s->shape.backend, (void **)at, (size_t)count * bytes);
}

static xr_status allocate_part(const xr_scorer *s, part *p, int64_t capacity) {
  const int64_t rows = capacity * p->per_item, elements = rows * p->width;
  const size_t stored = xr_dtype_bytes(p->source.dtype);
  if (!p->source.data && !(p->staging = xr_block_alloc((size_t)elements * stored))) return XR_NO_MEMORY;
  if (s->shape.backend == XR_CUDA) XR_TRY(device_alloc(s, &p->raw, elements, stored));
  if (p->unit) XR_TRY(device_alloc(s, &p->unit_rows, elements, sizeof(float)));
  if (p->bias) XR_TRY(device_alloc(s, &p->minus_half_squares, rows, sizeof(float)));
  if (s->shape.backend == XR_CUDA || !p->items) return XR_OK;
  p->packed = xr_block_alloc(xr_score_packed_bytes(rows, p->width));
  return p->packed ? XR_OK : XR_NO_MEMORY;
}

static xr_status allocate(xr_scorer *s) {
  const xr_scorer_shape *shape = &s->shape;
  size_t workspace = 0;
  for (int kind = 0; kind < PARTS; kind++) {
    if (!needs(shape, (part_kind)kind)) continue;
    for (int side = 0; side < XR_SIDES; side++) {
      s->part[side][kind] = part_of(shape, (xr_side)side, (part_kind)kind);
      XR_TRY(allocate_part(s, &s->part[side][kind], shape->capacity[side]));
    }
    const size_t bytes = workspace_of(s, (part_kind)kind);
    if (bytes > workspace) workspace = bytes;
  }
  if (workspace) XR_TRY(device_alloc(s, &s->workspace, (int64_t)workspace, 1));
  const int64_t set_pairs = xr_needs_sets(&shape->rule) ? shape->set_size[XR_QUERIES] * shape->set_size[XR_ITEMS] : 0;
  const int64_t tile = shape->tile_rows * shape->capacity[XR_ITEMS], cosines = set_pairs * (tile > shape->pairs ? tile : shape->pairs);
  if (cosines) XR_TRY(device_alloc(s, &s->cosines, cosines, sizeof(float)));
  const int64_t row_pairs = shape->pairs * (set_pairs > 1 ? set_pairs : 1);
  if (set_pairs && !(s->row_pairs = xr_block_alloc((size_t)row_pairs * sizeof *s->row_pairs))) return XR_NO_MEMORY;
  if (shape->backend == XR_CPU) return XR_OK;
  XR_TRY(device_alloc(s, &s->device_pairs, row_pairs, sizeof *s->device_pairs));
  return device_alloc(s, &s->device_scores, shape->pairs, sizeof(float));
}

xr_status xr_scorer_new(xr_scorer **scorer, const xr_scorer_shape *shape) {
  *scorer = NULL;
  XR_TRY(xr_scorer_check(shape));
  xr_scorer *s = calloc(1, sizeof *s);
  if (!s) return xr_fail(XR_NO_MEMORY, "score: out of memory");
  s->shape = *shape;
  const xr_status status = allocate(s);
  if (status == XR_OK)
    *scorer = s;
  else
    xr_scorer_free(s);
  return status;
}

void xr_scorer_free(xr_scorer *s) {
  if (!s) return;
  const xr_backend backend = s->shape.backend;
  for (int side = 0; side < XR_SIDES; side++)
    for (int kind = 0; kind < PARTS; kind++) {
      part *p = &s->part[side][kind];
      xr_block_free(p->staging);
      xr_block_free(p->packed);
      xr_device_free(backend, p->raw);
      xr_device_free(backend, p->unit_rows);
      xr_device_free(backend, p->minus_half_squares);
    }
  xr_device_free(backend, s->cosines);
  xr_device_free(backend, s->workspace);
  xr_device_free(backend, s->device_pairs);
  xr_device_free(backend, s->device_scores);
  xr_block_free(s->row_pairs);
  free(s);
}

static xr_status load_part(const xr_scorer *s, part *p, int64_t first, int64_t count, bool for_tiles) {
  const xr_scorer_shape *shape = &s->shape;
  XR_TRY(xr_row_source_get(&p->source, p->width * p->per_item, first, count, p->staging, &p->at));
  p->dtype = p->source.dtype;
  p->rows = count * p->per_item;
  if (shape->backend == XR_CUDA) {
    XR_TRY(xr_device_write(shape->backend, p->raw, p->at, (size_t)(p->rows * p->width) * xr_dtype_bytes(p->dtype)));
    p->at = p->raw;
  }
  if (p->unit || p->bias) {
    const xr_unit_rows k = {
        .rows = p->rows, .width = p->width, .dtype = p->dtype, .x = p->at, .y = p->unit_rows, .minus_half_squares = p->minus_half_squares};
    XR_TRY(XR_ON_BACKEND(shape->backend, shape->stream, xr_unit_rows, &k));
  }
  if (p->unit) {
    p->at = p->unit_rows;
    p->dtype = XR_F32;
  }
  p->is_packed = p->packed && for_tiles;
  if (!p->is_packed) return XR_OK;
  const xr_score_tile k = {.gallery = p->rows, .width = p->width, .query_dtype = XR_F32, .item_dtype = p->dtype, .items = p->at};
  return xr_score_pack_cpu(&k, p->packed);
}

xr_status xr_scorer_load(xr_scorer *s, xr_side side, int64_t first, int64_t count, bool for_tiles) {
  if (count > s->shape.capacity[side]) return xr_fail(XR_BAD_ARGUMENT, "score: more rows than there is room for");
  for (int kind = 0; kind < PARTS; kind++)
    if (needs(&s->shape, (part_kind)kind)) XR_TRY(load_part(s, &s->part[side][kind], first, count, for_tiles));
  return XR_OK;
}

/* Loaded queries first .. first + count - 1 times all loaded items. */
static xr_status multiply(const xr_scorer *s, part_kind kind, int64_t first, int64_t count, float *scores, int64_t stride) {
  const part *query = &s->part[XR_QUERIES][kind], *item = &s->part[XR_ITEMS][kind];
  xr_score_tile k = product(query, item);
  k.query = (const char *)query->at + (size_t)(first * query->per_item * query->width) * xr_dtype_bytes(query->dtype);
  k.queries = count * query->per_item;
  k.scores = scores;
  k.stride = stride;
  k.workspace = s->workspace;
  return XR_ON_BACKEND(s->shape.backend, s->shape.stream, xr_score_tile, &k);
}

static xr_status mix_in_sets(const xr_scorer *s, int64_t queries, int64_t items, float *scores, int64_t stride) {
  const xr_scorer_shape *shape = &s->shape;
  const xr_set_score k = {.queries = queries,
                          .gallery = items,
                          .query_set = shape->set_size[XR_QUERIES],
                          .item_set = shape->set_size[XR_ITEMS],
                          .kind = shape->rule.set_kind,
                          .sharpness = shape->rule.set_sharpness,
                          .weight = shape->rule.set_weight,
                          .cosines = s->cosines,
                          .global = xr_needs_features(&shape->rule) ? scores : NULL,
                          .global_stride = stride,
                          .stride = stride,
                          .scores = scores};
  return XR_ON_BACKEND(shape->backend, shape->stream, xr_set_score, &k);
}

xr_status xr_scorer_tile(xr_scorer *s, int64_t first, int64_t count, float *scores, int64_t stride) {
  if (count > s->shape.tile_rows) return xr_fail(XR_BAD_ARGUMENT, "score: a tile of more queries than there is room for");
  if (xr_needs_features(&s->shape.rule)) XR_TRY(multiply(s, FEATURES, first, count, scores, stride));
  if (!xr_needs_sets(&s->shape.rule)) return XR_OK;
  const part *items = &s->part[XR_ITEMS][SETS];
  XR_TRY(multiply(s, SETS, first, count, s->cosines, items->rows));
  return mix_in_sets(s, count, items->rows / items->per_item, scores, stride);
}

/* Scores, in the backend's memory, of pairs of rows, in plain memory. */
static xr_status score_rows(const xr_scorer *s, part_kind kind, const xr_score_pair *pairs, int64_t count, float *scores) {
  const part *query = &s->part[XR_QUERIES][kind], *item = &s->part[XR_ITEMS][kind];
  if (s->shape.backend == XR_CUDA) {
    XR_TRY(xr_device_write(s->shape.backend, s->device_pairs, pairs, (size_t)count * sizeof *pairs));
    pairs = s->device_pairs;
  }
  const xr_score_pairs k = {.count = count,
                            .queries = query->rows,
                            .gallery = item->rows,
                            .width = item->width,
                            .query_dtype = query->dtype,
                            .item_dtype = item->dtype,
                            .query = query->at,
                            .items = item->at,
                            .bias = item->minus_half_squares,
                            .pairs = pairs,
                            .scores = scores};
  return XR_ON_BACKEND(s->shape.backend, s->shape.stream, xr_score_pairs, &k);
}

/* Every pair of sets becomes K1 K2 pairs of rows. */
static int64_t spread_pairs(const xr_scorer *s, const xr_score_pair *pairs, int64_t count) {
  const int32_t k1 = (int32_t)s->shape.set_size[XR_QUERIES], k2 = (int32_t)s->shape.set_size[XR_ITEMS];
  xr_score_pair *next = s->row_pairs;
  for (int64_t i = 0; i < count; i++)
    for (int32_t x = 0; x < k1; x++)
      for (int32_t y = 0; y < k2; y++) *next++ = (xr_score_pair){pairs[i].query * k1 + x, pairs[i].item * k2 + y};
  return next - s->row_pairs;
}

xr_status xr_scorer_pairs(xr_scorer *s, const xr_score_pair *pairs, int64_t count, float *scores) {
  if (count > s->shape.pairs) return xr_fail(XR_BAD_ARGUMENT, "score: more pairs than there is room for");
  const bool device = s->shape.backend == XR_CUDA;
  float *to = device ? s->device_scores : scores;
  if (xr_needs_features(&s->shape.rule)) XR_TRY(score_rows(s, FEATURES, pairs, count, to));
  if (xr_needs_sets(&s->shape.rule)) {
    XR_TRY(score_rows(s, SETS, s->row_pairs, spread_pairs(s, pairs, count), s->cosines));
    XR_TRY(mix_in_sets(s, count, 1, to, 1));
  }
  return device ? xr_device_read(s->shape.backend, scores, to, (size_t)count * sizeof *scores) : XR_OK;
}

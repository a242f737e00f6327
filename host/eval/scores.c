#include "host/eval/scores.h"

#include "host/graph/device.h"
#include "kernels/retrieval/widen.h"

/* What is held at least, at most, and how large a tile may become. On the CPU a tile stays in cache between the kernels that read it. */
typedef struct {
  int64_t least_rows, least_items, most_rows, most_items;
  size_t tile_bytes, memory_bytes;
} limits;

static const limits limits_of[] = {[XR_CPU] = {8, 64, 256, 4096, (size_t)8 << 20, (size_t)128 << 20},
                                   [XR_CUDA] = {8, 64, 4096, 65536, (size_t)256 << 20, (size_t)1 << 30}};
enum { PAIRS = 1 << 15 };

static int64_t between(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

static xr_scorer_shape shape_of(const xr_score_source *s) {
  const xr_evaluation_input *in = s->in;
  return (xr_scorer_shape){.rule = in->rule,
                           .width = in->width,
                           .set_width = in->set_width,
                           .set_size = {in->query_set_size, in->gallery_set_size},
                           .features = {in->query_features, in->gallery_features},
                           .sets = {in->query_sets, in->gallery_sets},
                           .capacity = {s->chunk, s->block},
                           .tile_rows = s->tile_rows,
                           .pairs = s->pairs,
                           .backend = s->backend,
                           .stream = s->stream};
}

/* Half of the memory holds queries, a quarter items, a quarter the tile. */
static void share_out(xr_score_source *s, size_t memory) {
  const limits *limit = &limits_of[s->backend];
  if (!memory) memory = limit->memory_bytes;
  size_t query = 1, item = 1, score = sizeof(float);
  if (!s->in->scores.data) {
    const xr_scorer_shape shape = shape_of(s);
    query = xr_scorer_row_bytes(&shape, XR_QUERIES) + 1;
    item = xr_scorer_row_bytes(&shape, XR_ITEMS) + 1;
    score = xr_scorer_score_bytes(&shape);
  }
  const size_t tile = memory / 4 < limit->tile_bytes ? memory / 4 : limit->tile_bytes;
  const int64_t cells = (int64_t)(tile / score), items = (int64_t)(memory / 4 / item), wide = cells / 32;
  s->block = between(items < wide ? items : wide, limit->least_items, limit->most_items);
  if (s->block > s->in->gallery) s->block = s->in->gallery;
  s->tile_rows = between(cells / s->block, limit->least_rows, limit->most_rows);
  if (s->tile_rows > s->in->queries) s->tile_rows = s->in->queries;
  s->chunk = between((int64_t)(memory / 2 / query), s->tile_rows, s->in->queries);
  s->pairs = between(cells, 1024, PAIRS);
}

static xr_status open_source(xr_score_source *s) {
  const int64_t cells = s->tile_rows * s->block;
  XR_TRY(xr_device_stream_new(s->backend, &s->stream));
  XR_TRY(xr_device_alloc(s->backend, (void **)&s->tile, (size_t)cells * sizeof(float)));
  if (!s->in->scores.data) {
    const xr_scorer_shape shape = shape_of(s);
    return xr_scorer_new(&s->scorer, &shape);
  }
  s->copied = s->backend == XR_CPU ? s->tile : xr_block_alloc((size_t)cells * sizeof(float));
  return s->copied ? XR_OK : XR_NO_MEMORY;
}

xr_status xr_score_source_open(xr_score_source *s, const xr_evaluation_input *in, size_t memory_bytes, xr_backend backend) {
  *s = (xr_score_source){.in = in, .backend = backend};
  share_out(s, memory_bytes);
  const xr_status status = open_source(s);
  if (status != XR_OK) xr_score_source_close(s);
  return status;
}

void xr_score_source_close(xr_score_source *s) {
  if (!s->in) return;
  xr_scorer_free(s->scorer);
  if (s->copied != s->tile) xr_block_free(s->copied);
  xr_device_free(s->backend, s->tile);
  xr_device_stream_free(s->backend, s->stream);
  *s = (xr_score_source){0};
}

xr_status xr_score_source_load(xr_score_source *s, xr_side side, int64_t first, int64_t count, bool for_tiles) {
  const bool there = side == XR_QUERIES && s->first[side] == first && s->count[side] == count; /* queries look the same in both passes */
  s->first[side] = first;
  s->count[side] = count;
  return s->scorer && !there ? xr_scorer_load(s->scorer, side, first, count, for_tiles) : XR_OK;
}

static xr_status copy_rows(const xr_score_source *s, int64_t first, int64_t count) {
  const xr_evaluation_input *in = s->in;
  const int64_t n = s->count[XR_ITEMS];
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < count; r++) {
    float *row = s->copied + r * n;
    xr_widen_any(row, in->scores.data, in->scores.dtype, (first + r) * in->gallery + s->first[XR_ITEMS], n);
    for (int64_t g = 0; in->distances && g < n; g++) row[g] = -row[g];
  }
  return s->copied == s->tile ? XR_OK : xr_device_write(s->backend, s->tile, s->copied, (size_t)(count * n) * sizeof(float));
}

xr_status xr_score_source_tile(xr_score_source *s, int64_t first, int64_t count) {
  if (!s->scorer) return copy_rows(s, first, count);
  return xr_scorer_tile(s->scorer, first - s->first[XR_QUERIES], count, s->tile, s->count[XR_ITEMS]);
}

xr_status xr_score_source_pairs(xr_score_source *s, const xr_score_pair *pairs, int64_t count, float *scores) {
  if (s->scorer) return xr_scorer_pairs(s->scorer, pairs, count, scores);
  const xr_evaluation_input *in = s->in;
  for (int64_t i = 0; i < count; i++) {
    const int64_t query = s->first[XR_QUERIES] + pairs[i].query, item = s->first[XR_ITEMS] + pairs[i].item;
    xr_widen_any(&scores[i], in->scores.data, in->scores.dtype, query * in->gallery + item, 1);
    if (in->distances) scores[i] = -scores[i];
  }
  return XR_OK;
}

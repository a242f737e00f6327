/* What an evaluation does with scores, over a whole test split. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/base/random.h"
#include "host/graph/stopwatch.h"
#include "kernels/retrieval/rank_count.h"
#include "kernels/retrieval/score_tile.h"
#include "kernels/retrieval/set_score.h"
#include "kernels/retrieval/topk.h"
#include "tools/bench.h"

enum { PATTERN = 1 << 16, POSITIVES = 3, BEST = 50, SET_SIZE = 4 };

typedef struct {
  const xr_bench *bench;
  int64_t queries, gallery, width;
  int rounds;
  void *block[6]; /* on the device */
  int blocks;
  union {
    xr_score_tile tile;
    xr_set_score set;
    xr_rank_count count;
    xr_topk top;
  } of;
} subject;

/* ---- memory */
static xr_status reserve(subject *s, void *to, size_t bytes) {
  void **memory = &s->block[s->blocks++];
  XR_TRY(xr_device_alloc(s->bench->backend, memory, bytes));
  memcpy(to, memory, sizeof *memory);
  return XR_OK;
}

static xr_status place(subject *s, void *to, const void *from, size_t bytes) {
  XR_TRY(reserve(s, to, bytes));
  return xr_device_write(s->bench->backend, s->block[s->blocks - 1], from, bytes);
}

/* Number i of every array: -0.5 .. 0.5. */
static float value_at(int64_t i) { return (float)(int32_t)xr_philox_at(3, 0, (uint64_t)(i % PATTERN)).word[0] * 0x1p-32f; }

static xr_status place_values(subject *s, void *to, xr_dtype dtype, int64_t count) {
  const size_t each = xr_dtype_bytes(dtype);
  XR_TRY(reserve(s, to, (size_t)count * each));
  float *pattern = xr_block_alloc(PATTERN * sizeof *pattern);
  if (!pattern) return XR_NO_MEMORY;
  for (int64_t i = 0; i < PATTERN; i++) pattern[i] = value_at(i);
  for (int64_t i = 0; dtype == XR_BF16 && i < PATTERN; i++) ((xr_bf16 *)pattern)[i] = xr_f32_to_bf16(pattern[i]);
  xr_status status = XR_OK;
  for (int64_t at = 0; at < count && status == XR_OK; at += PATTERN)
    status = xr_device_write(s->bench->backend, (char *)s->block[s->blocks - 1] + (size_t)at * each, pattern,
                             (size_t)(count - at < PATTERN ? count - at : PATTERN) * each);
  xr_block_free(pattern);
  return status;
}

/* ---- operations */
typedef struct {
  const char *name, *note;
  xr_status (*make)(subject *s);
  xr_status (*queue)(void *subject, xr_stream stream);
  /* of one turn */
  double (*flops)(const subject *s);
  double (*bytes)(const subject *s);
} operation;

static xr_status make_tile(subject *s) {
  xr_score_tile *a = &s->of.tile;
  *a = (xr_score_tile){.queries = s->queries, .gallery = s->gallery, .width = s->width};
  a->query_dtype = a->item_dtype = s->bench->compute;
  XR_TRY(place_values(s, &a->query, a->query_dtype, s->queries * s->width));
  XR_TRY(place_values(s, &a->items, a->item_dtype, s->gallery * s->width));
  XR_TRY(reserve(s, &a->scores, (size_t)(s->queries * s->gallery) * sizeof *a->scores));
  return reserve(s, &a->workspace, xr_score_tile_workspace(a));
}
static xr_status queue_tile(void *context, xr_stream stream) {
  const subject *s = context;
  for (int i = 0; i < s->rounds; i++) XR_TRY(XR_ON_BACKEND(s->bench->backend, stream, xr_score_tile, &s->of.tile));
  return XR_OK;
}
static double tile_flops(const subject *s) { return 2.0 * (double)s->queries * (double)s->gallery * (double)s->width; }
static double tile_bytes(const subject *s) {
  return (double)xr_dtype_bytes(s->bench->compute) * (double)(s->queries + s->gallery) * (double)s->width +
         4.0 * (double)s->queries * (double)s->gallery;
}

static xr_status make_set(subject *s) {
  xr_set_score *a = &s->of.set;
  s->queries = (s->queries + 11) / 12; /* the cosines of all queries are 1.2 GB */
  *a = (xr_set_score){
      .queries = s->queries, .gallery = s->gallery, .query_set = SET_SIZE, .item_set = SET_SIZE, .sharpness = 16, .weight = 0.5f};
  XR_TRY(place_values(s, &a->cosines, XR_F32, s->queries * SET_SIZE * s->gallery * SET_SIZE));
  XR_TRY(place_values(s, &a->global, XR_F32, s->queries * s->gallery));
  return reserve(s, &a->scores, (size_t)(s->queries * s->gallery) * sizeof *a->scores);
}
static xr_status queue_set(void *context, xr_stream stream) {
  const subject *s = context;
  for (int i = 0; i < s->rounds; i++) XR_TRY(XR_ON_BACKEND(s->bench->backend, stream, xr_set_score, &s->of.set));
  return XR_OK;
}
static double no_flops(const subject *s) {
  (void)s;
  return 0;
}
static double set_bytes(const subject *s) { return 4.0 * (SET_SIZE * SET_SIZE + 2) * (double)s->queries * (double)s->gallery; }

/* Positives anywhere in the row: more of the gallery precedes them than in an evaluation. */
static xr_status place_positives(subject *s, xr_rank_count *a) {
  int64_t *first = xr_block_alloc((size_t)(s->queries + 1) * sizeof *first);
  xr_positive *positives = xr_block_alloc((size_t)(s->queries * POSITIVES) * sizeof *positives);
  xr_status status = first && positives ? XR_OK : XR_NO_MEMORY;
  for (int64_t q = 0; q <= s->queries && status == XR_OK; q++) first[q] = q * POSITIVES;
  for (int64_t q = 0; q < s->queries && status == XR_OK; q++) {
    xr_positive *p = positives + q * POSITIVES;
    for (int i = 0; i < POSITIVES; i++) {
      const int32_t g = (int32_t)(i * s->gallery / POSITIVES);
      int at = i;
      const xr_positive one = {value_at(q * s->gallery + g), g};
      for (; at > 0 && p[at - 1].score < one.score; at--) p[at] = p[at - 1];
      p[at] = one;
    }
  }
  if (status == XR_OK) status = place(s, &a->first, first, (size_t)(s->queries + 1) * sizeof *first);
  if (status == XR_OK) status = place(s, &a->positives, positives, (size_t)(s->queries * POSITIVES) * sizeof *positives);
  xr_block_free(first);
  xr_block_free(positives);
  return status;
}

static xr_status make_count(subject *s) {
  xr_rank_count *a = &s->of.count;
  *a = (xr_rank_count){.queries = s->queries, .gallery = s->gallery, .stride = s->gallery};
  XR_TRY(place_values(s, &a->scores, XR_F32, s->queries * s->gallery));
  XR_TRY(place_positives(s, a));
  XR_TRY(place_values(s, &a->ahead, XR_F32, s->queries * POSITIVES));
  return place_values(s, &a->equal, XR_F32, s->queries * POSITIVES);
}
static xr_status queue_count(void *context, xr_stream stream) {
  const subject *s = context;
  for (int i = 0; i < s->rounds; i++) XR_TRY(XR_ON_BACKEND(s->bench->backend, stream, xr_rank_count, &s->of.count));
  return XR_OK;
}

static xr_status make_top(subject *s) {
  xr_topk *a = &s->of.top;
  *a = (xr_topk){.queries = s->queries, .gallery = s->gallery, .stride = s->gallery, .k = BEST};
  XR_TRY(place_values(s, &a->scores, XR_F32, s->queries * s->gallery));
  XR_TRY(reserve(s, &a->top_scores, (size_t)(s->queries * BEST) * sizeof *a->top_scores));
  return reserve(s, &a->top_indices, (size_t)(s->queries * BEST) * sizeof *a->top_indices);
}
static xr_status queue_top(void *context, xr_stream stream) {
  const subject *s = context;
  for (int i = 0; i < s->rounds; i++) {
    XR_TRY(XR_ON_BACKEND(s->bench->backend, stream, xr_topk_begin, &s->of.top));
    XR_TRY(XR_ON_BACKEND(s->bench->backend, stream, xr_topk_update, &s->of.top));
    XR_TRY(XR_ON_BACKEND(s->bench->backend, stream, xr_topk_finish, &s->of.top));
  }
  return XR_OK;
}
static double score_bytes(const subject *s) { return 4.0 * (double)s->queries * (double)s->gallery; }

static const operation operations[] = {
    {"score_tile", "", make_tile, queue_tile, tile_flops, tile_bytes},
    {"set_score", "smooth chamfer of 4 x 4", make_set, queue_set, no_flops, set_bytes},
    {"rank_count", "3 positives a query", make_count, queue_count, no_flops, score_bytes},
    {"topk", "the best 50, one tile", make_top, queue_top, no_flops, score_bytes},
};

const char *xr_bench_retrieval_name(int i) { return i < (int)(sizeof operations / sizeof *operations) ? operations[i].name : NULL; }

/* ---- time */
static xr_status run(const operation *o, subject *s) {
  static double seconds[XR_BENCH_MAX_REPEATS];
  const xr_bench *b = s->bench;
  XR_TRY(o->make(s));
  const xr_bench_rotation rotation = xr_bench_rotation_of(b, o->bytes(s), 1);
  s->rounds = rotation.rounds;
  xr_stopwatch *watch;
  XR_TRY(xr_stopwatch_new(&watch, b->backend, b->stream, (xr_timed_work){o->queue, s, b->no_graph}));
  xr_status status = XR_OK;
  for (int64_t i = -2; i < b->repeats && status == XR_OK; i++) {
    double all = 0;
    status = xr_stopwatch_run(watch, &all);
    if (i >= 0) seconds[i] = all / rotation.rounds;
  }
  xr_stopwatch_free(watch);
  char shape[96];
  snprintf(shape, sizeof shape, "[%lld, %lld] [%lld, %lld]", (long long)s->queries, (long long)s->width, (long long)s->gallery,
           (long long)s->width);
  if (status == XR_OK)
    xr_bench_report(b, &(xr_bench_row){.name = o->name,
                                       .pass = "forward",
                                       .shape = shape,
                                       .note = o->note,
                                       .flops = o->flops(s),
                                       .bytes = o->bytes(s),
                                       .rotation = rotation,
                                       .seconds = xr_bench_spread_of(seconds, b->repeats)});
  return status;
}

xr_status xr_bench_retrieval(const xr_bench *b, const char *name) {
  const operation *o = operations;
  while (strcmp(o->name, name) != 0) o++;
  subject s = {.bench = b, .queries = b->sizes.captions, .gallery = b->sizes.gallery, .width = b->sizes.embed};
  const xr_status status = run(o, &s);
  for (int i = 0; i < s.blocks; i++) xr_device_free(b->backend, s.block[i]);
  return status == XR_OK ? XR_OK : xr_fail_in(status, "%s", name);
}

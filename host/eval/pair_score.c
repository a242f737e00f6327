#include "host/eval/pair_score.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "kernels/common/rows.h"
#include "kernels/retrieval/score_tile.h"
#include "kernels/retrieval/unit_rows.h"

struct xr_pair_scorer {
  const xr_task *task;
  xr_encoder_options options;
  xr_encoder *encoder; /* its tokens are those of pairs */
  xr_graph *graph;
  xr_pair_graph model;
  xr_plan *plan;
  int64_t image_tokens, text_tokens; /* rows of a sample: N', T' */
};

/* ---- the graphs */
static xr_status record(xr_pair_scorer *s, xr_parameters *parameters) {
  const xr_config *c = s->task->config;
  XR_TRY(xr_encoder_new(&s->encoder, s->task, parameters, s->options));
  s->image_tokens = xr_encoder_tokens(s->encoder, XR_ENCODE_IMAGES);
  s->text_tokens = xr_encoder_tokens(s->encoder, XR_ENCODE_TEXTS);
  xr_model_context context = s->task->context;
  context.batch = c->eval.batch;
  s->graph = xr_graph_new(parameters, (xr_graph_options){.name = "pair scorer", .compute = s->options.compute});
  if (!s->graph) return XR_NO_MEMORY;
  s->task->method->score_pairs(s->graph, &context, s->image_tokens, s->text_tokens, &s->model);
  XR_TRY(xr_graph_status(s->graph));
  return xr_plan_new(&s->plan, s->graph, (xr_var){0}, (xr_plan_options){.backend = s->options.backend});
}

xr_status xr_pair_scorer_new(xr_pair_scorer **out, const xr_task *task, xr_parameters *parameters, xr_encoder_options options) {
  *out = NULL;
  if (!task->method->scores_pairs || !task->method->scores_pairs(task->config)) return XR_OK;
  xr_pair_scorer *s = calloc(1, sizeof *s);
  if (!s) return xr_fail(XR_NO_MEMORY, "out of memory");
  s->task = task;
  s->options = options;
  s->options.rank = false;
  s->options.tokens = s->options.pair_tokens = true;
  xr_status status = record(s, parameters);
  if (status != XR_OK) {
    xr_pair_scorer_free(s);
    return status;
  }
  *out = s;
  return XR_OK;
}

void xr_pair_scorer_free(xr_pair_scorer *s) {
  if (!s) return;
  xr_encoder_free(s->encoder);
  xr_plan_free(s->plan);
  xr_graph_free(s->graph);
  free(s);
}

size_t xr_pair_scorer_arena_bytes(const xr_pair_scorer *s) {
  if (!s) return 0;
  const size_t pairs = xr_plan_memory(s->plan).arena, encoder = xr_encoder_arena_bytes(s->encoder);
  return pairs > encoder ? pairs : encoder;
}

/* ---- one run */
typedef struct {
  const xr_pair_scorer *s;
  xr_split_id split;
  void *memory;
  int64_t images, captions, width;
  int64_t best_count;  /* scored images of a caption */
  const int64_t *best; /* [captions, best_count], -1: none */
  float *score;        /* the same */
  int64_t *first;      /* [images + 1]: where each image's pairs start in `pairs` */
  int64_t *pairs;      /* places of `best`, by image */
  int32_t *length;     /* [captions]: tokens */
  size_t *text_at;     /* [captions + 1]: where the rows of each caption start in `texts` */
  char *texts;         /* rows of `width` in the compute dtype; malloc */
  size_t text_capacity;
  float *features, *tokens; /* of one part, from the encoder */
  char *images_now;         /* the tokens of one part of the images in the compute dtype */
  int64_t part;             /* samples at a time */
  xr_executor *executor;
} rerank;

static size_t element_bytes(const rerank *r) { return xr_dtype_bytes(r->s->options.compute); }

static void convert(const rerank *r, void *to, const float *from, int64_t count) {
  if (r->s->options.compute == XR_F32)
    memcpy(to, from, (size_t)count * sizeof *from);
  else
    xr_narrow(to, from, count);
}

/* How many rows of a caption are there to look at. */
static size_t text_rows(const rerank *r, int64_t caption) {
  return r->s->model.length.id ? (size_t)(r->length[caption] * r->s->model.joint_scales) : (size_t)r->s->text_tokens;
}

/* ---- tokens, part by part */
typedef struct {
  xr_loader *loader;
  size_t row_bytes;
  int64_t first;   /* sample of the split where the part begins */
  int32_t *length; /* of the split's captions; NULL for images */
} part_source;

static xr_status read_part(void *context, int64_t first, int64_t n, void *rows, int32_t *lengths) {
  const part_source *from = context;
  const xr_batch *batch;
  XR_TRY(xr_loader_next(from->loader, &batch));
  memcpy(rows, batch->pixels ? (const void *)batch->pixels : batch->tokens, (size_t)n * from->row_bytes);
  if (lengths) {
    memcpy(lengths, batch->lengths, (size_t)n * sizeof *lengths);
    memcpy(from->length + from->first + first, batch->lengths, (size_t)n * sizeof *lengths);
  }
  xr_loader_release(from->loader, batch);
  return XR_OK;
}

/* Encodes `count` samples in parts and gives each to `use`. */
static xr_status in_parts(rerank *r, xr_encoder_side side, int64_t count, xr_status (*use)(rerank *, int64_t first, int64_t n)) {
  const xr_task *task = r->s->task;
  const xr_config *c = task->config;
  const xr_loader_options options = xr_encoding_loader(c);
  const bool images = side == XR_ENCODE_IMAGES;
  part_source from = {.row_bytes = images ? (size_t)(c->image.height * c->image.width * 3) : (size_t)c->text.context * sizeof(int32_t),
                      .length = r->length};
  xr_status status = images ? xr_loader_open_images(&from.loader, task->dataset, r->split, &options)
                            : xr_loader_open_captions(&from.loader, task->dataset, r->split, task->tokenizer, &options);
  if (status == XR_OK) status = xr_loader_start_epoch(from.loader, 0, 0);
  for (from.first = 0; status == XR_OK && from.first < count; from.first += r->part) {
    const int64_t n = count - from.first < r->part ? count - from.first : r->part;
    const xr_sample_source source = {.count = n, .read = read_part, .context = &from};
    status = xr_encode_samples(r->s->encoder, side, &source, r->memory, r->features, NULL, r->tokens);
    if (status == XR_OK) status = use(r, from.first, n);
  }
  xr_loader_free(from.loader);
  return status;
}

/* Keeps the rows of captions that are looked at. */
static xr_status keep_texts(rerank *r, int64_t first, int64_t n) {
  const size_t row = (size_t)r->width * element_bytes(r);
  for (int64_t i = first; i < first + n; i++) {
    const size_t rows = text_rows(r, i), end = r->text_at[i] + rows;
    r->text_at[i + 1] = end;
    while (end * row > r->text_capacity) {
      const size_t capacity = r->text_capacity ? r->text_capacity + r->text_capacity / 2 : (size_t)1 << 20;
      char *more = realloc(r->texts, capacity);
      if (!more) return xr_fail(XR_NO_MEMORY, "out of memory: %zu bytes of captions' tokens; set imfi.rerank to 0", capacity);
      r->texts = more;
      r->text_capacity = capacity;
    }
    convert(r, r->texts + r->text_at[i] * row, r->tokens + (i - first) * r->s->text_tokens * r->width, (int64_t)rows * r->width);
  }
  return XR_OK;
}

/* ---- scores */
static void fill_image(const rerank *r, char *to, int64_t image_in_part) {
  const size_t bytes = (size_t)(r->s->image_tokens * r->width) * element_bytes(r);
  memcpy(to, r->images_now + (size_t)image_in_part * bytes, bytes);
}

static void fill_text(const rerank *r, char *to, int64_t caption) {
  const size_t row = (size_t)r->width * element_bytes(r), rows = r->text_at[caption + 1] - r->text_at[caption];
  memcpy(to, r->texts + r->text_at[caption] * row, rows * row);
  memset(to + rows * row, 0, ((size_t)r->s->text_tokens - rows) * row);
}

/* Scores n pairs, places of `best`, whose images lie in the part that starts at image `first`. */
static xr_status score_batch(const rerank *r, const int64_t *pairs, int64_t n, int64_t first) {
  const xr_pair_scorer *s = r->s;
  const xr_pair_graph *m = &s->model;
  const int64_t batch = s->task->config->eval.batch;
  const size_t element = element_bytes(r) * (size_t)r->width, image_bytes = (size_t)s->image_tokens * element,
               text_bytes = (size_t)s->text_tokens * element;
  char *image = xr_executor_input(r->executor, m->image_tokens), *text = xr_executor_input(r->executor, m->text_tokens);
  int32_t *end = xr_executor_input(r->executor, m->end);
  if (!image || !text || !end) return XR_DEVICE;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < n; i++) {
    fill_image(r, image + (size_t)i * image_bytes, r->best[pairs[i]] - first);
    fill_text(r, text + (size_t)i * text_bytes, pairs[i] / r->best_count);
  }
  memset(image + (size_t)n * image_bytes, 0, (size_t)(batch - n) * image_bytes);
  memset(text + (size_t)n * text_bytes, 0, (size_t)(batch - n) * text_bytes);
  for (int64_t i = 0; i < batch; i++) end[i] = i < n ? r->length[pairs[i] / r->best_count] : 1; /* lengths, for the next two */
  XR_TRY(xr_feed_lengths(r->executor, m->length, 1, 0, end, batch));
  XR_TRY(xr_feed_lengths(r->executor, m->joint_length, m->joint_scales, 0, end, batch));
  for (int64_t i = 0; i < batch; i++) end[i]--;
  XR_TRY(xr_executor_forward(r->executor, (xr_seed){0}));
  XR_TRY(xr_executor_wait(r->executor));
  const float *logits = xr_executor_value(r->executor, m->logits);
  for (int64_t i = 0; i < n; i++) r->score[pairs[i]] = logits[2 * i + 1] - logits[2 * i];
  return XR_OK;
}

static xr_status score_images(rerank *r, int64_t first, int64_t n) {
  const int64_t batch = r->s->task->config->eval.batch, last = r->first[first + n];
  convert(r, r->images_now, r->tokens, n * r->s->image_tokens * r->width);
  for (int64_t at = r->first[first]; at < last; at += batch)
    XR_TRY(score_batch(r, r->pairs + at, last - at < batch ? last - at : batch, first));
  return XR_OK;
}

/* ---- putting it together */
static void group_by_image(rerank *r) {
  const int64_t count = r->captions * r->best_count;
  memset(r->first, 0, (size_t)(r->images + 1) * sizeof *r->first);
  for (int64_t i = 0; i < count; i++)
    if (r->best[i] >= 0) r->first[r->best[i] + 1]++;
  for (int64_t g = 0; g < r->images; g++) r->first[g + 1] += r->first[g];
  for (int64_t i = 0; i < count; i++)
    if (r->best[i] >= 0) r->pairs[r->first[r->best[i]]++] = i;
  for (int64_t g = r->images; g > 0; g--) r->first[g] = r->first[g - 1]; /* each start had become the next one's */
  r->first[0] = 0;
}

static xr_status refuse_nan(const rerank *r) {
  for (int64_t i = 0; i < r->captions * r->best_count; i++)
    if (r->best[i] >= 0 && r->score[i] != r->score[i])
      return xr_fail(XR_NOT_FINITE, "caption %lld, image %lld: the matching score is not a number (NaN)", (long long)(i / r->best_count),
                     (long long)r->best[i]);
  return XR_OK;
}

typedef struct {
  float score;
  int64_t at, item;
} entry;

static int compare_entries(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return (x->at > y->at) - (x->at < y->at);
}

xr_status xr_reorder_best(int64_t queries, int64_t gallery, int64_t count, const int64_t *best, const float *score, float *scores) {
  entry *list = malloc((size_t)(count ? count : 1) * sizeof *list);
  if (!list) return xr_fail(XR_NO_MEMORY, "out of memory");
  for (int64_t q = 0; q < queries; q++) {
    int64_t n = 0;
    for (; n < count && best[q * count + n] >= 0; n++) list[n] = (entry){score[q * count + n], n, best[q * count + n]};
    qsort(list, (size_t)n, sizeof *list, compare_entries);
    float place = FLT_MAX; /* one float after the other: above every score there is */
    for (int64_t i = 0; i < n; i++, place = nextafterf(place, 0)) scores[q * gallery + list[i].item] = place;
  }
  free(list);
  return XR_OK;
}

/* Cosines [captions, images] into a new block: those that rank the images (kernels/retrieval/score_tile.h), to the bit. */
static xr_status cosines(xr_split_features *f) {
  float *units = xr_block_alloc((size_t)((f->image_count + f->caption_count) * f->width) * sizeof *units);
  f->scores = xr_block_alloc((size_t)(f->caption_count * f->image_count) * sizeof *f->scores);
  xr_score_tile tile = {.queries = f->caption_count, .gallery = f->image_count, .width = f->width, .items = units, .scores = f->scores};
  void *workspace = xr_block_alloc(xr_score_tile_workspace(&tile));
  xr_status status = units && f->scores && workspace ? XR_OK : XR_NO_MEMORY;
  if (status == XR_OK) {
    float *queries = units + f->image_count * f->width;
    tile.query = queries;
    tile.workspace = workspace;
    status = xr_unit_rows_cpu(&(xr_unit_rows){.rows = f->image_count, .width = f->width, .x = f->images, .y = units});
    if (status == XR_OK)
      status = xr_unit_rows_cpu(&(xr_unit_rows){.rows = f->caption_count, .width = f->width, .x = f->captions, .y = queries});
    if (status == XR_OK) status = xr_score_tile_cpu(&tile);
  }
  xr_block_free(workspace);
  xr_block_free(units);
  return status;
}

enum { PART_BATCHES = 4 }; /* of samples whose tokens are held at once */

static xr_status allocate(rerank *r, xr_arena *arena) {
  const xr_pair_scorer *s = r->s;
  const int64_t batch = s->task->config->eval.batch, most = s->image_tokens > s->text_tokens ? s->image_tokens : s->text_tokens;
  r->part = PART_BATCHES * batch;
  r->score = XR_NEW_ARRAY(arena, float, r->captions * r->best_count);
  r->first = XR_NEW_ARRAY(arena, int64_t, r->images + 1);
  r->pairs = XR_NEW_ARRAY(arena, int64_t, r->captions * r->best_count);
  r->length = XR_NEW_ARRAY(arena, int32_t, r->captions);
  r->text_at = XR_NEW_ARRAY(arena, size_t, r->captions + 1);
  r->features = XR_NEW_ARRAY(arena, float, r->part * r->width);
  r->tokens = XR_NEW_ARRAY(arena, float, r->part *most * r->width);
  r->images_now = xr_arena_alloc(arena, (size_t)(r->part * s->image_tokens * r->width) * element_bytes(r));
  const bool complete = r->score && r->first && r->pairs && r->length && r->text_at && r->features && r->tokens && r->images_now;
  return complete ? XR_OK : XR_NO_MEMORY;
}

static xr_status score_all(rerank *r) {
  const xr_pair_scorer *s = r->s;
  const xr_executor_options options = {.memory = r->memory, .no_graph = s->options.no_graph, .tf32 = s->options.tf32};
  XR_TRY(in_parts(r, XR_ENCODE_TEXTS, r->captions, keep_texts));
  group_by_image(r);
  XR_TRY(xr_executor_new(&r->executor, s->plan, options));
  xr_status status = in_parts(r, XR_ENCODE_IMAGES, r->images, score_images);
  xr_executor_free(r->executor);
  XR_TRY(status);
  return refuse_nan(r);
}

xr_status xr_pair_rerank(const xr_pair_scorer *s, xr_split_id split, void *memory, xr_split_features *f) {
  const int64_t wanted = s->task->config->imfi.rerank, count = wanted < f->image_count ? wanted : f->image_count;
  xr_evaluation by_cosine;
  XR_TRY(xr_rank_split(s->task, split, f, count, &by_cosine));
  xr_info("by cosine alone: R-1 %.2f, mAP %.2f; the best %lld images of each caption are now ordered by the matching score",
          100 * by_cosine.cmc[0], 100 * by_cosine.mAP, (long long)count);
  rerank r = {.s = s,
              .split = split,
              .memory = memory,
              .images = f->image_count,
              .captions = f->caption_count,
              .width = f->width,
              .best_count = count,
              .best = by_cosine.top_index};
  xr_arena *arena = xr_arena_new();
  xr_status status = arena ? allocate(&r, arena) : XR_NO_MEMORY;
  if (status == XR_OK) status = score_all(&r);
  if (status == XR_OK) status = cosines(f);
  if (status == XR_OK) status = xr_reorder_best(r.captions, r.images, count, r.best, r.score, f->scores);
  free(r.texts);
  xr_arena_free(arena);
  xr_evaluation_free(&by_cosine);
  return status;
}

#include "host/eval/encoder.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/eval/pair_score.h"
#include "models/esa.h"

typedef struct {
  xr_graph *graph;
  xr_encoder_graph model;
  xr_plan *plan;
  xr_var tokens; /* f32; empty: not asked for */
} side;

struct xr_encoder {
  const xr_task *task;
  xr_encoder_options options;
  side image, text;
  xr_pair_scorer *pairs; /* NULL: xr_encode_split does without */
};

static xr_status make_side(xr_encoder *e, side *s, xr_parameters *parameters, const char *name,
                           void (*build)(xr_graph *, const xr_model_context *, xr_encoder_graph *)) {
  xr_model_context context = e->task->context;
  context.batch = e->task->config->eval.batch;
  context.pair_tokens = e->options.pair_tokens;
  s->graph = xr_graph_new(parameters, (xr_graph_options){.name = name, .compute = e->options.compute});
  if (!s->graph) return XR_NO_MEMORY;
  build(s->graph, &context, &s->model);
  if (e->options.tokens) {
    s->tokens = xr_cast_to(s->graph, "tokens", e->options.pair_tokens ? s->model.pair_tokens : s->model.tokens, XR_F32);
    xr_output(s->graph, "tokens", s->tokens);
  }
  XR_TRY(xr_graph_status(s->graph));
  return xr_plan_new(&s->plan, s->graph, (xr_var){0}, (xr_plan_options){.backend = e->options.backend});
}

xr_status xr_encoder_new(xr_encoder **out, const xr_task *task, xr_parameters *parameters, xr_encoder_options options) {
  *out = NULL;
  xr_encoder *e = calloc(1, sizeof *e);
  if (!e) return xr_fail(XR_NO_MEMORY, "out of memory");
  e->task = task;
  e->options = options;
  xr_status status = make_side(e, &e->image, parameters, "image encoder", task->method->encode_images);
  if (status == XR_OK) status = make_side(e, &e->text, parameters, "text encoder", task->method->encode_texts);
  if (status == XR_OK && options.rank) status = xr_pair_scorer_new(&e->pairs, task, parameters, options);
  if (status != XR_OK) {
    xr_encoder_free(e);
    return status;
  }
  *out = e;
  return XR_OK;
}

void xr_encoder_free(xr_encoder *e) {
  if (!e) return;
  for (side *s = &e->image; s; s = s == &e->image ? &e->text : NULL) {
    xr_plan_free(s->plan);
    xr_graph_free(s->graph);
  }
  xr_pair_scorer_free(e->pairs);
  free(e);
}

size_t xr_encoder_arena_bytes(const xr_encoder *e) {
  size_t image = xr_plan_memory(e->image.plan).arena, text = xr_plan_memory(e->text.plan).arena;
  const size_t one = image > text ? image : text, pairs = xr_pair_scorer_arena_bytes(e->pairs);
  return one > pairs ? one : pairs;
}

/* ---- running one side */
static int64_t elements_per_sample(const side *s, xr_var v) {
  const xr_shape shape = xr_shape_of(s->graph, v);
  return xr_elements(shape) / shape.dim[0];
}

static xr_var rows_of(const side *s) { return s->model.pixels.id ? s->model.pixels : s->model.ids; }

static size_t row_bytes(const side *s) {
  return (size_t)elements_per_sample(s, rows_of(s)) * xr_dtype_bytes(xr_dtype_of(s->graph, rows_of(s)));
}

xr_status xr_feed_lengths(xr_executor *executor, xr_var input, int32_t factor, int32_t without, const int32_t *lengths, int64_t count) {
  if (!input.id) return XR_OK;
  int32_t *to = xr_executor_input(executor, input);
  if (!to) return XR_DEVICE;
  for (int64_t i = 0; i < count; i++) {
    const int32_t length = lengths[i] * factor - without;
    to[i] = length < 0 ? 0 : length;
  }
  return XR_OK;
}

/* Reads n samples into the inputs; places of the batch that are left hold zeros, captions without a word. */
static xr_status feed(const side *s, xr_executor *executor, const xr_sample_source *source, int64_t first, int64_t n, int64_t batch) {
  char *rows = xr_executor_input(executor, rows_of(s));
  int32_t *lengths = s->model.end.id ? xr_executor_input(executor, s->model.end) : NULL; /* until they become places */
  if (!rows || (s->model.end.id && !lengths)) return XR_DEVICE;
  XR_TRY(source->read(source->context, first, n, rows, lengths));
  memset(rows + (size_t)n * row_bytes(s), 0, (size_t)(batch - n) * row_bytes(s));
  for (int64_t i = n; lengths && i < batch; i++) lengths[i] = 2;
  XR_TRY(xr_feed_lengths(executor, s->model.length, 1, 0, lengths, batch));
  XR_TRY(xr_feed_lengths(executor, s->model.joint_length, s->model.joint_scales, 0, lengths, batch));
  XR_TRY(xr_feed_lengths(executor, s->model.words, 1, s->model.words_without, lengths, batch));
  for (int64_t i = 0; lengths && i < batch; i++) lengths[i]--;
  return xr_executor_upload(executor);
}

/* The first n samples of a result. */
static void take(const side *s, const xr_executor *executor, xr_var v, int64_t n, int64_t first, float *to) {
  const int64_t elements = elements_per_sample(s, v);
  memcpy(to + first * elements, xr_executor_value(executor, v), (size_t)(n * elements) * sizeof *to);
}

/* Where the results of one side go. */
typedef struct {
  float *features, *sets, *tokens;
} results;

static xr_status run(const side *s, xr_executor *executor, const xr_sample_source *source, const results *to) {
  const int64_t batch = xr_shape_of(s->graph, s->model.features).dim[0], count = source->count;
  if (count) XR_TRY(feed(s, executor, source, 0, count < batch ? count : batch, batch));
  for (int64_t first = 0; first < count; first += batch) {
    const int64_t n = count - first < batch ? count - first : batch, left = count - first - n;
    XR_TRY(xr_executor_forward(executor, (xr_seed){0}));
    if (left) XR_TRY(feed(s, executor, source, first + n, left < batch ? left : batch, batch)); /* while the device works */
    XR_TRY(xr_executor_wait(executor));
    take(s, executor, s->model.features, n, first, to->features);
    if (to->sets) take(s, executor, s->model.sets, n, first, to->sets);
    if (to->tokens) take(s, executor, s->tokens, n, first, to->tokens);
  }
  return XR_OK;
}

static const side *side_of(const xr_encoder *e, xr_encoder_side which) { return which == XR_ENCODE_IMAGES ? &e->image : &e->text; }

int64_t xr_encoder_tokens(const xr_encoder *e, xr_encoder_side which) {
  const side *s = side_of(e, which);
  return xr_shape_of(s->graph, s->tokens).dim[1];
}

int64_t xr_encoder_set_size(const xr_encoder *e) {
  return e->image.model.sets.id ? xr_shape_of(e->image.graph, e->image.model.sets).dim[1] : 0;
}

xr_status xr_encode_samples(const xr_encoder *e, xr_encoder_side which, const xr_sample_source *source, void *memory, float *features,
                            float *sets, float *tokens) {
  xr_executor *executor;
  const side *s = side_of(e, which);
  XR_TRY(xr_executor_new(&executor, s->plan,
                         (xr_executor_options){.memory = memory, .no_graph = e->options.no_graph, .tf32 = e->options.tf32}));
  xr_status status = run(s, executor, source, &(results){.features = features, .sets = sets, .tokens = tokens});
  xr_executor_free(executor);
  return status;
}

/* ---- the splits of a data set */
xr_loader_options xr_encoding_loader(const xr_config *c) {
  return (xr_loader_options){.width = (int32_t)c->image.width,
                             .height = (int32_t)c->image.height,
                             .filter = (xr_resize_filter)c->image.resize,
                             .context = (int32_t)c->text.context,
                             .batch = (int32_t)c->eval.batch,
                             .workers = (int)c->data.workers,
                             .slots = 3,
                             .allow_truncated = true};
}

typedef struct {
  xr_loader *loader;
  size_t row_bytes;
} split_source;

/* The loader's next batch, which is that of the encoder. Its workers prepare the ones after it while the device computes. */
static xr_status read_split(void *context, int64_t first, int64_t n, void *rows, int32_t *lengths) {
  const split_source *from = context;
  const xr_batch *batch;
  (void)first; /* batches come in order */
  XR_TRY(xr_loader_next(from->loader, &batch));
  memcpy(rows, batch->pixels ? (const void *)batch->pixels : batch->tokens, (size_t)n * from->row_bytes);
  if (lengths) memcpy(lengths, batch->lengths, (size_t)n * sizeof *lengths);
  xr_loader_release(from->loader, batch);
  return XR_OK;
}

xr_status xr_encode_side(const xr_encoder *e, xr_encoder_side which, xr_split_id split, void *memory, float *features, float *sets,
                         float *tokens) {
  const xr_split *data = &e->task->dataset->splits[split];
  const xr_loader_options options = xr_encoding_loader(e->task->config);
  split_source from = {.row_bytes = row_bytes(side_of(e, which))};
  const bool images = which == XR_ENCODE_IMAGES;
  const xr_sample_source source = {
      .count = (int64_t)(images ? data->image_count : data->caption_count), .read = read_split, .context = &from};
  xr_status status = images ? xr_loader_open_images(&from.loader, e->task->dataset, split, &options)
                            : xr_loader_open_captions(&from.loader, e->task->dataset, split, e->task->tokenizer, &options);
  if (status == XR_OK) status = xr_loader_start_epoch(from.loader, 0, 0);
  if (status == XR_OK) status = xr_encode_samples(e, which, &source, memory, features, sets, tokens);
  xr_loader_free(from.loader);
  return status;
}

static float *block_of(int64_t elements) { return xr_block_alloc((size_t)elements * sizeof(float)); }

xr_status xr_encode_split(const xr_encoder *e, xr_split_id split, void *memory, xr_split_features *f) {
  const xr_split *data = &e->task->dataset->splits[split];
  const xr_score_rule rule = xr_task_score_rule(e->task);
  const int64_t width = e->task->config->model.embed, images = (int64_t)data->image_count, captions = (int64_t)data->caption_count,
                set = xr_needs_sets(&rule) ? xr_encoder_set_size(e) : 0;
  *f = (xr_split_features){
      .image_count = images, .caption_count = captions, .width = width, .set_size = set, .backend = e->options.backend};
  if (!images || !captions)
    return xr_fail(XR_BAD_INPUT, "%s: the split %s is empty: there is nothing to evaluate", e->task->dataset->root, xr_split_name(split));
  f->images = block_of(images * width);
  f->captions = block_of(captions * width);
  f->image_sets = set ? block_of(images * set * width) : NULL;
  f->caption_sets = set ? block_of(captions * set * width) : NULL;
  const bool complete = f->images && f->captions && (!set || (f->image_sets && f->caption_sets));
  xr_status status = complete ? XR_OK : XR_NO_MEMORY;
  if (status == XR_OK) status = xr_encode_side(e, XR_ENCODE_IMAGES, split, memory, f->images, f->image_sets, NULL);
  if (status == XR_OK) status = xr_encode_side(e, XR_ENCODE_TEXTS, split, memory, f->captions, f->caption_sets, NULL);
  if (status == XR_OK && e->pairs) status = xr_pair_rerank(e->pairs, split, memory, f);
  if (status != XR_OK) xr_split_features_free(f);
  return status;
}

void xr_split_features_free(xr_split_features *f) {
  xr_block_free(f->images);
  xr_block_free(f->captions);
  xr_block_free(f->image_sets);
  xr_block_free(f->caption_sets);
  xr_block_free(f->scores);
  f->images = f->captions = f->image_sets = f->caption_sets = f->scores = NULL;
}

xr_score_rule xr_task_score_rule(const xr_task *task) {
  const xr_config *c = task->config;
  if (c->method != XR_CONFIG_ESA || c->esa.score_weight == 0) return (xr_score_rule){.metric = XR_COSINE};
  const xr_set_similarity_options sets = xr_esa_similarity(c);
  return (xr_score_rule){
      .metric = XR_COSINE, .set_weight = (float)c->esa.score_weight, .set_kind = sets.kind, .set_sharpness = sets.sharpness};
}

xr_status xr_rank_split(const xr_task *task, xr_split_id split, const xr_split_features *f, int64_t top_k, xr_evaluation *result) {
  const xr_split *data = &task->dataset->splits[split];
  int64_t *ids = xr_block_alloc((size_t)(f->image_count + f->caption_count) * sizeof *ids);
  if (!ids) return XR_NO_MEMORY;
  int64_t *query_ids = ids + f->image_count;
  for (int64_t i = 0; i < f->image_count; i++) ids[i] = data->images[i].pid;
  for (int64_t i = 0; i < f->caption_count; i++) query_ids[i] = data->captions[i].pid;
  xr_evaluation_input in = {.queries = f->caption_count,
                            .gallery = f->image_count,
                            .query_features = {.data = f->captions},
                            .gallery_features = {.data = f->images},
                            .rule = xr_task_score_rule(task),
                            .width = f->width,
                            .query_sets = {.data = f->caption_sets},
                            .gallery_sets = {.data = f->image_sets},
                            .set_width = f->width,
                            .query_set_size = f->set_size,
                            .gallery_set_size = f->set_size,
                            .query_ids = query_ids,
                            .gallery_ids = ids};
  if (f->scores) {
    in.query_features = in.gallery_features = (xr_row_source){0};
    in.scores = (xr_row_source){.data = f->scores};
  }
  xr_evaluation_options options = {
      .max_rank = task->config->eval.max_rank, .ties = xr_tie_rule_find(task->config->eval.ties), .top_k = top_k, .backend = f->backend};
  xr_status status = xr_evaluate(&in, &options, result);
  xr_block_free(ids);
  return status;
}

double xr_chance_rank1(const xr_split *split) {
  double right = 0;
  for (size_t q = 0; q < split->caption_count; q++)
    for (size_t i = 0; i < split->image_count; i++) right += split->images[i].pid == split->captions[q].pid;
  return split->caption_count && split->image_count ? right / (double)split->image_count / (double)split->caption_count : 0;
}

#include "host/eval/encoder.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"

typedef struct {
  xr_graph *graph;
  xr_encoder_graph model;
  xr_plan *plan;
} side;

struct xr_encoder {
  const xr_task *task;
  xr_encoder_options options;
  side image, text;
};

static xr_status make_side(xr_encoder *e, side *s, xr_parameters *parameters, const char *name,
                           void (*build)(xr_graph *, const xr_model_context *, xr_encoder_graph *)) {
  xr_model_context context = e->task->context;
  context.batch = e->task->config->eval.batch;
  s->graph = xr_graph_new(parameters, (xr_graph_options){.name = name, .compute = e->options.compute});
  if (!s->graph) return XR_NO_MEMORY;
  build(s->graph, &context, &s->model);
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
  free(e);
}

size_t xr_encoder_arena_bytes(const xr_encoder *e) {
  size_t image = xr_plan_memory(e->image.plan).arena, text = xr_plan_memory(e->text.plan).arena;
  return image > text ? image : text;
}

xr_status xr_feed_joint_length(xr_executor *executor, xr_var input, int32_t scales, const xr_batch *batch) {
  if (!input.id) return XR_OK;
  int32_t *length = xr_executor_input(executor, input);
  if (!length) return XR_DEVICE;
  for (int32_t i = 0; i < batch->size; i++) length[i] = batch->lengths[i] * scales;
  return XR_OK;
}

static xr_status feed(const side *s, xr_executor *executor, const xr_batch *batch) {
  if (s->model.pixels.id) {
    void *pixels = xr_executor_input(executor, s->model.pixels);
    if (!pixels) return XR_DEVICE;
    memcpy(pixels, batch->pixels, (size_t)xr_elements(xr_shape_of(s->graph, s->model.pixels)));
  } else {
    const int64_t rows = xr_shape_of(s->graph, s->model.features).dim[0];
    int32_t *ids = xr_executor_input(executor, s->model.ids), *end = xr_executor_input(executor, s->model.end);
    if (!ids || !end) return XR_DEVICE;
    memcpy(ids, batch->tokens, (size_t)xr_elements(xr_shape_of(s->graph, s->model.ids)) * sizeof *ids);
    for (int64_t i = 0; i < rows; i++) end[i] = batch->lengths[i] - 1;
    XR_TRY(xr_feed_joint_length(executor, s->model.length, 1, batch));
    XR_TRY(xr_feed_joint_length(executor, s->model.joint_length, s->model.joint_scales, batch));
  }
  return xr_executor_upload(executor);
}

/* Features of the last forward pass, the rows of `count` samples. */
static xr_status take(const side *s, xr_executor *executor, int64_t count, float *to) {
  const int64_t width = xr_last_dim(xr_shape_of(s->graph, s->model.features));
  if (!count) return XR_OK;
  XR_TRY(xr_executor_wait(executor));
  memcpy(to, xr_executor_value(executor, s->model.features), (size_t)(count * width) * sizeof *to);
  return XR_OK;
}

/* Runs every batch of the loader through one side; rows of features in the loader's order. */
static xr_status run_side(const side *s, xr_loader *loader, xr_executor *executor, float *features) {
  const int64_t width = xr_last_dim(xr_shape_of(s->graph, s->model.features));
  const xr_batch *batch;
  XR_TRY(xr_loader_start_epoch(loader, 0, 0));
  XR_TRY(xr_loader_next(loader, &batch));
  for (int64_t done = 0; batch;) {
    const int64_t count = batch->count;
    xr_status status = feed(s, executor, batch);
    if (status == XR_OK) status = xr_executor_forward(executor, (xr_seed){0});
    xr_loader_release(loader, batch);
    XR_TRY(status);
    XR_TRY(xr_loader_next(loader, &batch)); /* the next batch is decoded while the device works */
    XR_TRY(take(s, executor, count, features + done * width));
    done += count;
  }
  return XR_OK;
}

static xr_status encode(const xr_encoder *e, const side *s, xr_loader *loader, void *memory, float *features) {
  xr_executor *executor;
  XR_TRY(xr_executor_new(&executor, s->plan,
                         (xr_executor_options){.memory = memory, .no_graph = e->options.no_graph, .tf32 = e->options.tf32}));
  xr_status status = run_side(s, loader, executor, features);
  xr_executor_free(executor);
  return status;
}

static xr_loader_options loader_options(const xr_config *c) {
  return (xr_loader_options){.width = (int32_t)c->image.width,
                             .height = (int32_t)c->image.height,
                             .filter = (xr_resize_filter)c->image.resize,
                             .context = (int32_t)c->text.context,
                             .batch = (int32_t)c->eval.batch,
                             .workers = (int)c->data.workers,
                             .slots = 3,
                             .allow_truncated = true};
}

xr_status xr_encode_split(xr_encoder *e, xr_split_id split, void *memory, xr_split_features *f) {
  const xr_split *data = &e->task->dataset->splits[split];
  const int64_t width = e->task->config->model.embed;
  *f = (xr_split_features){.image_count = (int64_t)data->image_count, .caption_count = (int64_t)data->caption_count, .width = width};
  if (!data->image_count || !data->caption_count)
    return xr_fail(XR_BAD_INPUT, "%s: the split %s is empty: there is nothing to evaluate", e->task->dataset->root, xr_split_name(split));
  xr_loader_options options = loader_options(e->task->config);
  xr_loader *images = NULL, *captions = NULL;
  f->images = xr_block_alloc((size_t)(f->image_count * width) * sizeof(float));
  f->captions = xr_block_alloc((size_t)(f->caption_count * width) * sizeof(float));
  xr_status status = f->images && f->captions ? xr_loader_open_images(&images, e->task->dataset, split, &options) : XR_NO_MEMORY;
  if (status == XR_OK) status = encode(e, &e->image, images, memory, f->images);
  if (status == XR_OK) status = xr_loader_open_captions(&captions, e->task->dataset, split, e->task->tokenizer, &options);
  if (status == XR_OK) status = encode(e, &e->text, captions, memory, f->captions);
  xr_loader_free(images);
  xr_loader_free(captions);
  if (status != XR_OK) xr_split_features_free(f);
  return status;
}

void xr_split_features_free(xr_split_features *f) {
  xr_block_free(f->images);
  xr_block_free(f->captions);
  f->images = f->captions = NULL;
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
                            .query_features = f->captions,
                            .gallery_features = f->images,
                            .width = f->width,
                            .metric = XR_COSINE,
                            .query_ids = query_ids,
                            .gallery_ids = ids};
  xr_evaluation_options options = {
      .max_rank = task->config->eval.max_rank, .ties = xr_tie_rule_find(task->config->eval.ties), .top_k = top_k};
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

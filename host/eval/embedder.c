#include "host/eval/embedder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/checksum.h"
#include "host/base/file.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/data/pixels.h"
#include "kernels/common/threads.h"

enum { FACT_TEXT = 160 };
typedef enum { FACT_METHOD, FACT_PICTURES, FACT_STATISTICS, FACT_PRECISION, FACT_WEIGHTS, FACTS } fact;

/* Plans for a batch of one size. */
typedef struct {
  int64_t batch;
  xr_encoder *encoder;
} sized;

struct xr_embedder {
  xr_config *config;
  xr_task task;
  xr_parameters *parameters;
  xr_device device;
  bool no_graph;
  int64_t full_batch;    /* as configured */
  sized full, small;     /* `small` for fewer samples than that: a sentence does not wait for a batch */
  xr_resizer **resizers; /* [xr_thread_slots()], made when first used */
  char facts[FACTS][FACT_TEXT];
};

/* ---- opening */
static int64_t vocabulary_of(const xr_weights *weights) {
  const xr_weight *table = xr_weights_find(weights, "token_embedding.weight");
  return table && table->rank == 2 ? table->dim[0] : 1;
}

/* The vocabulary of sentences, when they come. */
static xr_status open_tokenizer(xr_embedder *e) {
  if (e->task.tokenizer) return XR_OK;
  const xr_method *method = e->task.method;
  if (!method->encode_texts) return xr_fail(XR_UNSUPPORTED, "the method %s has no text side: only pictures can be embedded", method->name);
  xr_task task;
  XR_TRY(xr_task_open_encoder(&task, e->config, true));
  if (task.context.vocabulary == e->task.context.vocabulary) {
    e->task.tokenizer = task.tokenizer;
    return XR_OK;
  }
  const int64_t found = task.context.vocabulary;
  xr_task_close(&task);
  return xr_fail(XR_BAD_INPUT, "%s holds %lld token ids, the weights know %lld", e->config->data.vocabulary, (long long)found,
                 (long long)e->task.context.vocabulary);
}

static xr_status open_task(xr_embedder *e, const xr_weights *weights, const xr_embedder_options *o) {
  XR_TRY(o->config ? xr_config_load(&e->config, o->config, o->overrides, o->override_count)
                   : xr_weights_config(weights, o->overrides, o->override_count, &e->config));
  XR_TRY(xr_task_open_encoder(&e->task, e->config, false));
  if (!e->task.context.vocabulary) e->task.context.vocabulary = vocabulary_of(weights);
  e->full_batch = e->config->eval.batch;
  return o->captions ? open_tokenizer(e) : XR_OK;
}

static xr_dtype compute_of(const xr_embedder *e) { return e->config->model.precision == XR_CONFIG_BF16 ? XR_BF16 : XR_F32; }

static xr_status make_encoder(xr_embedder *e, sized *s, int64_t batch) {
  if (s->encoder && s->batch == batch) return XR_OK;
  xr_encoder_free(s->encoder);
  *s = (sized){.batch = batch};
  e->config->eval.batch = batch;
  return xr_encoder_new(
      &s->encoder, &e->task, e->parameters,
      (xr_encoder_options){.compute = compute_of(e), .backend = e->device.backend, .no_graph = e->no_graph, .tf32 = e->config->model.tf32});
}

/* The plans for `count` samples. */
static xr_status encoder_for(xr_embedder *e, int64_t count, const xr_encoder **encoder) {
  sized *s = count < e->full_batch ? &e->small : &e->full;
  XR_TRY(make_encoder(e, s, count < e->full_batch ? count : e->full_batch));
  *encoder = s->encoder;
  return XR_OK;
}

/* ---- identity */
static int by_name(const void *a, const void *b) {
  return strcmp((*(const xr_parameter *const *)a)->name, (*(const xr_parameter *const *)b)->name);
}

/* Of names and values, in the order of the names: whatever file they came from. */
static xr_status parameters_checksum(const xr_parameters *p, uint32_t *checksum) {
  const int count = xr_parameter_count(p);
  const xr_parameter **list = calloc((size_t)count + 1, sizeof *list);
  xr_parameter_view view;
  xr_status status = list ? xr_parameters_view(p, XR_MASTER, &view) : xr_fail(XR_NO_MEMORY, "out of memory");
  *checksum = 0;
  if (status == XR_OK) {
    for (int i = 0; i < count; i++) list[i] = xr_parameter_at(p, i);
    qsort(list, (size_t)count, sizeof *list, by_name);
    for (int i = 0; i < count; i++) {
      *checksum = xr_checksum(*checksum, list[i]->name, strlen(list[i]->name));
      *checksum = xr_checksum(*checksum, view.values + list[i]->offset, (size_t)xr_elements(list[i]->shape) * sizeof(float));
    }
    xr_parameters_view_end(&view);
  }
  free(list);
  return status;
}

static xr_status make_facts(xr_embedder *e) {
  static const char *const filters[] = {"nearest", "bilinear", "bicubic", "lanczos"};
  const xr_config *c = e->config;
  uint32_t checksum;
  XR_TRY(parameters_checksum(e->parameters, &checksum));
  snprintf(e->facts[FACT_METHOD], FACT_TEXT, "%s", e->task.method->name);
  snprintf(e->facts[FACT_WEIGHTS], FACT_TEXT, "crc32 %08x", (unsigned)checksum);
  snprintf(e->facts[FACT_PICTURES], FACT_TEXT, "%lldx%lld, %s", (long long)c->image.height, (long long)c->image.width,
           filters[c->image.resize]);
  snprintf(e->facts[FACT_STATISTICS], FACT_TEXT, "mean %.9g %.9g %.9g, std %.9g %.9g %.9g", c->image.mean[0], c->image.mean[1],
           c->image.mean[2], c->image.std[0], c->image.std[1], c->image.std[2]);
  snprintf(e->facts[FACT_PRECISION], FACT_TEXT, "%s", xr_dtype_name(compute_of(e)));
  return XR_OK;
}

void xr_embedder_describe(const xr_embedder *e, xr_index_form *form) {
  static const char *const names[FACTS] = {[FACT_METHOD] = "method",
                                           [FACT_WEIGHTS] = "weights",
                                           [FACT_PICTURES] = "pictures",
                                           [FACT_STATISTICS] = "image statistics",
                                           [FACT_PRECISION] = "precision"};
  for (int i = 0; i < FACTS; i++) form->model[i] = (xr_index_fact){names[i], e->facts[i]};
  form->facts = FACTS;
  form->width = xr_embedder_width(e);
  form->set_size = xr_embedder_set_size(e);
}

static xr_status open_embedder(xr_embedder *e, const xr_embedder_options *o) {
  xr_weights *weights;
  XR_TRY(xr_weights_open(&weights, o->weights));
  const xr_encoder *encoder;
  xr_status status = open_task(e, weights, o);
  if (status == XR_OK) status = encoder_for(e, 1, &encoder);
  if (status == XR_OK)
    status = xr_parameters_allocate(e->parameters,
                                    (xr_parameter_options){.compute = compute_of(e), .backend = e->device.backend, .undrawn = true});
  if (status == XR_OK) status = xr_weights_load(weights, e->config, e->parameters, XR_WEIGHTS_TO_ENCODE);
  xr_weights_close(weights);
  return status == XR_OK ? make_facts(e) : status;
}

xr_status xr_embedder_open(xr_embedder **embedder, const xr_embedder_options *options) {
  *embedder = NULL;
  xr_embedder *e = calloc(1, sizeof *e);
  if (!e) return xr_fail(XR_NO_MEMORY, "out of memory");
  e->device = options->device;
  e->no_graph = options->no_graph;
  e->parameters = xr_parameters_new();
  e->resizers = calloc((size_t)xr_thread_slots(), sizeof *e->resizers);
  xr_status status = !e->parameters || !e->resizers ? xr_fail(XR_NO_MEMORY, "out of memory") : open_embedder(e, options);
  if (status != XR_OK) {
    xr_embedder_free(e);
    return status;
  }
  *embedder = e;
  return XR_OK;
}

void xr_embedder_free(xr_embedder *e) {
  if (!e) return;
  for (int i = 0; e->resizers && i < xr_thread_slots(); i++) xr_resizer_free(e->resizers[i]);
  free(e->resizers);
  xr_encoder_free(e->full.encoder);
  xr_encoder_free(e->small.encoder);
  xr_parameters_free(e->parameters);
  xr_task_close(&e->task);
  xr_config_free(e->config);
  free(e);
}

const xr_config *xr_embedder_config(const xr_embedder *e) { return e->config; }
int64_t xr_embedder_width(const xr_embedder *e) { return e->config->model.embed; }

int64_t xr_embedder_set_size(const xr_embedder *e) { return xr_encoder_set_size(e->small.encoder ? e->small.encoder : e->full.encoder); }

xr_score_rule xr_embedder_rule(const xr_embedder *e) { return xr_task_score_rule(&e->task); }

static xr_status encode(xr_embedder *e, xr_encoder_side side, const xr_sample_source *source, float *features, float *sets) {
  const xr_encoder *encoder;
  if (!source->count) return XR_OK;
  XR_TRY(encoder_for(e, source->count, &encoder));
  return xr_encode_samples(encoder, side, source, NULL, features, sets, NULL);
}

/* ---- pictures */
typedef struct {
  xr_embedder *embedder;
  xr_pixels *pixels;
  bool *readable; /* NULL: an unreadable picture fails */
  char **message; /* [n of a batch] what was wrong with a picture, or NULL */
  size_t image_bytes;
} picture_source;

static xr_status read_one(picture_source *from, int64_t index, uint8_t *out) {
  xr_resizer **resizer = &from->embedder->resizers[xr_thread_index()];
  if (!*resizer) *resizer = xr_resizer_new(XR_RESIZE_AS_PILLOW_13);
  return *resizer ? xr_pixels_read(from->pixels, *resizer, (size_t)index, out) : XR_NO_MEMORY;
}

/* In the order of the pictures, whoever read them. */
static xr_status report_unreadable(picture_source *from, int64_t first, int64_t n) {
  xr_status status = XR_OK;
  for (int64_t i = 0; i < n; i++) {
    if (from->readable) from->readable[first + i] = !from->message[i];
    if (!from->message[i]) continue;
    if (from->readable)
      xr_warn("left out: %s", from->message[i]);
    else if (status == XR_OK)
      status = xr_fail(XR_BAD_INPUT, "%s", from->message[i]);
    free(from->message[i]);
    from->message[i] = NULL;
  }
  return status;
}

static xr_status read_pictures(void *context, int64_t first, int64_t n, void *rows, int32_t *lengths) {
  picture_source *from = context;
  bool out_of_memory = false;
  (void)lengths;
#pragma omp parallel for schedule(dynamic) num_threads(xr_threads(n)) reduction(|| : out_of_memory)
  for (int64_t i = 0; i < n; i++) {
    uint8_t *out = (uint8_t *)rows + (size_t)i * from->image_bytes;
    const xr_status status = read_one(from, first + i, out);
    if (status == XR_OK) continue;
    memset(out, 0, from->image_bytes);
    from->message[i] = strdup(xr_message());
    out_of_memory = out_of_memory || status == XR_NO_MEMORY || !from->message[i];
  }
  if (out_of_memory) return xr_fail(XR_NO_MEMORY, "out of memory for pictures");
  return report_unreadable(from, first, n);
}

xr_status xr_embed_pictures(xr_embedder *e, const xr_image_record *pictures, int64_t count, float *features, float *sets, bool *readable) {
  const xr_config *c = e->config;
  const int64_t most = count < e->full_batch ? count : e->full_batch;
  picture_source from = {.embedder = e, .readable = readable, .image_bytes = (size_t)(c->image.height * c->image.width * 3)};
  const xr_pixel_options options = {.width = (int32_t)c->image.width,
                                    .height = (int32_t)c->image.height,
                                    .filter = (xr_resize_filter)c->image.resize,
                                    .allow_truncated = true};
  XR_TRY(xr_pixels_open(&from.pixels, pictures, (size_t)count, &options));
  from.message = calloc((size_t)most + 1, sizeof *from.message);
  const xr_sample_source source = {.count = count, .read = read_pictures, .context = &from};
  xr_status status = from.message ? encode(e, XR_ENCODE_IMAGES, &source, features, sets) : xr_fail(XR_NO_MEMORY, "out of memory");
  for (int64_t i = 0; from.message && i < most; i++) free(from.message[i]);
  free(from.message);
  xr_pixels_free(from.pixels);
  return status;
}

typedef struct {
  const uint8_t *pixels;
  size_t image_bytes;
} pixel_source;

static xr_status read_pixels(void *context, int64_t first, int64_t n, void *rows, int32_t *lengths) {
  const pixel_source *from = context;
  (void)lengths;
  memcpy(rows, from->pixels + (size_t)first * from->image_bytes, (size_t)n * from->image_bytes);
  return XR_OK;
}

xr_status xr_embed_pixels(xr_embedder *e, const uint8_t *pixels, int64_t count, float *features, float *sets) {
  pixel_source from = {pixels, (size_t)(e->config->image.height * e->config->image.width * 3)};
  const xr_sample_source source = {.count = count, .read = read_pixels, .context = &from};
  return encode(e, XR_ENCODE_IMAGES, &source, features, sets);
}

/* ---- sentences */
typedef struct {
  const xr_tokenizer *tokenizer;
  const char *const *sentences;
  int context;
} sentence_source;

static xr_status read_sentences(void *context, int64_t first, int64_t n, void *rows, int32_t *lengths) {
  const sentence_source *from = context;
  for (int64_t i = 0; i < n; i++) {
    int length;
    XR_TRY(xr_tokenize(from->tokenizer, from->sentences[first + i], from->context, (int32_t *)rows + i * from->context, &length));
    lengths[i] = length;
  }
  return XR_OK;
}

xr_status xr_embed_sentences(xr_embedder *e, const char *const *sentences, int64_t count, float *features, float *sets) {
  XR_TRY(open_tokenizer(e));
  sentence_source from = {e->task.tokenizer, sentences, (int)e->config->text.context};
  const xr_sample_source source = {.count = count, .read = read_sentences, .context = &from};
  return encode(e, XR_ENCODE_TEXTS, &source, features, sets);
}

/* ---- an index */
typedef struct {
  float *features, *sets;
  bool *readable;
} rows;

static xr_status add_rows(xr_index_writer *writer, const xr_index_form *form, const xr_image_record *pictures, int64_t count,
                          const rows *r) {
  for (int64_t i = 0; i < count; i++) {
    const xr_image_record *p = &pictures[i];
    const xr_index_item item = {.path = p->path, .id = p->pid, .camera = p->camera, .modality = p->modality};
    const float *set = r->sets ? r->sets + i * form->set_size * form->width : NULL;
    XR_TRY(r->readable[i] ? xr_index_add(writer, r->features + i * form->width, set, &item) : xr_index_skip(writer));
  }
  return XR_OK;
}

/* A shard at a time, so that a writer that is broken off loses at most one. */
static xr_status embed_rest(xr_embedder *e, xr_index_writer *writer, const xr_index_form *form, const xr_image_record *pictures,
                            int64_t count, int64_t step, const rows *r) {
  const double start = xr_seconds();
  const int64_t begun = xr_index_writer_entries(writer);
  if (begun && begun < count) xr_info("going on after %lld of %lld pictures", (long long)begun, (long long)count);
  for (int64_t first = begun; first < count; first += step) {
    const int64_t n = count - first < step ? count - first : step;
    XR_TRY(xr_embed_pictures(e, pictures + first, n, r->features, r->sets, r->readable));
    XR_TRY(add_rows(writer, form, pictures + first, n, r));
    xr_progress(false, "%lld of %lld pictures, %.0f a second", (long long)(first + n), (long long)count,
                (double)(first + n - begun) / (xr_seconds() - start));
  }
  const int64_t skipped = count - xr_index_writer_rows(writer);
  if (skipped == count) return xr_fail(XR_BAD_INPUT, "none of the %lld pictures can be read", (long long)count);
  if (skipped) xr_warn("%lld of %lld pictures could not be read and were left out", (long long)skipped, (long long)count);
  return xr_index_finish(writer);
}

xr_status xr_embed_index(xr_embedder *e, const char *folder, const xr_image_record *pictures, int64_t count, xr_dtype storage,
                         int64_t shard_entries) {
  xr_index_form form = {.storage = storage, .shard_entries = shard_entries};
  xr_embedder_describe(e, &form);
  const xr_index_list list = xr_index_list_of(pictures, (size_t)count);
  xr_index_writer *writer;
  XR_TRY(xr_index_writer_open(&writer, folder, &form, &list));
  const int64_t shard = xr_index_writer_shard_entries(writer), step = shard < XR_INDEX_SHARD ? shard : XR_INDEX_SHARD;
  const size_t row = (size_t)form.width * sizeof(float);
  rows r = {.features = xr_block_alloc((size_t)step * row),
            .sets = form.set_size ? xr_block_alloc((size_t)(step * form.set_size) * row) : NULL,
            .readable = malloc((size_t)step)};
  xr_status status = r.features && (r.sets || !form.set_size) && r.readable ? XR_OK : xr_fail(XR_NO_MEMORY, "out of memory");
  if (status == XR_OK) status = embed_rest(e, writer, &form, pictures, count, step, &r);
  xr_block_free(r.features);
  xr_block_free(r.sets);
  free(r.readable);
  xr_index_writer_free(writer);
  return status;
}

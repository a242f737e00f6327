#include <stdlib.h>

#include "host/api/handles.h"
#include "host/base/memory.h"
#include "host/eval/search.h"

struct xreid_writer {
  xr_index_writer *writer;
  int64_t width, set_size;
};

struct xreid_index {
  xr_index *index;
};

static xr_status missing(const char *function) { return xr_fail(XR_BAD_ARGUMENT, "%s: something is NULL, or negative", function); }

/* ---- writing */
static xr_status open_writer(xreid_writer *w, const char *folder, const xreid_writer_options *o) {
  xr_index_form form = {.width = o->width, .set_size = o->set_size};
  if (o->model) xr_embedder_describe(o->model->embedder, &form);
  form.storage = o->bf16 ? XR_BF16 : XR_F32;
  form.shard_entries = o->shard_rows;
  w->width = form.width;
  w->set_size = form.set_size;
  return xr_index_writer_open(&w->writer, folder, &form, NULL);
}

xreid_status xreid_writer_open(xreid_writer **writer, const char *folder, const xreid_writer_options *options) {
  xreid_writer_options o;
  if (!writer || !folder) return xreid_status_of(missing("xreid_writer_open"));
  *writer = NULL;
  xr_status status = xreid_take(&o, sizeof o, options, "xreid_writer_open");
  xreid_writer *w = status == XR_OK ? calloc(1, sizeof *w) : NULL;
  if (status == XR_OK) status = w ? open_writer(w, folder, &o) : xr_fail(XR_NO_MEMORY, "out of memory");
  if (status == XR_OK)
    *writer = w;
  else
    free(w);
  return xreid_status_of(status);
}

static xr_status add_rows(xreid_writer *w, int64_t count, const float *features, const float *sets, const char *const *paths,
                          const int64_t *ids) {
  if (!w || count < 0 || (count && !features)) return missing("xreid_writer_add");
  for (int64_t i = 0; i < count; i++) {
    const xr_index_item item = {.path = paths ? paths[i] : "", .id = ids ? ids[i] : -1, .camera = -1};
    XR_TRY(xr_index_add(w->writer, features + i * w->width, sets ? sets + i * w->set_size * w->width : NULL, &item));
  }
  return XR_OK;
}

xreid_status xreid_writer_add(xreid_writer *w, int64_t count, const float *features, const float *sets, const char *const *paths,
                              const int64_t *ids) {
  return xreid_status_of(add_rows(w, count, features, sets, paths, ids));
}

xreid_status xreid_writer_finish(xreid_writer *w) {
  return xreid_status_of(w ? xr_index_finish(w->writer) : missing("xreid_writer_finish"));
}

void xreid_writer_close(xreid_writer *w) {
  if (!w) return;
  xr_index_writer_free(w->writer);
  free(w);
}

static xr_status index_images(xreid_model *m, const char *folder, const char *const *paths, int64_t count, int64_t shard_rows, int bf16) {
  if (!m || !folder || !paths || count < 1) return missing("xreid_index_images");
  xr_image_record *pictures = calloc((size_t)count, sizeof *pictures);
  if (!pictures) return xr_fail(XR_NO_MEMORY, "out of memory");
  xr_status status = XR_OK;
  for (int64_t i = 0; i < count && status == XR_OK; i++) {
    pictures[i] = (xr_image_record){.path = paths[i], .pid = -1, .camera = -1};
    if (!paths[i]) status = missing("xreid_index_images");
  }
  if (status == XR_OK) status = xr_embed_index(m->embedder, folder, pictures, count, bf16 ? XR_BF16 : XR_F32, shard_rows);
  free(pictures);
  return status;
}

xreid_status xreid_index_images(xreid_model *m, const char *folder, const char *const *paths, int64_t count, int64_t shard_rows, int bf16) {
  return xreid_status_of(index_images(m, folder, paths, count, shard_rows, bf16));
}

/* ---- reading */
static xr_status open_index(xreid_index *x, const char *folder, const xreid_model *m) {
  XR_TRY(xr_index_open(&x->index, folder));
  if (!m) return XR_OK;
  xr_index_form form;
  xr_embedder_describe(m->embedder, &form);
  return xr_index_check_model(x->index, form.model, form.facts);
}

xreid_status xreid_index_open(xreid_index **index, const char *folder, const xreid_model *model) {
  if (!index || !folder) return xreid_status_of(missing("xreid_index_open"));
  *index = NULL;
  xreid_index *x = calloc(1, sizeof *x);
  xr_status status = x ? open_index(x, folder, model) : xr_fail(XR_NO_MEMORY, "out of memory");
  if (status == XR_OK)
    *index = x;
  else
    xreid_index_close(x);
  return xreid_status_of(status);
}

void xreid_index_close(xreid_index *x) {
  if (!x) return;
  xr_index_close(x->index);
  free(x);
}

int64_t xreid_index_rows(const xreid_index *x) { return xr_index_rows(x->index); }
int64_t xreid_index_width(const xreid_index *x) { return xr_index_form_of(x->index)->width; }
int64_t xreid_index_set_size(const xreid_index *x) { return xr_index_form_of(x->index)->set_size; }
int64_t xreid_index_skipped(const xreid_index *x) { return xr_index_skipped(x->index); }

xreid_status xreid_index_item(xreid_index *x, int64_t row, const char **path, int64_t *id) {
  xr_index_item item = {0};
  xr_status status = x ? xr_index_item_at(x->index, row, &item) : missing("xreid_index_item");
  if (status == XR_OK && path) *path = item.path;
  if (status == XR_OK && id) *id = item.id;
  return xreid_status_of(status);
}

xreid_status xreid_index_search(xreid_index *x, const xreid_model *m, int64_t queries, const float *features, const float *sets,
                                int64_t top, int64_t *rows, float *scores) {
  if (!x || !features || !rows || !scores) return xreid_status_of(missing("xreid_index_search"));
  xr_search search = {.queries = queries, .top_k = top, .features = features, .sets = sets};
  if (m) {
    search.rule = xr_embedder_rule(m->embedder);
    search.backend = m->device.backend;
  }
  return xreid_status_of(xr_search_index(x->index, &search, rows, scores));
}

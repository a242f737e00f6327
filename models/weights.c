#include "models/weights.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"

struct xr_weights {
  xr_arena *arena;
  const char *path;
  xr_safetensors *file;
  xr_weight *list;
  int count;
};

/* ---- the index */
static xr_weight *entry_of(xr_weights *w, const char *name) {
  for (int i = 0; i < w->count; i++)
    if (strcmp(w->list[i].name, name) == 0) return &w->list[i];
  return NULL;
}

static xr_status add_tensor(xr_weights *w, const xr_stored_tensor *t) {
  xr_weight_name ours;
  xr_weight_name_ours(t->name, &ours);
  xr_weight *entry = entry_of(w, ours.name);
  if (!entry) {
    entry = &w->list[w->count++];
    *entry = (xr_weight){.name = xr_arena_copy(w->arena, ours.name), .dtype = t->dtype, .rank = t->rank, .transform = ours.transform};
    if (!entry->name) return XR_NO_MEMORY;
  } else if (entry->transform != XR_WEIGHT_JOINED || ours.transform != XR_WEIGHT_JOINED || entry->part[ours.part]) {
    const xr_stored_tensor *other = NULL;
    for (int k = 0; k < XR_WEIGHT_PARTS && !other; k++) other = entry->part[k];
    return xr_fail(XR_BAD_INPUT, "%s and %s both stand for %s", other->name, t->name, ours.name);
  }
  entry->part[ours.part] = t;
  return XR_OK;
}

static bool same_stored_shape(const xr_stored_tensor *a, const xr_stored_tensor *b) {
  return a->dtype == b->dtype && a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0;
}

/* Our shape from the parts' shapes. */
static xr_status settle(xr_weight *weight) {
  const bool joined = weight->transform == XR_WEIGHT_JOINED;
  for (int k = 0; joined && k < XR_WEIGHT_PARTS; k++) {
    if (!weight->part[k]) return xr_fail(XR_BAD_INPUT, "the %c of %s is missing", "qkv"[k], weight -> name);
    if (!same_stored_shape(weight->part[0], weight->part[k]) || weight->part[k]->rank < 1)
      return xr_fail(XR_BAD_INPUT, "%s and %s differ in shape or dtype", weight->part[0]->name, weight->part[k]->name);
  }
  const xr_stored_tensor *t = weight->part[0];
  memcpy(weight->dim, t->dim, sizeof weight->dim);
  if (joined) weight->dim[0] *= XR_WEIGHT_PARTS;
  if (weight->transform != XR_WEIGHT_TRANSPOSED) return XR_OK;
  if (t->rank != 2) return xr_fail(XR_BAD_INPUT, "%s is no matrix", t->name);
  weight->dim[0] = t->dim[1];
  weight->dim[1] = t->dim[0];
  return XR_OK;
}

static int by_name(const void *a, const void *b) { return strcmp(((const xr_weight *)a)->name, ((const xr_weight *)b)->name); }

static xr_status make_index(xr_weights *w) {
  const size_t tensors = xr_safetensors_count(w->file);
  w->list = XR_NEW_ARRAY(w->arena, xr_weight, tensors + 1);
  if (!w->list) return XR_NO_MEMORY;
  for (size_t i = 0; i < tensors; i++) XR_TRY(add_tensor(w, xr_safetensors_at(w->file, i)));
  for (int i = 0; i < w->count; i++) XR_TRY(settle(&w->list[i]));
  qsort(w->list, (size_t)w->count, sizeof *w->list, by_name);
  return XR_OK;
}

xr_status xr_weights_open(xr_weights **weights, const char *path) {
  *weights = NULL;
  xr_arena *arena = xr_arena_new();
  xr_weights *w = arena ? XR_NEW(arena, xr_weights) : NULL;
  if (!w) {
    xr_arena_free(arena);
    return XR_NO_MEMORY;
  }
  w->arena = arena;
  w->path = xr_arena_copy(arena, path);
  xr_status status = w->path ? xr_safetensors_open(&w->file, path) : XR_NO_MEMORY;
  if (status == XR_OK) {
    status = make_index(w);
    if (status != XR_OK) xr_fail_in(status, "%s", path);
  }
  if (status != XR_OK) {
    xr_weights_close(w);
    return status;
  }
  *weights = w;
  return XR_OK;
}

void xr_weights_close(xr_weights *w) {
  if (!w) return;
  xr_safetensors_close(w->file);
  xr_arena_free(w->arena);
}

const char *xr_weights_path(const xr_weights *w) { return w->path; }
int xr_weights_count(const xr_weights *w) { return w->count; }
const xr_weight *xr_weights_at(const xr_weights *w, int index) { return &w->list[index]; }
const char *xr_weights_metadata(const xr_weights *w, const char *key) { return xr_safetensors_metadata(w->file, key); }

const xr_weight *xr_weights_find(const xr_weights *w, const char *name) {
  const xr_weight key = {.name = name};
  return bsearch(&key, w->list, (size_t)w->count, sizeof *w->list, by_name);
}

/* ---- values */
int64_t xr_weight_elements(const xr_weight *weight) {
  int64_t n = 1;
  for (int i = 0; i < weight->rank; i++) n *= weight->dim[i];
  return n;
}

static void transpose(const xr_stored_tensor *t, char *out) {
  const size_t bytes = xr_dtype_bytes(t->dtype), rows = (size_t)t->dim[0], columns = (size_t)t->dim[1];
  const char *in = t->data;
  for (size_t c = 0; c < columns; c++)
    for (size_t r = 0; r < rows; r++) memcpy(out + (c * rows + r) * bytes, in + (r * columns + c) * bytes, bytes);
}

void xr_weight_copy(const xr_weight *weight, void *out) {
  if (weight->transform == XR_WEIGHT_TRANSPOSED) {
    transpose(weight->part[0], out);
    return;
  }
  char *to = out;
  for (int k = 0; k < XR_WEIGHT_PARTS && weight->part[k]; k++) {
    memcpy(to, weight->part[k]->data, weight->part[k]->bytes);
    to += weight->part[k]->bytes;
  }
}

xr_status xr_weight_values(const xr_weight *weight, float *out) {
  if (weight->transform != XR_WEIGHT_TRANSPOSED) {
    for (int k = 0; k < XR_WEIGHT_PARTS && weight->part[k]; k++) {
      xr_stored_to_f32(weight->part[k], out);
      out += xr_stored_elements(weight->part[k]);
    }
    return XR_OK;
  }
  xr_stored_tensor turned = *weight->part[0];
  void *copy = xr_block_alloc(turned.bytes);
  if (!copy) return XR_NO_MEMORY;
  xr_weight_copy(weight, copy);
  turned.data = copy;
  xr_stored_to_f32(&turned, out);
  xr_block_free(copy);
  return XR_OK;
}

void xr_weights_forget(const xr_weights *w, const xr_weight *weight) {
  for (int k = 0; k < XR_WEIGHT_PARTS && weight->part[k]; k++) xr_safetensors_forget(w->file, weight->part[k]);
}

/* ---- what a file says about itself */
static json_t *parsed_metadata(const xr_weights *w, const char *key) {
  const char *text = xr_weights_metadata(w, key);
  return text ? json_loads(text, 0, NULL) : NULL;
}

xr_grid xr_weights_grid(const xr_weights *w, int64_t rows) {
  json_int_t height = 0, width = 0;
  json_t *stated = parsed_metadata(w, "position_grid");
  const bool read = stated && json_unpack(stated, "[I, I]", &height, &width) == 0;
  json_decref(stated);
  if (read && height > 0 && width > 0 && height < rows && width < rows && height * width == rows - 1) return (xr_grid){height, width};
  const int64_t side = rows > 1 ? (int64_t)lround(sqrt((double)(rows - 1))) : 0;
  return side > 0 && side * side == rows - 1 ? (xr_grid){side, side} : (xr_grid){0, 0};
}

bool xr_weights_statistics(const xr_weights *w, double mean[3], double std[3]) {
  json_t *stated = parsed_metadata(w, "image_statistics");
  const bool read = stated && json_unpack(stated, "{s:[F, F, F], s:[F, F, F]}", "mean", &mean[0], &mean[1], &mean[2], "std", &std[0],
                                          &std[1], &std[2]) == 0;
  json_decref(stated);
  return read && std[0] > 0 && std[1] > 0 && std[2] > 0;
}

xr_grid xr_weights_grid_of(const xr_config *c) {
  return (xr_grid){(c->image.height - c->image.patch) / c->image.stride + 1, (c->image.width - c->image.patch) / c->image.stride + 1};
}

void xr_weights_describe(const xr_config *c, xr_weights_about *about) {
  const double *m = c->image.mean, *s = c->image.std;
  const xr_grid grid = xr_weights_grid_of(c);
  snprintf(about->activation, sizeof about->activation, "%s", c->model.activation == XR_CONFIG_GELU ? "gelu" : "quick_gelu");
  snprintf(about->image_statistics, sizeof about->image_statistics, "{\"mean\": [%.9g, %.9g, %.9g], \"std\": [%.9g, %.9g, %.9g]}", m[0],
           m[1], m[2], s[0], s[1], s[2]);
  snprintf(about->position_grid, sizeof about->position_grid, "[%" PRId64 ", %" PRId64 "]", grid.height, grid.width);
}

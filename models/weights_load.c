#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "models/weights.h"

enum { LISTED = 20 };

/* Names for one message: the first LISTED of them and how many there are. */
typedef struct {
  char text[3000];
  size_t used;
  int count;
} name_list;

__attribute__((format(printf, 2, 3))) static void note(name_list *list, const char *format, ...) {
  if (list->count++ >= LISTED || list->used >= sizeof list->text - 2) return;
  list->used += (size_t)snprintf(list->text + list->used, sizeof list->text - list->used, "%s", list->count > 1 ? ", " : "");
  va_list arguments;
  va_start(arguments, format);
  list->used += (size_t)vsnprintf(list->text + list->used, sizeof list->text - list->used, format, arguments);
  va_end(arguments);
}

static const char *and_more(const name_list *list) { return list->count > LISTED ? ", ..." : ""; }

typedef struct {
  const xr_weights *weights;
  const xr_config *config;
  const xr_parameters *parameters;
  xr_weights_purpose purpose;
  name_list misfits, fresh, unused;
} loading;

static xr_shape_text shape_of(const xr_weight *weight) {
  xr_shape shape = {.rank = weight->rank < XR_MAX_RANK ? weight->rank : XR_MAX_RANK};
  memcpy(shape.dim, weight->dim, (size_t)shape.rank * sizeof *shape.dim);
  return xr_shape_to_text(shape);
}

static bool same_shape(const xr_weight *weight, xr_shape shape) {
  return weight->rank == shape.rank && memcmp(weight->dim, shape.dim, (size_t)shape.rank * sizeof *shape.dim) == 0;
}

/* ---- tables of positions */
static bool is_image_positions(const char *name) { return strcmp(name, "visual.positional_embedding") == 0; }
static bool is_text_positions(const char *name) { return strcmp(name, "positional_embedding") == 0; }

/* The grid to resize from; height 0: the table is taken as it is, -1: it cannot be used. */
static xr_grid resized_from(const loading *l, const xr_weight *weight, xr_shape shape) {
  const xr_grid to = xr_weights_grid_of(l->config), from = xr_weights_grid(l->weights, weight->dim[0]);
  if (from.height == to.height && from.width == to.width) return (xr_grid){0, 0};
  if (!from.height) return (xr_grid){weight->dim[0] == shape.dim[0] ? 0 : -1, 0};
  return from;
}

static bool positions_fit(const loading *l, const xr_parameter *p, const xr_weight *weight) {
  if (weight->rank != 2 || p->shape.rank != 2 || weight->dim[1] != p->shape.dim[1]) return false;
  if (is_text_positions(p->name)) return weight->dim[0] >= p->shape.dim[0];
  return is_image_positions(p->name) && weight->dim[0] > 1 && resized_from(l, weight, p->shape).height >= 0;
}

/* ---- comparing */
/* What the file has for a parameter: its own tensor or, in training, that of the parameter it is to start like. */
static const xr_weight *find_weight(const loading *l, const xr_parameter *p) {
  const xr_weight *weight = xr_weights_find(l->weights, p->name);
  if (weight || !p->kind.like || l->purpose != XR_WEIGHTS_TO_TRAIN) return weight;
  return xr_weights_find(l->weights, p->kind.like);
}

static void compare(loading *l, const xr_parameter *p) {
  const xr_weight *weight = find_weight(l, p);
  const bool optional = l->purpose == XR_WEIGHTS_TO_TRAIN && !xr_weight_is_tower(p->name);
  if (weight && (same_shape(weight, p->shape) || positions_fit(l, p, weight))) return;
  if (optional)
    note(&l->fresh, weight ? "%s (stored as %s)" : "%s", p->name, weight ? shape_of(weight).text : "");
  else if (!weight)
    note(&l->misfits, "%s is missing", p->name);
  else if (is_image_positions(p->name) && weight->rank == 2 && weight->dim[1] == p->shape.dim[1])
    note(&l->misfits, "%s has %" PRId64 " patches of an unknown grid, so it cannot be resized to %" PRId64, p->name, weight->dim[0] - 1,
         p->shape.dim[0] - 1);
  else
    note(&l->misfits, "%s is %s instead of %s", p->name, shape_of(weight).text, xr_shape_to_text(p->shape).text);
}

/* The wrong vocabulary deserves words of its own: every other tensor may fit. */
static xr_status check_vocabulary(const loading *l) {
  const int index = xr_parameter_find(l->parameters, "token_embedding.weight");
  const xr_weight *weight = xr_weights_find(l->weights, "token_embedding.weight");
  if (index < 0 || !weight || weight->rank != 2) return XR_OK;
  const int64_t rows = xr_parameter_at(l->parameters, index)->shape.dim[0];
  if (weight->dim[0] == rows) return XR_OK;
  return xr_fail(XR_BAD_INPUT,
                 "token_embedding.weight has %" PRId64 " token ids, the vocabulary %" PRId64
                 ": set data.vocabulary to the merges file that these weights were trained with",
                 weight->dim[0], rows);
}

static bool is_ours(const xr_weights *w) {
  const char *format = xr_weights_metadata(w, "format");
  return format && strncmp(format, "xreid", 5) == 0;
}

static bool close_to(const double *a, const double *b) {
  return fabs(a[0] - b[0]) < 1e-5 && fabs(a[1] - b[1]) < 1e-5 && fabs(a[2] - b[2]) < 1e-5;
}

static xr_status check_activation(const loading *l) {
  xr_weights_about about;
  xr_weights_describe(l->config, &about);
  const char *activation = xr_weights_metadata(l->weights, "activation");
  if (!activation || strcmp(activation, about.activation) == 0) return XR_OK;
  return xr_fail(XR_BAD_INPUT, "these weights work with the activation %s, the configuration has %s: set model.activation=%s", activation,
                 about.activation, activation);
}

static xr_status compare_all(loading *l) {
  XR_TRY(check_activation(l));
  XR_TRY(check_vocabulary(l));
  for (int i = 0; i < xr_parameter_count(l->parameters); i++) compare(l, xr_parameter_at(l->parameters, i));
  if (l->misfits.count)
    return xr_fail(XR_BAD_INPUT, "%d of the model's %d tensors are missing or of another shape: %s%s", l->misfits.count,
                   xr_parameter_count(l->parameters), l->misfits.text, and_more(&l->misfits));
  const bool heads_expected = l->purpose == XR_WEIGHTS_TO_ENCODE && is_ours(l->weights); /* a checkpoint holds what training needs */
  for (int i = 0; i < xr_weights_count(l->weights) && !heads_expected; i++) {
    const char *name = xr_weights_at(l->weights, i)->name;
    if (xr_parameter_find(l->parameters, name) < 0 && !xr_weight_is_skipped(name)) note(&l->unused, "%s", name);
  }
  return XR_OK;
}

/* ---- writing */
static void fit_positions(const loading *l, const xr_parameter *p, const xr_weight *weight, const float *stored, float *values) {
  static const char *const words[] = {[XR_POSITIONS_BILINEAR] = "bilinear", [XR_POSITIONS_BICUBIC] = "bicubic"};
  const char *path = xr_weights_path(l->weights);
  const size_t bytes = (size_t)xr_elements(p->shape) * sizeof *values;
  if (is_text_positions(p->name)) {
    xr_info("%s: %s: the first %" PRId64 " of %" PRId64 " rows", path, p->name, p->shape.dim[0], weight->dim[0]);
    memcpy(values, stored, bytes);
    return;
  }
  const xr_position_filter filter = l->config->vision.position_resize == XR_CONFIG_BICUBIC ? XR_POSITIONS_BICUBIC : XR_POSITIONS_BILINEAR;
  const xr_grid from = resized_from(l, weight, p->shape), to = xr_weights_grid_of(l->config);
  xr_info("%s: %s: resized from %" PRId64 " x %" PRId64 " to %" PRId64 " x %" PRId64 " patches (%s)", path, p->name, from.height,
          from.width, to.height, to.width, words[filter]);
  xr_position_table_resize(stored, from, values, to, p->shape.dim[1], filter);
}

static bool needs_fitting(const loading *l, const xr_parameter *p, const xr_weight *weight) {
  return !same_shape(weight, p->shape) || (is_image_positions(p->name) && resized_from(l, weight, p->shape).height > 0);
}

static xr_status write_one(const loading *l, xr_parameters *parameters, int index, float *stored, float *fitted) {
  const xr_parameter *p = xr_parameter_at(l->parameters, index);
  const xr_weight *weight = find_weight(l, p);
  if (!weight || !(same_shape(weight, p->shape) || positions_fit(l, p, weight))) return XR_OK; /* fresh */
  XR_TRY(xr_weight_values(weight, stored));
  xr_weights_forget(l->weights, weight);
  const bool fit = needs_fitting(l, p, weight);
  if (fit) fit_positions(l, p, weight, stored, fitted);
  return xr_parameter_write(parameters, XR_MASTER, index, fit ? fitted : stored);
}

static xr_status write_all(const loading *l, xr_parameters *parameters) {
  int64_t stored_most = 1, fitted_most = 1;
  for (int i = 0; i < xr_parameter_count(l->parameters); i++) {
    const xr_parameter *p = xr_parameter_at(l->parameters, i);
    const xr_weight *weight = find_weight(l, p);
    const int64_t stored = weight ? xr_weight_elements(weight) : 0, fitted = xr_elements(p->shape);
    const bool positions = is_image_positions(p->name) || is_text_positions(p->name);
    if (stored > stored_most) stored_most = stored;
    if (positions && fitted > fitted_most) fitted_most = fitted;
  }
  float *stored = xr_block_alloc((size_t)stored_most * sizeof *stored), *fitted = xr_block_alloc((size_t)fitted_most * sizeof *fitted);
  xr_status status = stored && fitted ? XR_OK : XR_NO_MEMORY;
  for (int i = 0; i < xr_parameter_count(l->parameters) && status == XR_OK; i++) status = write_one(l, parameters, i, stored, fitted);
  xr_block_free(stored);
  xr_block_free(fitted);
  return status;
}

static void say(const loading *l) {
  const char *path = xr_weights_path(l->weights);
  xr_weights_about about;
  double mean[3], std[3];
  xr_weights_describe(l->config, &about);
  if (xr_weights_statistics(l->weights, mean, std) && !(close_to(mean, l->config->image.mean) && close_to(std, l->config->image.std)))
    xr_warn("%s: these weights belong to images normalised with %s; image.mean and image.std are %s", path,
            xr_weights_metadata(l->weights, "image_statistics"), about.image_statistics);
  if (l->fresh.count) xr_info("%s: not there, so they start fresh (%d): %s%s", path, l->fresh.count, l->fresh.text, and_more(&l->fresh));
  if (l->unused.count)
    xr_warn("%s: tensors that the model does not use (%d): %s%s", path, l->unused.count, l->unused.text, and_more(&l->unused));
}

xr_status xr_weights_load(const xr_weights *weights, const xr_config *config, xr_parameters *parameters, xr_weights_purpose purpose) {
  loading l = {.weights = weights, .config = config, .parameters = parameters, .purpose = purpose};
  xr_status status = compare_all(&l);
  if (status == XR_OK) status = write_all(&l, parameters);
  if (status != XR_OK) return xr_fail_in(status, "%s", xr_weights_path(weights));
  say(&l);
  return XR_OK;
}

xr_status xr_weights_check(const xr_weights *weights, const xr_config *config, const xr_parameters *parameters,
                           xr_weights_purpose purpose) {
  loading l = {.weights = weights, .config = config, .parameters = parameters, .purpose = purpose};
  xr_status status = compare_all(&l);
  return status == XR_OK ? XR_OK : xr_fail_in(status, "%s", xr_weights_path(weights));
}

xr_status xr_weights_load_file(const char *path, const xr_config *config, xr_parameters *parameters, xr_weights_purpose purpose) {
  xr_weights *weights;
  XR_TRY(xr_weights_open(&weights, path));
  xr_status status = xr_weights_load(weights, config, parameters, purpose);
  xr_weights_close(weights);
  return status;
}

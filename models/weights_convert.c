#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "models/weights.h"

const char *const xr_naming_names[XR_NAMINGS] = {"openai", "huggingface", "xreid"};

/* The tensors of a new file; `arena` owns what is not in the old one. */
typedef struct {
  xr_arena *arena;
  xr_naming naming;
  xr_stored_tensor *list;
  size_t count;
  int left_out;
} output;

static xr_status add(output *out, const char *name, const xr_weight *weight, int64_t rows, const void *data) {
  xr_stored_tensor *t = &out->list[out->count++];
  *t = (xr_stored_tensor){.name = xr_arena_copy(out->arena, name), .dtype = weight->dtype, .rank = weight->rank, .data = data};
  memcpy(t->dim, weight->dim, sizeof t->dim);
  if (rows) t->dim[0] = rows;
  t->bytes = (size_t)xr_stored_elements(t) * xr_dtype_bytes(t->dtype);
  return t->name ? XR_OK : XR_NO_MEMORY;
}

/* The values in our order: the file's own where nothing has to be done to them. */
static const void *values_of(output *out, const xr_weight *weight) {
  if (weight->transform == XR_WEIGHT_AS_IT_IS) return weight->part[0]->data;
  void *copy = xr_arena_alloc(out->arena, (size_t)xr_weight_elements(weight) * xr_dtype_bytes(weight->dtype));
  if (copy) xr_weight_copy(weight, copy);
  return copy;
}

static xr_status add_turned(output *out, const char *name, const xr_weight *weight) {
  const void *ours = values_of(out, weight);
  if (!ours) return XR_NO_MEMORY;
  if (weight->rank != 2) return xr_fail(XR_BAD_INPUT, "%s is no matrix", weight->name);
  const xr_stored_tensor source = {.dtype = weight->dtype, .rank = 2, .dim = {weight->dim[0], weight->dim[1]}, .data = ours};
  const xr_weight turned = {.name = name,
                            .dtype = weight->dtype,
                            .rank = 2,
                            .dim = {weight->dim[1], weight->dim[0]},
                            .transform = XR_WEIGHT_TRANSPOSED,
                            .part = {&source}};
  const void *values = values_of(out, &turned);
  return values ? add(out, name, &turned, 0, values) : XR_NO_MEMORY;
}

static xr_status add_parts(output *out, const xr_weight *weight) {
  const char *values = values_of(out, weight);
  const int64_t rows = weight->dim[0] / XR_WEIGHT_PARTS;
  if (!values) return XR_NO_MEMORY;
  if (weight->rank < 1 || rows * XR_WEIGHT_PARTS != weight->dim[0])
    return xr_fail(XR_BAD_INPUT, "%s cannot be cut into queries, keys and values", weight->name);
  const size_t bytes = (size_t)xr_weight_elements(weight) * xr_dtype_bytes(weight->dtype) / XR_WEIGHT_PARTS;
  for (int k = 0; k < XR_WEIGHT_PARTS; k++) {
    xr_weight_name theirs;
    xr_weight_name_huggingface(weight->name, k, &theirs);
    XR_TRY(add(out, theirs.name, weight, rows, values + (size_t)k * bytes));
  }
  return XR_OK;
}

static xr_status add_weight(output *out, const xr_weight *weight) {
  xr_weight_name theirs;
  const bool scale = strcmp(weight->name, "logit_scale") == 0, tower = xr_weight_name_huggingface(weight->name, 0, &theirs);
  if (xr_weight_is_skipped(weight->name) && !scale) return XR_OK;
  if (!tower && !scale && out->naming != XR_NAMING_XREID) {
    out->left_out++;
    return XR_OK;
  }
  if (out->naming == XR_NAMING_HUGGINGFACE && tower && theirs.transform == XR_WEIGHT_JOINED) return add_parts(out, weight);
  if (out->naming == XR_NAMING_HUGGINGFACE && tower && theirs.transform == XR_WEIGHT_TRANSPOSED)
    return add_turned(out, theirs.name, weight);
  const void *values = values_of(out, weight);
  return values ? add(out, out->naming == XR_NAMING_HUGGINGFACE && tower ? theirs.name : weight->name, weight, 0, values) : XR_NO_MEMORY;
}

/* Python's library writes wide element types first, then by name. */
static int in_python_order(const void *a, const void *b) {
  static const int place[XR_DTYPES] = {[XR_I64] = 0, [XR_F64] = 1, [XR_F32] = 2, [XR_I32] = 3, [XR_BF16] = 4, [XR_F16] = 5, [XR_U8] = 6};
  const xr_stored_tensor *x = a, *y = b;
  return x->dtype != y->dtype ? place[x->dtype] - place[y->dtype] : strcmp(x->name, y->name);
}

/* PyTorch's strict loading wants one. Our methods have temperatures of their own, so this is the release's. */
static xr_status add_logit_scale(output *out, const xr_weights *w) {
  static const float released = 4.6051702f; /* ln 100 */
  const xr_weight scale = {.dtype = XR_F32};
  if (out->naming == XR_NAMING_XREID || xr_weights_find(w, "logit_scale")) return XR_OK;
  return add(out, "logit_scale", &scale, 0, &released);
}

static xr_status convert(const xr_weights *w, const char *path, output *out, const char *activation) {
  if (activation && xr_weights_metadata(w, "config"))
    return xr_fail(XR_BAD_INPUT, "%s: holds its configuration, which states the activation", xr_weights_path(w));
  const size_t most = (size_t)xr_weights_count(w) * XR_WEIGHT_PARTS + 2;
  out->list = XR_NEW_ARRAY(out->arena, xr_stored_tensor, most);
  if (!out->list) return XR_NO_MEMORY;
  for (int i = 0; i < xr_weights_count(w); i++) {
    xr_status status = add_weight(out, xr_weights_at(w, i));
    if (status != XR_OK) return xr_fail_in(status, "%s", xr_weights_path(w));
  }
  if (!out->count) return xr_fail(XR_BAD_INPUT, "%s: holds no tensor of a CLIP model", xr_weights_path(w));
  XR_TRY(add_logit_scale(out, w));
  qsort(out->list, out->count, sizeof *out->list, in_python_order);
  static const char *const keys[] = {"activation", "image_statistics", "position_grid", "config"};
  xr_metadata metadata[1 + sizeof keys / sizeof *keys] = {{"format", out->naming == XR_NAMING_XREID ? "xreid-weights-1" : "pt"}};
  size_t count = 1;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    const char *value = i == 0 && activation ? activation : xr_weights_metadata(w, keys[i]);
    if (value) metadata[count++] = (xr_metadata){keys[i], value};
  }
  return xr_safetensors_write(path, out->list, out->count, metadata, count);
}

xr_status xr_weights_convert(const xr_weights *w, const char *path, xr_naming naming, const char *activation, int *left_out) {
  output out = {.arena = xr_arena_new(), .naming = naming};
  if (!out.arena) return XR_NO_MEMORY;
  xr_status status = convert(w, path, &out, activation);
  *left_out = out.left_out;
  xr_arena_free(out.arena);
  return status;
}

#include <stdlib.h>

#include "host/api/handles.h"
#include "host/base/file.h"
#include "host/base/memory.h"
#include "host/train/weights_file.h"

/* ---- opening */
static xr_status open_model(xreid_model *m, const char *weights, const xreid_model_options *o) {
  char path[XR_PATH_MAX], vocabulary[XR_PATH_MAX + 32];
  const char **overrides = calloc(o->override_count + 1, sizeof *overrides);
  size_t count = 0;
  if (!overrides) return xr_fail(XR_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < o->override_count; i++) overrides[count++] = o->overrides[i];
  snprintf(vocabulary, sizeof vocabulary, "data.vocabulary=%s", o->vocabulary ? o->vocabulary : "");
  if (o->vocabulary) overrides[count++] = vocabulary;
  xr_status status = xr_device_open(&m->device, o->device ? o->device : "auto");
  if (status == XR_OK) status = xr_find_weights(weights, path);
  if (status == XR_OK)
    status = xr_embedder_open(
        &m->embedder,
        &(xr_embedder_options){.weights = path, .config = o->config, .overrides = overrides, .override_count = count, .device = m->device});
  free(overrides);
  return status;
}

static xr_status check_options(const char *weights, const xreid_model_options *o) {
  if (!weights) return xr_fail(XR_BAD_ARGUMENT, "xreid_model_open: no weights are named");
  if (o->override_count && !o->overrides) return xr_fail(XR_BAD_ARGUMENT, "xreid_model_open: the overrides are NULL");
  return XR_OK;
}

xreid_status xreid_model_open(xreid_model **model, const char *weights, const xreid_model_options *options) {
  xreid_model_options o = {0};
  if (!model) return xreid_status_of(xr_fail(XR_BAD_ARGUMENT, "xreid_model_open: NULL where the model goes"));
  *model = NULL;
  xr_status status = options ? xreid_take(&o, sizeof o, options, "xreid_model_open") : XR_OK;
  if (status == XR_OK) status = check_options(weights, &o);
  xreid_model *m = status == XR_OK ? calloc(1, sizeof *m) : NULL;
  if (status == XR_OK) status = m ? open_model(m, weights, &o) : xr_fail(XR_NO_MEMORY, "out of memory");
  if (status == XR_OK)
    *model = m;
  else
    free(m);
  return xreid_status_of(status);
}

void xreid_model_close(xreid_model *m) {
  if (!m) return;
  xr_embedder_free(m->embedder);
  free(m);
}

int64_t xreid_model_width(const xreid_model *m) { return xr_embedder_width(m->embedder); }
int64_t xreid_model_set_size(const xreid_model *m) { return xr_embedder_set_size(m->embedder); }
int64_t xreid_model_height(const xreid_model *m) { return xr_embedder_config(m->embedder)->image.height; }
int64_t xreid_model_image_width(const xreid_model *m) { return xr_embedder_config(m->embedder)->image.width; }

/* ---- features */
/* The arrays of a call, before anything is computed. */
static xr_status check_call(const char *function, const xreid_model *m, const void *from, int64_t count, const float *features,
                            const float *sets) {
  if (!m || count < 0 || (count && (!from || !features))) return xr_fail(XR_BAD_ARGUMENT, "%s: something is NULL, or negative", function);
  if (sets && !xreid_model_set_size(m)) return xr_fail(XR_BAD_ARGUMENT, "%s: the model has no sets", function);
  return XR_OK;
}

static xr_status check_texts(const char *function, const char *const *texts, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (!texts[i]) return xr_fail(XR_BAD_ARGUMENT, "%s: text %lld is NULL", function, (long long)i);
  return XR_OK;
}

static xr_status embed_images(xreid_model *m, const char *const *paths, int64_t count, float *features, float *sets, uint8_t *readable) {
  XR_TRY(check_call("xreid_embed_images", m, paths, count, features, sets));
  XR_TRY(check_texts("xreid_embed_images", paths, count));
  xr_image_record *pictures = calloc((size_t)count + 1, sizeof *pictures);
  bool *good = readable ? calloc((size_t)count + 1, sizeof *good) : NULL;
  xr_status status = pictures && (good || !readable) ? XR_OK : xr_fail(XR_NO_MEMORY, "out of memory");
  for (int64_t i = 0; status == XR_OK && i < count; i++) pictures[i] = (xr_image_record){.path = paths[i], .pid = -1, .camera = -1};
  if (status == XR_OK) status = xr_embed_pictures(m->embedder, pictures, count, features, sets, good);
  for (int64_t i = 0; status == XR_OK && readable && i < count; i++) readable[i] = good[i];
  free(pictures);
  free(good);
  return status;
}

xreid_status xreid_embed_images(xreid_model *m, const char *const *paths, int64_t count, float *features, float *sets, uint8_t *readable) {
  return xreid_status_of(embed_images(m, paths, count, features, sets, readable));
}

xreid_status xreid_embed_pixels(xreid_model *m, const uint8_t *pixels, int64_t count, float *features, float *sets) {
  xr_status status = check_call("xreid_embed_pixels", m, pixels, count, features, sets);
  if (status == XR_OK) status = xr_embed_pixels(m->embedder, pixels, count, features, sets);
  return xreid_status_of(status);
}

xreid_status xreid_embed_texts(xreid_model *m, const char *const *texts, int64_t count, float *features, float *sets) {
  xr_status status = check_call("xreid_embed_texts", m, texts, count, features, sets);
  if (status == XR_OK) status = check_texts("xreid_embed_texts", texts, count);
  if (status == XR_OK) status = xr_embed_sentences(m->embedder, texts, count, features, sets);
  return xreid_status_of(status);
}

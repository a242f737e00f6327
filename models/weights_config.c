#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/log.h"
#include "models/weights.h"

enum { HEAD_WIDTH = 64 }; /* of every CLIP model; no tensor tells it */

typedef struct {
  int64_t patch, positions, width, hidden, embed, vocabulary, context, text_width;
} sizes;

static xr_status read_sizes(const xr_weights *w, sizes *s) {
  const struct {
    const char *name;
    int rank, axis;
    int64_t *to;
  } dims[] = {{"visual.conv1.weight", 4, 3, &s->patch},
              {"visual.positional_embedding", 2, 0, &s->positions},
              {"visual.positional_embedding", 2, 1, &s->width},
              {"visual.transformer.resblocks.0.mlp.c_fc.weight", 2, 0, &s->hidden},
              {"visual.proj", 2, 1, &s->embed},
              {"token_embedding.weight", 2, 0, &s->vocabulary},
              {"positional_embedding", 2, 0, &s->context},
              {"positional_embedding", 2, 1, &s->text_width}};
  *s = (sizes){0};
  for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
    const xr_weight *weight = xr_weights_find(w, dims[i].name);
    if (!weight)
      return xr_fail(XR_BAD_INPUT, "%s: holds no %s, so it is no CLIP model with a vision transformer and a text tower", xr_weights_path(w),
                     dims[i].name);
    if (weight->rank != dims[i].rank)
      return xr_fail(XR_BAD_INPUT, "%s: %s has %d dimensions instead of %d", xr_weights_path(w), dims[i].name, weight->rank, dims[i].rank);
    *dims[i].to = weight->dim[dims[i].axis];
  }
  return XR_OK;
}

static int64_t count_layers(const xr_weights *w, const char *prefix) {
  for (int64_t layers = 0;; layers++) {
    char name[XR_WEIGHT_NAME];
    snprintf(name, sizeof name, "%stransformer.resblocks.%" PRId64 ".ln_1.weight", prefix, layers);
    if (!xr_weights_find(w, name)) return layers;
  }
}

static xr_status check_width(const xr_weights *w, const char *tower, int64_t width) {
  if (width > 0 && width % HEAD_WIDTH == 0) return XR_OK;
  return xr_fail(XR_BAD_INPUT,
                 "%s: the %s tower is %" PRId64
                 " wide, no multiple of %d, so its number of heads is not known: a configuration must tell it",
                 xr_weights_path(w), tower, width, HEAD_WIDTH);
}

/* A square, or what the metadata say; else the shapes of person crops: three times, twice as high as wide. */
static xr_status find_grid(const xr_weights *w, int64_t rows, xr_grid *grid) {
  static const int64_t ratios[] = {3, 2};
  *grid = xr_weights_grid(w, rows);
  if (grid->height) return XR_OK;
  for (size_t i = 0; rows > 1 && i < sizeof ratios / sizeof *ratios; i++) {
    const int64_t side = (int64_t)lround(sqrt((double)(rows - 1) / (double)ratios[i]));
    if (side < 1 || ratios[i] * side * side != rows - 1) continue;
    *grid = (xr_grid){ratios[i] * side, side};
    xr_info("%s: %" PRId64 " positions are taken as %" PRId64 " x %" PRId64 " patches", xr_weights_path(w), rows - 1, grid->height,
            grid->width);
    return XR_OK;
  }
  return xr_fail(XR_BAD_INPUT, "%s: the image size cannot be told from %" PRId64 " positions: a configuration must tell it",
                 xr_weights_path(w), rows - 1);
}

enum { KEYS = 17, KEY_CHARS = 120 };

typedef struct {
  char text[KEYS][KEY_CHARS];
  size_t count;
} key_list;

static void add_number(key_list *keys, const char *key, int64_t value) {
  snprintf(keys->text[keys->count++], KEY_CHARS, "%s=%" PRId64, key, value);
}

static void add_triple(key_list *keys, const char *key, const double v[3]) {
  snprintf(keys->text[keys->count++], KEY_CHARS, "%s=[%.17g, %.17g, %.17g]", key, v[0], v[1], v[2]);
}

static void list_sizes(const xr_weights *w, const sizes *s, xr_grid grid, key_list *keys) {
  snprintf(keys->text[keys->count++], KEY_CHARS, "model.preset=custom");
  add_number(keys, "image.height", grid.height * s->patch);
  add_number(keys, "image.width", grid.width * s->patch);
  add_number(keys, "image.patch", s->patch);
  add_number(keys, "image.stride", s->patch);
  add_number(keys, "vision.width", s->width);
  add_number(keys, "vision.layers", count_layers(w, "visual."));
  add_number(keys, "vision.heads", s->width / HEAD_WIDTH);
  add_number(keys, "vision.mlp_ratio", s->hidden / s->width);
  add_number(keys, "text.context", s->context);
  add_number(keys, "text.width", s->text_width);
  add_number(keys, "text.layers", count_layers(w, ""));
  add_number(keys, "text.heads", s->text_width / HEAD_WIDTH);
  add_number(keys, "model.embed", s->embed);
}

static void list_about(const xr_weights *w, key_list *keys) {
  double mean[3], std[3];
  const char *activation = xr_weights_metadata(w, "activation");
  if (activation) snprintf(keys->text[keys->count++], KEY_CHARS, "model.activation=%.40s", activation);
  if (!xr_weights_statistics(w, mean, std)) return;
  add_triple(keys, "image.mean", mean);
  add_triple(keys, "image.std", std);
}

static xr_status infer(const xr_weights *w, const char *const *overrides, size_t count, xr_config **config) {
  sizes s;
  xr_grid grid;
  XR_TRY(read_sizes(w, &s));
  XR_TRY(check_width(w, "image", s.width));
  XR_TRY(check_width(w, "text", s.text_width));
  XR_TRY(find_grid(w, s.positions, &grid));
  key_list keys = {.count = 0};
  list_sizes(w, &s, grid, &keys);
  list_about(w, &keys);
  const char **all = calloc(keys.count + count, sizeof *all);
  if (!all) return xr_fail(XR_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < keys.count; i++) all[i] = keys.text[i];
  for (size_t i = 0; i < count; i++) all[keys.count + i] = overrides[i];
  xr_status status = xr_config_load(config, NULL, all, keys.count + count);
  free(all);
  return status == XR_OK ? XR_OK : xr_fail_in(status, "%s: its sizes and the given keys", xr_weights_path(w));
}

xr_status xr_weights_config(const xr_weights *w, const char *const *overrides, size_t count, xr_config **config) {
  const char *yaml = xr_weights_metadata(w, "config");
  return yaml ? xr_config_parse(config, yaml, xr_weights_path(w), overrides, count) : infer(w, overrides, count, config);
}

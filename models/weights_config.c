#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "models/weights.h"

enum { HEAD_WIDTH = 64 }; /* of every CLIP model; no tensor tells it */

typedef struct {
  int64_t width, layers, context;
} tower_size;

static xr_status dim_of(const xr_weights *w, const char *name, int rank, int axis, int64_t *dim) {
  const xr_weight *weight = xr_weights_find(w, name);
  if (!weight) return xr_fail(XR_BAD_INPUT, "%s: holds no %s: is it a CLIP model?", xr_weights_path(w), name);
  if (weight->rank != rank) return xr_fail(XR_BAD_INPUT, "%s: %s has %d dimensions instead of %d", xr_weights_path(w), name, weight->rank, rank);
  *dim = weight->dim[axis];
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
                 "%s: the %s tower is %" PRId64 " wide, no multiple of %d, so its number of heads is not known: a configuration must tell it",
                 xr_weights_path(w), tower, width, HEAD_WIDTH);
}

/* A square, or what the metadata say; else the shapes of person crops: three times, twice as high as wide. */
static xr_status find_grid(const xr_weights *w, int64_t rows, xr_grid *grid) {
  static const int64_t ratios[] = {3, 2};
  *grid = xr_weights_grid(w, rows);
  if (grid->height) return XR_OK;
  for (size_t i = 0; i < sizeof ratios / sizeof *ratios; i++) {
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

static void apply_statistics(const xr_weights *w, xr_config *c) {
  double mean[3], std[3];
  if (!xr_weights_statistics(w, mean, std)) return;
  memcpy(c->image.mean, mean, sizeof mean);
  memcpy(c->image.std, std, sizeof std);
}

static xr_status infer(const xr_weights *w, xr_config **config) {
  int64_t patch, rows, width, hidden, embed, vocabulary, context, text_width;
  xr_grid grid;
  XR_TRY(dim_of(w, "visual.conv1.weight", 4, 3, &patch));
  XR_TRY(dim_of(w, "visual.positional_embedding", 2, 0, &rows));
  XR_TRY(dim_of(w, "visual.positional_embedding", 2, 1, &width));
  XR_TRY(dim_of(w, "visual.transformer.resblocks.0.mlp.c_fc.weight", 2, 0, &hidden));
  XR_TRY(dim_of(w, "visual.proj", 2, 1, &embed));
  XR_TRY(dim_of(w, "token_embedding.weight", 2, 0, &vocabulary));
  XR_TRY(dim_of(w, "positional_embedding", 2, 0, &context));
  XR_TRY(dim_of(w, "positional_embedding", 2, 1, &text_width));
  XR_TRY(check_width(w, "image", width));
  XR_TRY(check_width(w, "text", text_width));
  XR_TRY(find_grid(w, rows, &grid));
  const char *activation = xr_weights_metadata(w, "activation");
  enum { KEYS = 15, KEY_CHARS = 80 };
  char text[KEYS][KEY_CHARS];
  const char *overrides[KEYS] = {"model.preset=custom"};
  const struct {
    const char *key;
    int64_t value;
  } sizes[] = {{"image.height", grid.height * patch},
               {"image.width", grid.width * patch},
               {"image.patch", patch},
               {"image.stride", patch},
               {"vision.width", width},
               {"vision.layers", count_layers(w, "visual.")},
               {"vision.heads", width / HEAD_WIDTH},
               {"vision.mlp_ratio", hidden / width},
               {"text.context", context},
               {"text.width", text_width},
               {"text.layers", count_layers(w, "")},
               {"text.heads", text_width / HEAD_WIDTH},
               {"text.vocabulary_size", vocabulary},
               {"model.embed", embed}};
  size_t count = 1;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++, count++) {
    snprintf(text[i], KEY_CHARS, "%s=%" PRId64, sizes[i].key, sizes[i].value);
    overrides[count] = text[i];
  }
  xr_status status = xr_config_load(config, NULL, overrides, count);
  if (status != XR_OK) return xr_fail_in(status, "%s: its sizes", xr_weights_path(w));
  if (activation && strcmp(activation, "gelu") == 0) (*config)->model.activation = XR_CONFIG_GELU;
  apply_statistics(w, *config);
  return XR_OK;
}

xr_status xr_weights_config(const xr_weights *w, xr_config **config) {
  const char *yaml = xr_weights_metadata(w, "config");
  return yaml ? xr_config_parse(config, yaml, xr_weights_path(w)) : infer(w, config);
}

/* A val split for text-to-image sets that come without one. */
#include <math.h>
#include <stdlib.h>

#include "host/base/log.h"
#include "host/data/dataset_build.h"

size_t xr_held_out(size_t identities, double share) {
  if (!(share > 0)) return 0;
  const size_t count = (size_t)lround((double)identities * share);
  return count ? count : 1;
}

static int compare_ids(const void *a, const void *b) {
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

/* held[i]: whether the identity of training image i is held out. */
static xr_status choose(const xr_dataset_builder *builder, bool *held) {
  const xr_split_builder *train = &builder->splits[XR_SPLIT_TRAIN];
  const double share = builder->options->val_holdout;
  int32_t *ids;
  size_t n;
  XR_TRY(xr_distinct_ids(train->images, train->image_count, &ids, &n));
  const size_t h = xr_held_out(n, share);
  xr_status status = XR_OK;
  if (h >= n)
    status = xr_fail(XR_BAD_INPUT, "%s: a val_holdout of %g leaves none of the %zu training identities", builder->source, share, n);
  size_t count = 0; /* the ids that are held out, at the front of the list */
  for (size_t i = 0; i < h && status == XR_OK; i++) ids[count++] = ids[(2 * i + 1) * n / (2 * h)];
  for (size_t i = 0; i < train->image_count; i++) held[i] = bsearch(&train->images[i].pid, ids, count, sizeof *ids, compare_ids) != NULL;
  if (status == XR_OK && builder->options->splits && xr_build_wants(builder, XR_SPLIT_VAL))
    xr_info("%s has no val split: %zu of the %zu training identities are held out as one", builder->dataset->name, h, n);
  free(ids);
  return status;
}

/* Splits the lists of `train` in two, each in the order it had. new_place[i]: where image i went in its list. */
static xr_status move_images(xr_dataset_builder *builder, const bool *held, int32_t *new_place) {
  xr_split_builder *train = &builder->splits[XR_SPLIT_TRAIN], *val = &builder->splits[XR_SPLIT_VAL];
  size_t kept = 0;
  for (size_t i = 0; i < train->image_count; i++) {
    xr_image_record image = train->images[i];
    if (held[i]) XR_TRY(xr_grow((void **)&val->images, &val->image_capacity, val->image_count, sizeof *val->images));
    new_place[i] = image.image_id = (int32_t)(held[i] ? val->image_count : kept);
    if (held[i])
      val->images[val->image_count++] = image;
    else
      train->images[kept++] = image;
  }
  train->image_count = kept;
  return XR_OK;
}

static xr_status move_captions(xr_dataset_builder *builder, const bool *held, const int32_t *new_place) {
  xr_split_builder *train = &builder->splits[XR_SPLIT_TRAIN], *val = &builder->splits[XR_SPLIT_VAL];
  size_t kept = 0;
  for (size_t i = 0; i < train->caption_count; i++) {
    xr_caption_record caption = train->captions[i];
    const int32_t before = caption.image;
    if (held[before]) XR_TRY(xr_grow((void **)&val->captions, &val->caption_capacity, val->caption_count, sizeof *val->captions));
    caption.image = caption.image_id = new_place[before];
    if (held[before])
      val->captions[val->caption_count++] = caption;
    else
      train->captions[kept++] = caption;
  }
  train->caption_count = kept;
  return XR_OK;
}

xr_status xr_build_hold_out(xr_dataset_builder *builder) {
  const xr_split_builder *train = &builder->splits[XR_SPLIT_TRAIN];
  if (!builder->no_val || !(builder->options->val_holdout > 0) || !train->image_count || builder->splits[XR_SPLIT_VAL].image_count)
    return XR_OK;
  bool *held = malloc(train->image_count * sizeof *held);
  int32_t *new_place = malloc(train->image_count * sizeof *new_place);
  xr_status status = held && new_place ? choose(builder, held) : xr_fail(XR_NO_MEMORY, "out of memory");
  if (status == XR_OK) status = move_images(builder, held, new_place);
  if (status == XR_OK) status = move_captions(builder, held, new_place);
  free(held);
  free(new_place);
  return status;
}

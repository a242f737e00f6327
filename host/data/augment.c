#include "host/data/augment.h"

#include <math.h>

#include "host/base/random.h"

enum { ERASE_TRIES = 10, BLOCKS_A_SAMPLE = 16 /* of random words: 1 + ERASE_TRIES are used */ };

const float xr_clip_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
const float xr_clip_std[3] = {0.26862954f, 0.26130258f, 0.27577711f};

const xr_augment_options xr_augment_irra = {
    .flip = 0.5f, .erase = 0.5f, .pad = 10, .min_area = 0.02f, .max_area = 0.4f, .min_aspect = 0.3f, .max_aspect = 3.3f};

xr_status xr_augment_check(const xr_augment_options *o) {
  if (!(o->flip >= 0 && o->flip <= 1)) return xr_fail(XR_BAD_INPUT, "augmentation: flip is a probability, not %g", (double)o->flip);
  if (!(o->erase >= 0 && o->erase <= 1)) return xr_fail(XR_BAD_INPUT, "augmentation: erase is a probability, not %g", (double)o->erase);
  if (o->pad < 0 || o->pad > 4096) return xr_fail(XR_BAD_INPUT, "augmentation: pad by 0 to 4096 pixels, not %d", o->pad);
  if (o->erase > 0 && !(o->min_area >= 0 && o->min_area <= o->max_area && o->max_area <= 1))
    return xr_fail(XR_BAD_INPUT, "augmentation: the erased area must be a range within 0 .. 1, not %g .. %g", (double)o->min_area,
                   (double)o->max_area);
  if (o->erase > 0 && !(o->min_aspect > 0 && o->min_aspect <= o->max_aspect && isfinite(o->max_aspect)))
    return xr_fail(XR_BAD_INPUT, "augmentation: the aspect of the erased area must be a range above 0, not %g .. %g", (double)o->min_aspect,
                   (double)o->max_aspect);
  return XR_OK;
}

static double between(uint32_t word, double low, double high) { return low + (high - low) * ((double)word * 0x1p-32); }

/* One try of RandomErasing from four random words; false: the rectangle does not fit. */
static bool try_erase(const xr_augment_options *o, int32_t height, int32_t width, xr_philox random, xr_augment_decision *d) {
  const double area = (double)height * width * between(random.word[0], (double)o->min_area, (double)o->max_area);
  const double aspect = exp(between(random.word[1], log((double)o->min_aspect), log((double)o->max_aspect)));
  const double h = rint(sqrt(area * aspect)), w = rint(sqrt(area / aspect));
  if (!(h < height && w < width)) return false;
  d->erase_height = (int32_t)h;
  d->erase_width = (int32_t)w;
  d->erase_y = (int32_t)xr_below(random.word[2], (uint32_t)(height - d->erase_height + 1));
  d->erase_x = (int32_t)xr_below(random.word[3], (uint32_t)(width - d->erase_width + 1));
  return true;
}

xr_augment_decision xr_augment_decide(const xr_augment_options *options, int32_t height, int32_t width, uint64_t seed, uint64_t epoch,
                                      uint64_t position) {
  const uint64_t key = xr_random_key(seed, "augment"), first = position * BLOCKS_A_SAMPLE;
  const xr_philox random = xr_philox_at(key, epoch, first);
  const uint32_t places = 2 * (uint32_t)options->pad + 1;
  xr_augment_decision d = {
      .flip = xr_uniform(random.word[0]) < options->flip,
      .crop_x = (int32_t)xr_below(random.word[1], places) - options->pad,
      .crop_y = (int32_t)xr_below(random.word[2], places) - options->pad,
  };
  if (xr_uniform(random.word[3]) < options->erase)
    for (uint64_t i = 1; i <= ERASE_TRIES; i++)
      if (try_erase(options, height, width, xr_philox_at(key, epoch, first + i), &d)) break;
  return d;
}

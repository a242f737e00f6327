/* The random decisions of training augmentation: what kernels/image/augment.h then carries out.
 *
 * A decision is a pure function of (seed, epoch, position of the sample in the epoch): neither threads nor resuming change it, and
 * switching one augmentation off leaves the others' decisions as they were.
 *
 * flip   mirrored left-right with this probability
 * pad    crop of the image's own size at a place drawn uniformly from the image with a black border of `pad` pixels; 0: no crop
 * erase  with this probability, up to 10 tries: area drawn uniformly from [min_area, max_area] of the image, aspect (height / width)
 *        log-uniformly from [min_aspect, max_aspect], sides rounded half to even; the first rectangle with h < H and w < W is erased,
 *        its place uniform in 0 .. H-h, 0 .. W-w (torchvision's RandomErasing) */
#pragma once

#include <stdint.h>

#include "host/base/status.h"
#include "kernels/image/augment.h"

typedef struct {
  float flip, erase; /* probabilities; 0: off */
  int32_t pad;       /* pixels */
  float min_area, max_area, min_aspect, max_aspect;
} xr_augment_options;

/* IRRA's: flip .5, pad 10, erase .5 with area .02 .. .4 and aspect .3 .. 3.3. */
extern const xr_augment_options xr_augment_irra;

/* Probabilities outside 0 .. 1, a negative pad, empty or impossible ranges. */
xr_status xr_augment_check(const xr_augment_options *options);

xr_augment_decision xr_augment_decide(const xr_augment_options *options, int32_t height, int32_t width, uint64_t seed, uint64_t epoch,
                                      uint64_t position);

/* CLIP's channel statistics; IRRA also erases with the triple of means, although the image is normalised by then. */
extern const float xr_clip_mean[3], xr_clip_std[3];

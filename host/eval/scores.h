/* Where an evaluation's scores come from: strips of rows made from features or copied from a matrix. Higher is better. */
#pragma once

#include "host/eval/evaluate.h"

/* Products are always computed for this many queries at once, the last ones padded with zeros: the shape of the product, and with it
 * the order of its sums, does not depend on how many rows a strip has. */
enum { XR_SCORE_BLOCK = 256 };

typedef struct {
  const xr_evaluation_input *in;
  const float *gallery;      /* [G, D]: the input's features or, for cosine, `normalized` */
  float *normalized;         /* [G, D] */
  float *minus_half_squares; /* [G], -|g|^2 / 2; euclidean only */
  float *queries;            /* [XR_SCORE_BLOCK, D] */
} xr_score_source;

xr_status xr_score_source_open(xr_score_source *source, const xr_evaluation_input *in);
void xr_score_source_close(xr_score_source *source);

/* Scores of queries first .. first+count-1 into strip [count rounded up to XR_SCORE_BLOCK, G]; rows from `count` on are not defined. */
xr_status xr_score_strip(const xr_score_source *source, int64_t first, int64_t count, float *strip);

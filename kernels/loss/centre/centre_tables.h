/* What lies in the workspace of xr_centre_alignment, and the formulas that both backends share.
 *
 * Everything the losses need of the centres are their pairs (a, b), a < b: the distance or cosine of equal identities, and, for sdm and
 * L_sep, the matrix of cosines. An anchor is a row of that matrix (centre p of set a against all of set b) or a column (the converse).
 * The matrix is replaced by the loss's derivative by it. */
#pragma once

#include <math.h>

#include "kernels/loss/centre/centre_alignment.h"
#include "kernels/loss/centre/segments.h"
#include "kernels/loss/sdm.h" /* XR_SDM_EPSILON */

typedef struct {
  float largest, log_sum, kl; /* sdm: log p = (cos - largest) / tau - log_sum */
  float separation;           /* the hinge of L_sep */
  int32_t hardest;            /* q*, or -1 where the hinge is not active */
} xr_centre_anchor;

typedef struct {
  float *centre;            /* [A, B, D]: mu, rows 0 .. P-1 of each set */
  float *inverse;           /* [A, B]: 1 / sqrt(|mu|^2 + eps) */
  float *term, *weight;     /* [pairs, B]: the loss of (pair, p), and its derivative by the distance's half square or by the cosine */
  float *matrix;            /* [pairs, B, B] */
  xr_centre_anchor *anchor; /* [2 pairs, B]: of each pair rows, then columns */
  xr_segments segments;
} xr_centre_tables;

XR_CENTRE_INLINE int xr_centre_pairs(const xr_centre_alignment *a) { return a->sets * (a->sets - 1) / 2; }
XR_CENTRE_INLINE int xr_centre_pair(int a, int b) { return a + b - 1; } /* of two different sets, either order */

/* The sets of a pair, the lower first. */
XR_CENTRE_INLINE int xr_pair_first(int pair) { return pair == 2; }
XR_CENTRE_INLINE int xr_pair_second(int pair) { return pair == 0 ? 1 : 2; }

XR_CENTRE_INLINE float xr_separation_weight(const xr_centre_options *o) { return o->kind == XR_CENTRE_TRIPLET ? 1 : o->separation_weight; }
XR_CENTRE_INLINE bool xr_centre_has_matrix(const xr_centre_options *o) { return o->kind == XR_CENTRE_SDM || xr_separation_weight(o) > 0; }
XR_CENTRE_INLINE bool xr_centre_is_constant(const xr_centre_alignment *a, int set) { return set == 2 && a->options.stop_gradient_combined; }

XR_CENTRE_INLINE int64_t xr_centre_floats(const xr_centre_alignment *a) {
  const int64_t pairs = xr_centre_pairs(a), matrix = xr_centre_has_matrix(&a->options) ? pairs * a->batch * a->batch : 0;
  return a->sets * a->batch * (a->width + 1) + 2 * pairs * a->batch + matrix;
}

XR_CENTRE_INLINE xr_centre_tables xr_centre_tables_of(const xr_centre_alignment *a) {
  const int64_t b = a->batch, pairs = xr_centre_pairs(a);
  xr_centre_tables t;
  t.centre = (float *)a->workspace;
  t.inverse = t.centre + a->sets * b * a->width;
  t.term = t.inverse + a->sets * b;
  t.weight = t.term + pairs * b;
  t.matrix = t.weight + pairs * b;
  t.anchor = (xr_centre_anchor *)(t.centre + xr_centre_floats(a));
  t.segments = xr_segments_at((int32_t *)(t.anchor + 2 * pairs * b), b, a->segment);
  return t;
}

/* The loss of one pair of equal identities before the mean over P; *weight is what its derivative by mu^a is (mu^a - mu^b) times, or
 * (cosine) its derivative by the cosine. `value` is the squared distance or the cosine. */
XR_CENTRE_INLINE float xr_pair_loss(const xr_centre_options *o, float value, float *weight) {
  switch (o->kind) {
  case XR_CENTRE_L2:
    *weight = 2;
    return value;
  case XR_CENTRE_HETERO_HINGE:
    *weight = value <= o->margin ? 0 : 2;
    return value <= o->margin ? 0 : value - o->margin; /* a NaN stays one */
  case XR_CENTRE_COSINE:
    *weight = -1;
    return 1 - value;
  default:
    *weight = 0;
    return 0;
  }
}

/* The hinge of L_sep; q* is kept where it is active. */
XR_CENTRE_INLINE void xr_separate(const xr_centre_options *o, float own, float other, int32_t hardest, xr_centre_anchor *r) {
  const float hinge = o->separation_margin + other - own;
  const bool active = hardest >= 0 && !(hinge <= 0);
  r->separation = active ? hinge : 0;
  r->hardest = active ? hardest : -1;
}

XR_CENTRE_INLINE float xr_centre_log_target(bool same) { return same ? 1e-8f : -18.420680743952367f; } /* log(q + eps) */

/* The derivative of one direction of sdm by a cosine, before 1 / (P tau). */
XR_CENTRE_INLINE float xr_centre_sdm(const xr_centre_anchor *r, float cosine, bool same, float inverse_tau) {
  const float log_p = (cosine - r->largest) * inverse_tau - r->log_sum;
  return expf(log_p) * (log_p - xr_centre_log_target(same) - r->kl);
}

/* The derivative of the loss by cosine (p, q) of a pair; row is the anchor p of its first set, column the anchor q of its second. */
XR_CENTRE_INLINE float xr_centre_coefficient(const xr_centre_alignment *a, const xr_centre_anchor *row, const xr_centre_anchor *column,
                                             int32_t p, int32_t q, float cosine, int32_t count) {
  const xr_centre_options *o = &a->options;
  float sum = 0;
  if (o->kind == XR_CENTRE_SDM) {
    const float inverse_tau = 1 / o->tau;
    sum = inverse_tau / (float)count *
          (xr_centre_sdm(row, cosine, p == q, inverse_tau) + xr_centre_sdm(column, cosine, p == q, inverse_tau));
  }
  const float weight = xr_separation_weight(o) / (float)(a->sets * (a->sets - 1)) / (float)count;
  int hinges = (row->hardest == q) + (column->hardest == p);
  if (p == q) hinges -= (row->hardest >= 0) + (column->hardest >= 0);
  return sum + weight * (float)hinges;
}

/* The whole loss from the sums over pairs (or anchors) and identities of term, kl and separation. */
XR_CENTRE_INLINE float xr_centre_total(const xr_centre_alignment *a, double terms, double kl, double separation, int32_t count) {
  const double weight = (double)xr_separation_weight(&a->options) / (a->sets * (a->sets - 1));
  return (float)((terms + kl + weight * separation) / count);
}

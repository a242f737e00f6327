/* What both backends share of xr_weighted_regularized_triplet: the layout of the workspace, and an anchor's loss and derivatives. */
#pragma once

#include "kernels/loss/row_pairs.h"
#include "kernels/loss/triplet/weighted_regularized_triplet.h"

#define XR_WRT_EPSILON 1e-6f /* of compat agw, in a denominator */

/* Of one anchor's positives, or its negatives. */
typedef struct {
  float largest; /* of d, or of -d */
  int32_t at;    /* the first where it is */
  float sum;     /* of e^(v - largest) (agw: and epsilon) */
  float mean;    /* fp, fn */
} xr_wrt_side;

typedef struct {
  xr_wrt_side side[2]; /* positives, negatives */
  float loss, slope;   /* L_i and its derivative by fp; both before the mean */
  float counts;        /* 1 where it is in the mean */
} xr_wrt_anchor;

/* Workspace: anchors [B], then squared distances [B, B], which become the factors of the pairs. */
XR_MATH_INLINE xr_wrt_anchor *xr_wrt_anchors(const xr_weighted_regularized_triplet *a) { return (xr_wrt_anchor *)a->workspace; }
XR_MATH_INLINE float *xr_wrt_pairs(const xr_weighted_regularized_triplet *a) { return (float *)(xr_wrt_anchors(a) + a->batch); }

/* 0: j is a positive of i, 1: a negative, -1: neither. */
XR_MATH_INLINE int xr_wrt_side_of(const xr_weighted_regularized_triplet *a, int64_t i, int64_t j) {
  if (i == j) return a->options.agw ? 0 : -1;
  return a->identity[i] != a->identity[j];
}

/* The number whose softmax is taken. */
XR_MATH_INLINE float xr_wrt_value(int side, float d) { return side ? -d : d; }

XR_MATH_INLINE float xr_wrt_sigmoid(float x) { return 1 / (1 + expf(-x)); }
XR_MATH_INLINE float xr_wrt_softplus(float x) { return (x > 0 ? x : 0) + log1pf(expf(-fabsf(x))); }

/* Completes an anchor from its two sides; count: how many are in each. */
XR_MATH_INLINE void xr_wrt_judge(const xr_wrt_options *o, const int count[2], xr_wrt_anchor *r) {
  r->loss = r->slope = 0;
  r->counts = count[0] > 0;
  if (count[0] == 0 || (count[1] == 0 && !o->agw)) return;
  const float x = r->side[0].mean - r->side[1].mean;
  if (!o->square) {
    r->loss = xr_wrt_softplus(x);
    r->slope = xr_wrt_sigmoid(x);
    return;
  }
  const float q = o->gamma * x * x, s = x > 0 ? 1 : -1;
  const bool clamped = q > o->clamp;
  r->loss = xr_wrt_softplus(s * (clamped ? o->clamp : q));
  r->slope = clamped ? 0 : 2 * o->gamma * x * s * xr_wrt_sigmoid(s * q);
}

/* The derivative of anchor i's loss by d_ij. */
XR_MATH_INLINE float xr_wrt_derivative(const xr_wrt_options *o, const xr_wrt_anchor *r, int side, int64_t j, float d) {
  const xr_wrt_side *s = &r->side[side];
  const float w = expf(xr_wrt_value(side, d) - s->largest) / s->sum;
  if (side) return -r->slope * w * (1 - d + s->mean);
  const float through_largest = o->agw && s->at == j ? s->mean * XR_WRT_EPSILON / s->sum : 0;
  return r->slope * (w * (1 + d - s->mean) - through_largest);
}

/* The factor of the pair i, j from its squared distance; `anchors` is how many are in the mean. */
XR_MATH_INLINE float xr_wrt_factor(const xr_weighted_regularized_triplet *a, const xr_wrt_anchor *anchor, int64_t i, int64_t j,
                                   float squared, float anchors) {
  if (i == j) return 0;
  const int side = xr_wrt_side_of(a, i, j);
  const float d = xr_distance_of(squared);
  float sum = 0;
  if (anchor[i].slope != 0) sum += xr_wrt_derivative(&a->options, &anchor[i], side, j, d);
  if (anchor[j].slope != 0) sum += xr_wrt_derivative(&a->options, &anchor[j], side, i, d);
  return sum == 0 ? 0 : sum * xr_distance_slope(squared) / anchors;
}

/* What both backends share of xr_semi_positive_triplet: what an anchor's triplet costs once it is mined. */
#pragma once

#include "kernels/loss/triplet/roles.h"
#include "kernels/loss/triplet/semi_positive_triplet.h"

enum { XR_MINED_ALL = -1, XR_MINED_NONE = -2 };

/* Semi-positives and negatives as mined: a value and where it is in the row or column. */
typedef struct {
  int32_t at; /* XR_MINED_ALL: a mean or a soft maximum; XR_MINED_NONE: there is none */
  int32_t count;
  float value;
  float largest, log_sum; /* of a soft maximum: value = largest + tau log_sum */
} xr_mined;

/* Per anchor, in the workspace [2, B]: images, then texts. */
typedef struct {
  float loss;                     /* L_i */
  float positive, semi, negative; /* derivatives of the loss by S at the own pair, each semi-positive and the negative */
  float largest, log_sum;         /* soft: the derivative by negative j is negative * exp((S_ij - largest) / tau - log_sum) */
  int32_t semi_at, negative_at;   /* or XR_MINED_ALL, XR_MINED_NONE */
} xr_triplet_anchor;

XR_TRIPLET_INLINE bool xr_is_semi_hard(float margin, float positive, float s) {
  const float excess = margin - positive + s;
  return excess > 0 && excess < margin;
}

XR_TRIPLET_INLINE bool xr_triplet_adapts(const xr_semi_positive_triplet *a) {
  const int64_t from = a->options.adaptive_from;
  return from == 0 || (from > 0 && a->seed->counter >= (uint64_t)from);
}

/* [x]+ added to the loss with `weight`; whether it is active (a NaN is). */
XR_TRIPLET_INLINE float xr_add_hinge(float *loss, float weight, float x) {
  const bool active = !(x <= 0);
  if (active) *loss += weight * x;
  return active ? weight : 0;
}

XR_TRIPLET_INLINE xr_triplet_anchor xr_judge(const xr_triplet_options *o, bool adapts, int64_t batch, float positive, xr_mined semi,
                                             xr_mined negative) {
  xr_triplet_anchor r = {0, 0, 0, 0, negative.largest, negative.log_sum, semi.at, negative.at};
  if (negative.at == XR_MINED_NONE) return r;
  const float share = 0.5f / (float)batch, first = xr_add_hinge(&r.loss, 1, o->margin - positive + negative.value);
  float second = 0, third = 0;
  if (semi.at != XR_MINED_NONE) {
    const float ratio = positive == 0 ? 1 : fminf(1, fabsf(semi.value) / fabsf(positive));
    const float margin = adapts ? (ratio + 1) * o->margin / 2 : o->margin / 2;
    second = xr_add_hinge(&r.loss, o->beta, margin - semi.value + negative.value);
    if (o->kind != XR_TRIPLET_SSAN_CR) third = xr_add_hinge(&r.loss, o->gamma, o->order_margin - positive + semi.value);
    r.semi = share * (third - second) / (float)(semi.at == XR_MINED_ALL ? semi.count : 1);
  }
  r.positive = -share * (first + third);
  r.negative = share * (first + second);
  return r;
}

/* The derivative of the loss by the cosine s of an anchor and candidate `j`, through this anchor. */
XR_TRIPLET_INLINE float xr_anchor_gradient(const xr_triplet_anchor *r, xr_triplet_role role, int64_t own, int64_t j, float s,
                                           float inverse_tau) {
  if (j == own) return r->positive;
  if (role == XR_ROLE_SEMI) return r->semi_at == j || r->semi_at == XR_MINED_ALL ? r->semi : 0;
  if (role != XR_ROLE_NEGATIVE || r->negative == 0) return 0;
  if (r->negative_at == XR_MINED_ALL) return r->negative * expf((s - r->largest) * inverse_tau - r->log_sum);
  return r->negative_at == j ? r->negative : 0;
}

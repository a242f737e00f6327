/* What both backends share of xr_centre_mining.
 *
 * Every kind is a sum over anchors of functions of their squared distances to other points. Points are the B samples and, after them, two
 * centres for each identity p of the batch: B + 2p is the visible or the joint centre, B + 2p + 1 the infrared one. An anchor is judged
 * once; from that and a distance follows its loss's derivative by the distance, hence the factor of a pair (kernels/loss/row_pairs.h). A
 * sample's gradient is what its own pairs give, and its share of what its centre's pairs give. */
#pragma once

#include "kernels/loss/centre/centre_mining.h"
#include "kernels/loss/centre/segments.h"
#include "kernels/loss/mmd_pair.h"
#include "kernels/loss/row_pairs.h"

typedef struct {
  int32_t identity, side; /* number of the identity; 0 visible, 1 infrared */
  bool centre, counts;
} xr_mining_point;

/* icm: a point that was chosen, or -1, and the derivative by its squared distance, twice. */
typedef struct {
  float loss;
  int32_t opposite, farthest, nearest;
  float to_opposite, to_farthest, to_nearest;
  float scale[2]; /* msel: by the distance to the own modality, the other's; dcl: to own samples, to others that count */
  float limit;    /* dcl: which do */
} xr_mining_anchor;

typedef struct {
  float *centre, *centre_gradient; /* [2B, D] each */
  float *pair;                     /* [3B, 3B]: squared distances, then factors */
  xr_mining_anchor *anchor;        /* [3B] */
  int32_t *segment;                /* [B] */
  int32_t *samples;                /* [B, 2]: an identity's, by modality */
  int32_t *totals;                 /* [2]: P; terms of a mean over samples (N, or those of msel) */
  xr_segments segments;
} xr_mining_tables;

XR_CENTRE_INLINE xr_mining_tables xr_mining_tables_of(const xr_centre_mining *a) {
  const int64_t b = a->batch;
  xr_mining_tables t;
  t.centre = (float *)a->workspace;
  t.centre_gradient = t.centre + 2 * b * a->width;
  t.pair = t.centre_gradient + 2 * b * a->width;
  t.anchor = (xr_mining_anchor *)(t.pair + 9 * b * b);
  t.segment = (int32_t *)(t.anchor + 3 * b);
  t.samples = t.segment + b;
  t.totals = t.samples + 2 * b;
  t.segments = xr_segments_at(t.totals + 2, b, t.segment);
  return t;
}

XR_CENTRE_INLINE size_t xr_mining_bytes(const xr_centre_mining *a) {
  const size_t b = (size_t)a->batch;
  return (4 * b * (size_t)a->width + 9 * b * b) * sizeof(float) + 3 * b * sizeof(xr_mining_anchor) +
         (3 * b + 2 + (size_t)xr_segments_size(a->batch)) * sizeof(int32_t);
}

/* ---- points */
XR_CENTRE_INLINE bool xr_mining_is_joint(xr_mining_kind kind) { return kind == XR_MINING_CENTRE_CLUSTER || kind == XR_MINING_DCL; }
XR_CENTRE_INLINE bool xr_mining_has_centres(xr_mining_kind kind) { return kind != XR_MINING_MSEL && kind != XR_MINING_MMD; }

XR_CENTRE_INLINE int64_t xr_mining_points(const xr_centre_mining *a, const xr_mining_tables *t) {
  return a->batch + (xr_mining_has_centres(a->options.kind) ? 2 * (int64_t)t->segments.count[0] : 0);
}

XR_CENTRE_INLINE bool xr_mining_is_complete(const xr_mining_tables *t, int64_t p) {
  return t->samples[2 * p] > 0 && t->samples[2 * p + 1] > 0;
}

XR_CENTRE_INLINE xr_mining_point xr_mining_point_of(const xr_centre_mining *a, const xr_mining_tables *t, int64_t i) {
  const bool centre = i >= a->batch;
  const int64_t p = centre ? (i - a->batch) / 2 : t->segment[i];
  const int side = centre ? (int)((i - a->batch) % 2) : i >= a->visible;
  const bool stands = !(centre && side == 1 && xr_mining_is_joint(a->options.kind));
  const xr_mining_point point = {(int32_t)p, side, centre, stands && xr_mining_is_complete(t, p)};
  return point;
}

XR_CENTRE_INLINE xr_pair_rows xr_mining_rows(const xr_centre_mining *a, const xr_mining_tables *t) {
  const xr_pair_rows rows = {a->x, t->centre, a->batch, a->width};
  return rows;
}

/* Whether the kind reads the distance of two points. Either order. */
XR_CENTRE_INLINE bool xr_mining_reads(xr_mining_kind kind, xr_mining_point u, xr_mining_point v) {
  const bool same = u.identity == v.identity;
  if (!u.counts || !v.counts) return false;
  if (!u.centre && !v.centre) return same && !xr_mining_has_centres(kind);
  const bool both = u.centre && v.centre;
  switch (kind) {
  case XR_MINING_ICM:
    return both ? !same || u.side != v.side : same && u.side != v.side;
  case XR_MINING_HC:
    return both && same && u.side != v.side;
  case XR_MINING_CENTRE_CLUSTER:
    return both != same;
  case XR_MINING_DCL:
    return !both;
  default:
    return false;
  }
}

/* ---- anchors: what one finds among the points, before it is judged */
typedef struct {
  double sum[2];     /* of distances, or of losses */
  int32_t count[2];  /* of distances. msel: to the own modality, the other; dcl: to own samples, others' */
  int32_t opposite;  /* -1: none, as the next two; icm, hc */
  int32_t farthest;  /* icm: of the opposite modality's samples */
  int32_t nearest;   /* icm: of the other identities' centres */
  float far_, near_; /* their squared distances */
} xr_mining_survey;

XR_CENTRE_INLINE xr_mining_survey xr_mining_survey_start(void) {
  const xr_mining_survey s = {{0, 0}, {0, 0}, -1, -1, -1, 0, 0};
  return s;
}

XR_CENTRE_INLINE bool xr_mining_is_anchor(xr_mining_kind kind, xr_mining_point u) {
  if (!u.counts || u.centre != xr_mining_has_centres(kind)) return false;
  return kind != XR_MINING_HC || u.side == 0;
}

/* mmd: 1/n^2, 1/m^2 or -1/(n m), and the mean over identities. */
XR_CENTRE_INLINE float xr_mining_weight(const xr_mining_tables *t, xr_mining_point u, xr_mining_point v) {
  const float n = (float)t->samples[2 * u.identity + u.side], m = (float)t->samples[2 * u.identity + v.side];
  return (u.side == v.side ? 1 : -1) / (n * m * (float)t->totals[0]);
}

XR_CENTRE_INLINE void xr_mining_find(xr_mining_survey *s, xr_mining_point u, xr_mining_point v, int64_t j, float squared) {
  if (v.centre && u.identity == v.identity) {
    s->opposite = (int32_t)j;
  } else if (v.centre) {
    if (s->nearest >= 0 && !(squared < s->near_)) return;
    s->nearest = (int32_t)j;
    s->near_ = squared;
  } else if (s->farthest < 0 || squared > s->far_) {
    s->farthest = (int32_t)j;
    s->far_ = squared;
  }
}

/* Adds point v, number j, at this squared distance of anchor u, number i; in rising order of j. */
XR_CENTRE_INLINE void xr_mining_add(xr_mining_survey *s, const xr_centre_mining *a, const xr_mining_tables *t, xr_mining_point u,
                                    xr_mining_point v, int64_t i, int64_t j, float squared) {
  const xr_mining_options *o = &a->options;
  const float d = xr_distance_of(squared);
  if (o->kind == XR_MINING_ICM || o->kind == XR_MINING_HC) {
    xr_mining_find(s, u, v, j, squared);
  } else if (o->kind == XR_MINING_CENTRE_CLUSTER) {
    const float hinge = v.centre ? o->centre_margin - d : d - o->sample_margin;
    s->sum[v.centre] += hinge <= 0 ? 0 : (double)hinge; /* a NaN stays one */
  } else if (o->kind == XR_MINING_MMD) {
    float factor;
    s->sum[0] += (double)xr_mmd_pair(o->mmd, xr_mining_weight(t, u, v), squared, &factor);
  } else if (i != j) {
    const bool other = o->kind == XR_MINING_MSEL ? u.side != v.side : u.identity != v.identity;
    s->sum[other] += (double)d;
    s->count[other]++;
  }
}

/* dcl: the largest distance that counts. A mean of floats is not below the least of them, so that one always does. */
XR_CENTRE_INLINE float xr_mining_limit(const xr_mining_survey *s) { return s->count[1] ? (float)(s->sum[1] / s->count[1]) : 0; }

XR_CENTRE_INLINE bool xr_mining_is_near(float squared, float limit) { return !(xr_distance_of(squared) > limit); }

/* icm and hc; the squared distances of the three points. */
XR_CENTRE_INLINE void xr_mining_judge_centre(const xr_mining_options *o, float opposite, float farthest, float nearest, float identities,
                                             xr_mining_anchor *r) {
  if (o->kind == XR_MINING_HC) {
    const bool within = opposite <= o->hinge_margin;
    r->loss = within ? 0 : opposite - o->hinge_margin;
    r->to_opposite = within ? 0 : 2;
    return;
  }
  const float hinge = o->rho + xr_distance_of(opposite) - xr_distance_of(nearest);
  const bool active = r->nearest >= 0 && !(hinge <= 0);
  r->loss = 0.5f * (o->pull * opposite + o->mine * farthest + (active ? o->push * hinge : 0)) / identities;
  r->to_opposite = (o->pull + (active ? 0.5f * o->push * xr_distance_slope(opposite) : 0)) / identities;
  r->to_farthest = o->mine / identities;
  r->to_nearest = active ? -0.5f * o->push * xr_distance_slope(nearest) / identities : 0;
}

/* From a survey over all points. dcl: near_sum, near_count of the others' samples that count. `squared`: the anchor's distances. */
XR_CENTRE_INLINE void xr_mining_judge(const xr_centre_mining *a, const xr_mining_tables *t, const xr_mining_survey *s, const float *squared,
                                      double near_sum, int near_count, xr_mining_anchor *r) {
  const float identities = (float)t->totals[0], terms = (float)t->totals[1];
  const xr_mining_anchor none = {0, s->opposite, s->farthest, s->nearest, 0, 0, 0, {0, 0}, 0};
  *r = none;
  switch (a->options.kind) {
  case XR_MINING_ICM:
  case XR_MINING_HC:
    xr_mining_judge_centre(&a->options, squared[s->opposite], s->far_, s->near_, identities, r);
    return;
  case XR_MINING_CENTRE_CLUSTER:
    r->loss = (float)s->sum[0] / terms;
    if (identities > 1) r->loss += (float)s->sum[1] / (identities * (identities - 1));
    return;
  case XR_MINING_MSEL: {
    if (s->count[0] == 0) return;
    const float difference = (float)(s->sum[1] / s->count[1] - s->sum[0] / s->count[0]);
    r->loss = difference * difference / terms;
    r->scale[0] = -2 * difference / (terms * (float)s->count[0]);
    r->scale[1] = 2 * difference / (terms * (float)s->count[1]);
    return;
  }
  case XR_MINING_DCL: {
    if (near_count == 0) return;
    const double own = s->sum[0] / s->count[0], other = near_sum / near_count;
    r->limit = xr_mining_limit(s);
    r->loss = (float)(own / other) / identities;
    r->scale[0] = (float)(1 / (s->count[0] * other)) / identities;
    r->scale[1] = (float)(-own / (other * other * near_count)) / identities;
    return;
  }
  default:
    r->loss = (float)s->sum[0];
  }
}

/* Twice the derivative of anchor u's loss by the squared distance to point v, number j. */
XR_CENTRE_INLINE float xr_mining_derivative(const xr_centre_mining *a, const xr_mining_tables *t, const xr_mining_anchor *r,
                                            xr_mining_point u, xr_mining_point v, int64_t j, float squared) {
  const xr_mining_options *o = &a->options;
  const float d = xr_distance_of(squared), slope = xr_distance_slope(squared), identities = (float)t->totals[0];
  float factor;
  switch (o->kind) {
  case XR_MINING_ICM:
  case XR_MINING_HC:
    return (j == r->opposite ? r->to_opposite : 0) + (j == r->farthest ? r->to_farthest : 0) + (j == r->nearest ? r->to_nearest : 0);
  case XR_MINING_CENTRE_CLUSTER:
    if (v.centre) return d >= o->centre_margin ? 0 : -slope / (identities * (identities - 1));
    return d <= o->sample_margin ? 0 : slope / (float)t->totals[1];
  case XR_MINING_MSEL:
    return r->scale[u.side != v.side] * slope;
  case XR_MINING_DCL:
    if (u.identity == v.identity) return r->scale[0] * slope;
    return xr_mining_is_near(squared, r->limit) ? r->scale[1] * slope : 0;
  default:
    xr_mmd_pair(o->mmd, xr_mining_weight(t, u, v), squared, &factor);
    return factor / 2;
  }
}

/* The factor of the pair of points i and j, u and v. */
XR_CENTRE_INLINE float xr_mining_factor(const xr_centre_mining *a, const xr_mining_tables *t, xr_mining_point u, xr_mining_point v,
                                        int64_t i, int64_t j, float squared) {
  const xr_mining_kind kind = a->options.kind;
  float sum = 0;
  if (xr_mining_is_anchor(kind, u)) sum += xr_mining_derivative(a, t, &t->anchor[i], u, v, j, squared);
  if (xr_mining_is_anchor(kind, v)) sum += xr_mining_derivative(a, t, &t->anchor[j], v, u, i, squared);
  return sum;
}

/* ---- a sample and its centre */
/* Which of an identity's two rows of centres it is in; *share: how much of it a sample is. */
XR_CENTRE_INLINE int64_t xr_mining_own_centre(const xr_centre_mining *a, const xr_mining_tables *t, xr_mining_point u, float *share) {
  const int32_t *samples = t->samples + 2 * u.identity;
  const bool joint = xr_mining_is_joint(a->options.kind);
  *share = 1 / (float)(joint ? samples[0] + samples[1] : samples[u.side]);
  return 2 * (int64_t)u.identity + (joint ? 0 : u.side);
}

/* What an identity with n and m samples adds to the number of terms in a mean over samples. */
XR_CENTRE_INLINE int32_t xr_mining_terms(xr_mining_kind kind, int32_t n, int32_t m) {
  if (n == 0 || m == 0) return 0;
  return kind == XR_MINING_MSEL ? (n > 1 ? n : 0) + (m > 1 ? m : 0) : n + m;
}

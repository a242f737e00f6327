/* What both backends share of xr_semantic_margin: the workspace, and an anchor's way from what it finds among its candidates to its loss
 * and to the derivatives by them. */
#pragma once

#include "kernels/loss/centre/segments.h"
#include "kernels/loss/triplet/roles.h"
#include "kernels/loss/triplet/semantic_margin.h"

/* m_ij = base + slope (top - c), c the cosine of what anchor and candidate mean */
typedef struct {
  float base, slope, top;
} xr_margin_rule;

/* Of each anchor, in the workspace [2, B]: images, then texts. */
typedef struct {
  xr_margin_rule rule;
  float loss;                             /* L_i */
  float pos;                              /* pos_i */
  float positive, negative;               /* derivatives of the loss by pos_i, and by an active hinge's negative */
  float positive_largest, positive_share; /* alpha = positive_share, times exp((S - positive_largest) / tau) where soft */
  float largest, log_sum;                 /* lse: the derivative by j is negative * exp((S_ij + m_ij - largest) / tau - log_sum) */
  int32_t negative_at;                    /* hardest */
} xr_margin_anchor;

/* asmr: sums of a row, then [0] the means of S and of S - y */
typedef struct {
  double similarity, difference, square; /* S, S - y, (S - y)^2 */
} xr_margin_sums;

typedef struct {
  xr_margin_anchor *anchor; /* [2 B] */
  xr_margin_sums *sums;     /* [B], in the same place */
  xr_segments segments;     /* commonality */
  float *common;            /* [B, B], commonality: row first sample of an identity p, column the number of an identity q: their cosine */
} xr_margin_tables;

XR_TRIPLET_INLINE xr_margin_tables xr_margin_tables_of(const xr_semantic_margin *a) {
  xr_margin_tables t;
  t.anchor = (xr_margin_anchor *)a->workspace;
  t.sums = (xr_margin_sums *)a->workspace;
  int32_t *segment = (int32_t *)(t.anchor + 2 * a->batch);
  t.segments = xr_segments_at(segment + a->batch, a->batch, segment);
  t.common = (float *)(segment + a->batch + xr_segments_size(a->batch));
  return t;
}

/* An anchor: what it is, and its candidates' similarities and cosines. */
typedef struct {
  const xr_semantic_margin *a;
  int64_t own, step;
  const float *similarity; /* of candidate j: similarity[j * step] */
  const float *semantic;   /* of candidate j: semantic[column ? column[j] : j]; NULL: no kind that reads it */
  const int32_t *column;
} xr_margin_line;

/* Anchor k: image k, or text k - B. */
XR_TRIPLET_INLINE xr_margin_line xr_margin_line_of(const xr_semantic_margin *a, int64_t k) {
  const bool text = k >= a->batch;
  const int64_t own = text ? k - a->batch : k;
  xr_margin_line l = {a, own, text ? a->batch : 1, a->similarity + (text ? own : own * a->batch), 0, 0};
  if (a->options.kind == XR_MARGIN_NEG_SEM) l.semantic = a->semantic + own * a->batch;
  if (a->options.kind == XR_MARGIN_COMMONALITY) {
    const xr_margin_tables t = xr_margin_tables_of(a);
    l.semantic = t.common + t.segments.order[t.segments.start[t.segments.segment[own]]] * a->batch;
    l.column = t.segments.segment;
  }
  return l;
}

XR_TRIPLET_INLINE float xr_line_similarity(const xr_margin_line *l, int64_t j) { return l->similarity[j * l->step]; }
XR_TRIPLET_INLINE float xr_line_cosine(const xr_margin_line *l, int64_t j) {
  return l->semantic ? l->semantic[l->column ? l->column[j] : j] : 0;
}
XR_TRIPLET_INLINE xr_triplet_role xr_line_role(const xr_margin_line *l, int64_t j) {
  const int32_t *identity = l->a->identity, *image = l->a->image;
  return xr_role_of(identity[l->own], image ? image[l->own] : (int32_t)l->own, identity[j], image ? image[j] : (int32_t)j);
}
XR_TRIPLET_INLINE bool xr_line_is_positive(const xr_margin_line *l, xr_triplet_role role, int64_t j) {
  return l->a->options.positives == XR_MARGIN_PAIRED ? j == l->own : role != XR_ROLE_NEGATIVE;
}

/* The margin, in a form that compilers cannot round in two ways: a hinge is active in both passes or in none. */
XR_TRIPLET_INLINE float xr_margin_at(const xr_margin_rule *r, float cosine) { return fmaf(r->slope, r->top - cosine, r->base); }
XR_TRIPLET_INLINE float xr_margin_score(const xr_margin_rule *r, float similarity, float cosine) {
  return similarity + xr_margin_at(r, cosine);
}

/* ---- first look: who is there */
typedef struct {
  int32_t positives, semis, negatives;
  int32_t shortest, longest; /* captions */
  float lowest, highest;     /* cosines of negatives */
  float positive_largest;
  double positive_sum, semi_sum;
} xr_margin_survey;

XR_TRIPLET_INLINE xr_margin_survey xr_margin_survey_start(void) {
  const xr_margin_survey s = {0, 0, 0, INT32_MAX, INT32_MIN, INFINITY, -INFINITY, -INFINITY, 0, 0};
  return s;
}

XR_TRIPLET_INLINE void xr_margin_survey_add(xr_margin_survey *s, const xr_margin_line *l, int64_t j) {
  const xr_triplet_role role = xr_line_role(l, j);
  if (l->a->options.kind == XR_MARGIN_QUALITY) {
    const int32_t length = l->a->length[j];
    if (length < s->shortest) s->shortest = length;
    if (length > s->longest) s->longest = length;
  }
  if (role == XR_ROLE_NEGATIVE) {
    const float cosine = xr_line_cosine(l, j);
    s->negatives++;
    if (cosine < s->lowest) s->lowest = cosine;
    if (cosine > s->highest) s->highest = cosine;
    return;
  }
  const float similarity = xr_line_similarity(l, j);
  if (role == XR_ROLE_SEMI) {
    s->semis++;
    s->semi_sum += (double)similarity;
  }
  if (!xr_line_is_positive(l, role, j)) return;
  s->positives++;
  s->positive_sum += (double)similarity;
  const float key = xr_mining_key(similarity);
  if (key > s->positive_largest) s->positive_largest = key;
}

/* From margin_max at the lowest cosine to margin_min at the highest. */
XR_TRIPLET_INLINE xr_margin_rule xr_stretched_rule(const xr_margin_options *o, float lowest, float highest) {
  const float difference = o->margin_max - o->margin_min, range = highest - lowest;
  const bool flat = !(range > 1e-6f);
  const xr_margin_rule r = {o->margin_min + (flat ? difference / 2 : 0), flat ? 0 : difference / range, highest};
  return r;
}

XR_TRIPLET_INLINE xr_margin_rule xr_margin_rule_of(const xr_margin_line *l, const xr_margin_survey *s) {
  const xr_margin_options *o = &l->a->options;
  xr_margin_rule r = {o->margin, 0, 0};
  switch (o->kind) {
  case XR_MARGIN_NEG_SEM:
  case XR_MARGIN_COMMONALITY:
    return o->stretch ? xr_stretched_rule(o, s->lowest, s->highest) : xr_stretched_rule(o, -1, 1);
  case XR_MARGIN_QUALITY: {
    const float range = (float)s->longest - (float)s->shortest, above = (float)l->a->length[l->own] - (float)s->shortest;
    r.base = fmaf(o->margin_max - o->margin_min, range > 0 ? above / range : 0.5f, o->margin_min);
    return r;
  }
  case XR_MARGIN_POS_RATIO: {
    const float own = fabsf(xr_line_similarity(l, l->own)), semi = (float)fabs(s->semi_sum / (s->semis ? s->semis : 1));
    const float ratio = s->semis == 0 || own == 0 || semi > own ? 1 : semi / own;
    r.base = (ratio + 1) * o->margin / 2;
    return r;
  }
  default:
    return r;
  }
}

/* What is known after the first look. */
XR_TRIPLET_INLINE xr_margin_anchor xr_margin_anchor_start(const xr_margin_line *l, const xr_margin_survey *s) {
  const float pos = (float)(s->positive_sum / s->positives), share = 1 / (float)s->positives;
  const xr_margin_anchor r = {xr_margin_rule_of(l, s), 0, pos, 0, 0, s->positive_largest, share, 0, 0, -1};
  return r;
}

XR_TRIPLET_INLINE void xr_margin_soft_positives(xr_margin_anchor *r, double weight, double weighted) {
  r->positive_share = (float)(1 / weight);
  r->pos = (float)(weighted / weight);
}

/* ---- last look: `sum` is the sum of the hinges, or of exp((S + m - largest) / tau); `score` the largest S + m */
XR_TRIPLET_INLINE void xr_margin_judge(const xr_semantic_margin *a, xr_margin_anchor *r, float score, double sum, int32_t active) {
  const xr_margin_options *o = &a->options;
  const float share = 0.5f / (float)a->batch;
  if (o->reduction == XR_MARGIN_SUM) {
    r->loss = (float)sum;
    r->negative = share;
    r->positive = -share * (float)active;
    return;
  }
  if (o->reduction == XR_MARGIN_LSE) {
    r->log_sum = (float)log(sum);
    score = r->largest + o->tau * r->log_sum;
  }
  const float hinge = score - r->pos;
  if (hinge <= 0) return; /* a NaN is a loss */
  r->loss = hinge;
  r->negative = share;
  r->positive = -share;
}

/* The hinge of `sum`. */
XR_TRIPLET_INLINE float xr_margin_hinge(const xr_margin_anchor *r, float similarity, float cosine) {
  return xr_margin_score(&r->rule, similarity, cosine) - r->pos;
}

/* The derivative of the loss by S_ij through this anchor, which is i or j; its candidate is `j` here. */
XR_TRIPLET_INLINE float xr_margin_gradient(const xr_margin_line *l, const xr_margin_anchor *r, int64_t j, float inverse_tau) {
  const xr_margin_options *o = &l->a->options;
  if (r->positive == 0) return 0;
  const xr_triplet_role role = xr_line_role(l, j);
  const float s = xr_line_similarity(l, j);
  if (role != XR_ROLE_NEGATIVE) {
    if (!xr_line_is_positive(l, role, j)) return 0;
    const bool soft = o->positives == XR_MARGIN_ALL_SAME_PID_SOFT;
    return r->positive * r->positive_share * (soft ? expf((s - r->positive_largest) * inverse_tau) : 1);
  }
  if (o->reduction == XR_MARGIN_HARDEST) return r->negative_at == j ? r->negative : 0;
  const float cosine = xr_line_cosine(l, j);
  if (o->reduction == XR_MARGIN_SUM) return xr_margin_hinge(r, s, cosine) <= 0 ? 0 : r->negative;
  return r->negative * expf((xr_margin_score(&r->rule, s, cosine) - r->largest) * inverse_tau - r->log_sum);
}

/* ---- asmr */
/* What S_ij - mean S is drawn to. */
XR_TRIPLET_INLINE float xr_margin_target(const xr_semantic_margin *a, int64_t i, int64_t j) {
  const float square = i == j ? 0 : 2 - 2 * a->semantic[i * a->batch + j];
  const float distance = square < 0 ? 0 : a->options.distance_scale * sqrtf(square);
  return 1 / (1 + expf(distance / 10 - 1));
}

XR_TRIPLET_INLINE void xr_margin_sums_add(xr_margin_sums *s, float similarity, float target) {
  const double difference = (double)similarity - (double)target;
  s->similarity += (double)similarity;
  s->difference += difference;
  s->square += difference * difference;
}

XR_TRIPLET_INLINE void xr_margin_sums_join(xr_margin_sums *s, const xr_margin_sums *other) {
  s->similarity += other->similarity;
  s->difference += other->difference;
  s->square += other->square;
}

/* The loss from the sums over all pairs, which become means. */
XR_TRIPLET_INLINE float xr_margin_regression(xr_margin_sums *s, int64_t batch) {
  const double pairs = (double)batch * (double)batch;
  s->similarity /= pairs;
  s->difference /= pairs;
  const double offset = s->difference - s->similarity; /* mean of the residuals */
  const double loss = s->square / pairs - s->difference * s->difference + offset * offset;
  return batch == 1 ? 0 : (float)loss;
}

XR_TRIPLET_INLINE float xr_margin_pull(float similarity, float target, double difference, int64_t batch) {
  const double pairs = (double)batch * (double)batch;
  return (float)(2 / pairs * ((double)similarity - (double)target - difference));
}

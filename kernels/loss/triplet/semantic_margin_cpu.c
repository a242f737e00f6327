#include "kernels/loss/triplet/semantic_margin.h"

#include "kernels/common/spans.h"
#include "kernels/loss/centre/segments_cpu.h"
#include "kernels/loss/triplet/margin_anchor.h"

bool xr_margin_reads_semantic(xr_margin_kind kind) {
  return kind == XR_MARGIN_NEG_SEM || kind == XR_MARGIN_COMMONALITY || kind == XR_MARGIN_ASMR;
}

size_t xr_semantic_margin_workspace(const xr_semantic_margin *a) {
  const size_t batch = (size_t)a->batch, anchors = 2 * batch * sizeof(xr_margin_anchor);
  if (a->options.kind != XR_MARGIN_COMMONALITY) return anchors;
  return anchors + (batch + (size_t)xr_segments_size(a->batch)) * sizeof(int32_t) + batch * batch * sizeof(float);
}

static xr_status check_options(const xr_margin_options *o) {
  if ((unsigned)o->kind >= XR_MARGIN_KINDS || (unsigned)o->reduction >= XR_MARGIN_REDUCTIONS ||
      (unsigned)o->positives >= XR_MARGIN_POSITIVES)
    return xr_fail(XR_BAD_ARGUMENT, "semantic_margin: kind %d, reduction %d or positives %d is not one that is listed", (int)o->kind,
                   (int)o->reduction, (int)o->positives);
  if (!(o->margin >= 0 && o->margin_min >= 0 && o->margin_max >= o->margin_min))
    return xr_fail(XR_BAD_ARGUMENT, "semantic_margin: margin %g, margin_min %g, margin_max %g; legal are 0 <= margin, 0 <= min <= max",
                   (double)o->margin, (double)o->margin_min, (double)o->margin_max);
  if ((o->reduction == XR_MARGIN_LSE || o->positives == XR_MARGIN_ALL_SAME_PID_SOFT) && !(o->tau > 0))
    return xr_fail(XR_BAD_ARGUMENT, "semantic_margin: tau %g (legal: above 0)", (double)o->tau);
  if (o->kind == XR_MARGIN_ASMR && !(o->distance_scale > 0))
    return xr_fail(XR_BAD_ARGUMENT, "semantic_margin: distance_scale %g (legal: above 0)", (double)o->distance_scale);
  return XR_OK;
}

xr_status xr_semantic_margin_check(const xr_semantic_margin *a) {
  if (a->batch < 1 || a->batch >= INT32_MAX / 2)
    return xr_fail(XR_BAD_SHAPE, "semantic_margin: a batch of %lld, legal are 1 to 2^30 - 1", (long long)a->batch);
  XR_TRY(check_options(&a->options));
  if (xr_margin_reads_semantic(a->options.kind) && !a->semantic)
    return xr_fail(XR_BAD_ARGUMENT, "semantic_margin: this kind of margin needs the semantic cosines");
  if (a->options.kind == XR_MARGIN_QUALITY && !a->length)
    return xr_fail(XR_BAD_ARGUMENT, "semantic_margin: margins by quality need the captions' lengths");
  return XR_OK;
}

/* ---- what two identities have in common */
/* The mean cosine of sample i and the samples of each identity, in row i. */
static void average_columns(const xr_semantic_margin *a, const xr_margin_tables *t) {
  const xr_segments *s = &t->segments;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->batch; i++)
    for (int32_t q = 0; q < s->count[0]; q++) {
      double sum = 0;
      for (int32_t k = s->start[q]; k < s->start[q + 1]; k++) sum += (double)a->semantic[i * a->batch + s->order[k]];
      t->common[i * a->batch + q] = (float)(sum / (s->start[q + 1] - s->start[q]));
    }
}

/* The means over an identity's rows, in its first row. */
static void average_rows(const xr_semantic_margin *a, const xr_margin_tables *t) {
  const xr_segments *s = &t->segments;
#pragma omp parallel for schedule(static)
  for (int32_t p = 0; p < s->count[0]; p++)
    for (int32_t q = 0; q < s->count[0]; q++) {
      double sum = 0;
      for (int32_t k = s->start[p]; k < s->start[p + 1]; k++) sum += (double)t->common[s->order[k] * a->batch + q];
      t->common[s->order[s->start[p]] * a->batch + q] = (float)(sum / (s->start[p + 1] - s->start[p]));
    }
}

/* ---- anchors */
static void soften_positives(const xr_margin_line *l, xr_margin_anchor *r) {
  double weight = 0, weighted = 0;
  for (int64_t j = 0; j < l->a->batch; j++) {
    if (!xr_line_is_positive(l, xr_line_role(l, j), j)) continue;
    const float s = xr_line_similarity(l, j), e = expf((s - r->positive_largest) / l->a->options.tau);
    weight += (double)e;
    weighted += (double)e * (double)s;
  }
  xr_margin_soft_positives(r, weight, weighted);
}

/* The largest S + m, the first among equals. */
static float hardest(const xr_margin_line *l, xr_margin_anchor *r) {
  float best = 0, score = 0;
  for (int64_t j = 0; j < l->a->batch; j++) {
    if (xr_line_role(l, j) != XR_ROLE_NEGATIVE) continue;
    const float value = xr_margin_score(&r->rule, xr_line_similarity(l, j), xr_line_cosine(l, j)), key = xr_mining_key(value);
    if (r->negative_at >= 0 && !(key > best)) continue;
    best = key;
    score = value;
    r->negative_at = (int32_t)j;
  }
  return score;
}

static double sum_exponentials(const xr_margin_line *l, const xr_margin_anchor *r) {
  double sum = 0;
  for (int64_t j = 0; j < l->a->batch; j++)
    if (xr_line_role(l, j) == XR_ROLE_NEGATIVE) {
      const float score = xr_margin_score(&r->rule, xr_line_similarity(l, j), xr_line_cosine(l, j));
      sum += (double)expf((score - r->largest) / l->a->options.tau);
    }
  return sum;
}

static double sum_hinges(const xr_margin_line *l, const xr_margin_anchor *r, int32_t *active) {
  double sum = 0;
  for (int64_t j = 0; j < l->a->batch; j++) {
    if (xr_line_role(l, j) != XR_ROLE_NEGATIVE) continue;
    const float hinge = xr_margin_hinge(r, xr_line_similarity(l, j), xr_line_cosine(l, j));
    if (hinge <= 0) continue;
    sum += (double)hinge;
    ++*active;
  }
  return sum;
}

static xr_margin_anchor judge(const xr_semantic_margin *a, int64_t k) {
  const xr_margin_line l = xr_margin_line_of(a, k);
  xr_margin_survey survey = xr_margin_survey_start();
  for (int64_t j = 0; j < a->batch; j++) xr_margin_survey_add(&survey, &l, j);
  if (survey.negatives == 0) return (xr_margin_anchor){.negative_at = -1};
  xr_margin_anchor r = xr_margin_anchor_start(&l, &survey);
  if (a->options.positives == XR_MARGIN_ALL_SAME_PID_SOFT) soften_positives(&l, &r);
  int32_t active = 0;
  if (a->options.reduction == XR_MARGIN_SUM) {
    const double sum = sum_hinges(&l, &r, &active);
    xr_margin_judge(a, &r, 0, sum, active);
    return r;
  }
  r.largest = hardest(&l, &r);
  xr_margin_judge(a, &r, r.largest, a->options.reduction == XR_MARGIN_LSE ? sum_exponentials(&l, &r) : 0, 1);
  return r;
}

static void write_gradient(const xr_semantic_margin *a, const xr_margin_anchor *anchor) {
  const float inverse_tau = 1 / a->options.tau;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->batch; i++) {
    const xr_margin_line image = xr_margin_line_of(a, i);
    for (int64_t j = 0; j < a->batch; j++) {
      const xr_margin_line text = xr_margin_line_of(a, a->batch + j);
      a->gradient[i * a->batch + j] = xr_margin_gradient(&image, &anchor[i], j, inverse_tau) +
                                      xr_margin_gradient(&text, &anchor[a->batch + j], i, inverse_tau);
    }
  }
}

static void triplets(const xr_semantic_margin *a) {
  const xr_margin_tables t = xr_margin_tables_of(a);
  if (a->options.kind == XR_MARGIN_COMMONALITY) {
    xr_segments_find(&t.segments, a->identity, a->batch);
    average_columns(a, &t);
    average_rows(a, &t);
  }
#pragma omp parallel for schedule(static)
  for (int64_t k = 0; k < 2 * a->batch; k++) t.anchor[k] = judge(a, k);
  write_gradient(a, t.anchor);
  double total = 0;
  for (int64_t k = 0; k < 2 * a->batch; k++) total += (double)t.anchor[k].loss;
  a->loss[0] = (float)(0.5 * total / (double)a->batch);
}

/* ---- asmr */
static void regression(const xr_semantic_margin *a) {
  const int64_t batch = a->batch;
  xr_margin_sums *row = xr_margin_tables_of(a).sums;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < batch; i++) {
    row[i] = (xr_margin_sums){0, 0, 0};
    for (int64_t j = 0; j < batch; j++) {
      const float target = a->gradient[i * batch + j] = xr_margin_target(a, i, j);
      xr_margin_sums_add(&row[i], a->similarity[i * batch + j], target);
    }
  }
  for (int64_t i = 1; i < batch; i++) xr_margin_sums_join(&row[0], &row[i]);
  a->loss[0] = xr_margin_regression(&row[0], batch);
  const double difference = row[0].difference;
#pragma omp parallel for schedule(static)
  for (int64_t at = 0; at < batch * batch; at++) a->gradient[at] = xr_margin_pull(a->similarity[at], a->gradient[at], difference, batch);
}

xr_status xr_semantic_margin_forward_cpu(const xr_semantic_margin *a) {
  XR_TRY(xr_semantic_margin_check(a));
  if (a->options.kind == XR_MARGIN_ASMR)
    regression(a);
  else
    triplets(a);
  return XR_OK;
}

xr_status xr_semantic_margin_backward_cpu(const xr_semantic_margin *a) {
  XR_TRY(xr_semantic_margin_check(a));
  xr_scaled_copy(a->dsimilarity, XR_F32, a->accumulate_dsimilarity, a->dloss[0], a->gradient, XR_F32, a->batch * a->batch);
  return XR_OK;
}

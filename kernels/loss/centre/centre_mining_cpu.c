#include "kernels/loss/centre/centre_mining.h"

#include "kernels/common/spans.h"
#include "kernels/loss/centre/mining_tables.h"
#include "kernels/loss/centre/segments_cpu.h"
#include "kernels/loss/row_pairs_cpu.h"

enum { CHUNK = 256 /* columns that are added up together */ };

static xr_status check_weights(const xr_mining_options *o) {
  const struct {
    const char *name;
    float value;
  } weights[] = {{"pull", o->pull},
                 {"mine", o->mine},
                 {"push", o->push},
                 {"rho", o->rho},
                 {"hinge_margin", o->hinge_margin},
                 {"sample_margin", o->sample_margin},
                 {"centre_margin", o->centre_margin}};
  for (size_t k = 0; k < sizeof weights / sizeof *weights; k++)
    if (!(weights[k].value >= 0 && weights[k].value < INFINITY))
      return xr_fail(XR_BAD_ARGUMENT, "centre_mining: %s %g (legal: from 0, finite)", weights[k].name, (double)weights[k].value);
  if (o->kind == XR_MINING_MMD && ((unsigned)o->mmd.kernel >= XR_MMD_KERNELS || !(o->mmd.gamma > 0 && o->mmd.gamma < INFINITY)))
    return xr_fail(XR_BAD_ARGUMENT, "centre_mining: mmd kernel %d, gamma %g (legal: above 0, finite)", (int)o->mmd.kernel,
                   (double)o->mmd.gamma);
  return XR_OK;
}

xr_status xr_centre_mining_check(const xr_centre_mining *a) {
  if (a->batch < 1 || a->batch > XR_MINING_BATCH || a->width < 1)
    return xr_fail(XR_BAD_SHAPE, "centre_mining: features [%lld, %lld], legal are 1 to %d rows of 1 element or more", (long long)a->batch,
                   (long long)a->width, XR_MINING_BATCH);
  if (a->visible < 0 || a->visible > a->batch)
    return xr_fail(XR_BAD_SHAPE, "centre_mining: %lld visible samples in a batch of %lld", (long long)a->visible, (long long)a->batch);
  if ((unsigned)a->options.kind >= XR_MINING_KINDS)
    return xr_fail(XR_BAD_ARGUMENT, "centre_mining: kind %d is not one that is listed", (int)a->options.kind);
  return check_weights(&a->options);
}

size_t xr_centre_mining_workspace(const xr_centre_mining *a) { return xr_mining_bytes(a); }

static void count_samples(const xr_centre_mining *a, const xr_mining_tables *t) {
  const xr_segments *s = &t->segments;
  t->totals[0] = t->totals[1] = 0;
  for (int32_t p = 0; p < s->count[0]; p++) {
    int32_t *samples = t->samples + 2 * p;
    samples[0] = samples[1] = 0;
    for (int32_t k = s->start[p]; k < s->start[p + 1]; k++) samples[s->order[k] >= a->visible]++;
    t->totals[0] += xr_mining_is_complete(t, p);
    t->totals[1] += xr_mining_terms(a->options.kind, samples[0], samples[1]);
  }
}

/* The mean of an identity's samples of one modality, or of all. */
static void make_centre(const xr_centre_mining *a, const xr_mining_tables *t, int64_t p, int side, float *centre) {
  const bool joint = xr_mining_is_joint(a->options.kind);
  for (int64_t at = 0; at < a->width; at += CHUNK) {
    const int64_t n = a->width - at < CHUNK ? a->width - at : CHUNK;
    double sum[CHUNK] = {0};
    int count = 0;
    for (int32_t k = t->segments.start[p]; k < t->segments.start[p + 1]; k++) {
      const int64_t i = t->segments.order[k];
      if (!joint && (i >= a->visible) != side) continue;
      for (int64_t c = 0; c < n; c++) sum[c] += (double)a->x[i * a->width + at + c];
      count++;
    }
    for (int64_t c = 0; c < n; c++) centre[at + c] = (float)(sum[c] / count);
  }
}

static void make_centres(const xr_centre_mining *a, const xr_mining_tables *t, int64_t points) {
#pragma omp parallel for schedule(static)
  for (int64_t i = a->batch; i < points; i++) {
    const xr_mining_point u = xr_mining_point_of(a, t, i);
    if (u.counts) make_centre(a, t, u.identity, u.side, t->centre + (i - a->batch) * a->width);
  }
}

static void measure(const xr_centre_mining *a, const xr_mining_tables *t, int64_t i, int64_t points, float *squared) {
  const xr_pair_rows rows = xr_mining_rows(a, t);
  const xr_mining_point u = xr_mining_point_of(a, t, i);
  for (int64_t j = 0; j < points; j++) /* the lower row first: both orders give the same bits */
    if (xr_mining_reads(a->options.kind, u, xr_mining_point_of(a, t, j)))
      squared[j] = xr_squared_distance(xr_pair_row(&rows, i < j ? i : j), xr_pair_row(&rows, i < j ? j : i), a->width);
}

static void judge(const xr_centre_mining *a, const xr_mining_tables *t, int64_t i, int64_t points, const float *squared) {
  const xr_mining_kind kind = a->options.kind;
  const xr_mining_point u = xr_mining_point_of(a, t, i);
  xr_mining_survey s = xr_mining_survey_start();
  double near_sum = 0;
  int near_count = 0;
  t->anchor[i].loss = 0;
  if (!xr_mining_is_anchor(kind, u)) return;
  for (int64_t j = 0; j < points; j++) {
    const xr_mining_point v = xr_mining_point_of(a, t, j);
    if (xr_mining_reads(kind, u, v)) xr_mining_add(&s, a, t, u, v, i, j, squared[j]);
  }
  for (int64_t j = 0; j < a->batch && kind == XR_MINING_DCL; j++) {
    const xr_mining_point v = xr_mining_point_of(a, t, j);
    if (!v.counts || v.identity == u.identity || !xr_mining_is_near(squared[j], xr_mining_limit(&s))) continue;
    near_sum += (double)xr_distance_of(squared[j]);
    near_count++;
  }
  xr_mining_judge(a, t, &s, squared, near_sum, near_count, &t->anchor[i]);
}

static void make_factors(const xr_centre_mining *a, const xr_mining_tables *t, int64_t i, int64_t points, float *pair) {
  const xr_mining_point u = xr_mining_point_of(a, t, i);
  for (int64_t j = 0; j < points; j++) {
    const xr_mining_point v = xr_mining_point_of(a, t, j);
    pair[j] = xr_mining_reads(a->options.kind, u, v) ? xr_mining_factor(a, t, u, v, i, j, pair[j]) : 0;
  }
}

/* A sample's share of its centre's gradient. */
static void add_share(const xr_centre_mining *a, const xr_mining_tables *t, int64_t i) {
  const xr_mining_point u = xr_mining_point_of(a, t, i);
  if (!u.counts || !xr_mining_has_centres(a->options.kind)) return;
  float share, *out = a->gradient + i * a->width;
  const float *centre = t->centre_gradient + xr_mining_own_centre(a, t, u, &share) * a->width;
  for (int64_t k = 0; k < a->width; k++) out[k] += share * centre[k];
}

xr_status xr_centre_mining_forward_cpu(const xr_centre_mining *a) {
  XR_TRY(xr_centre_mining_check(a));
  const xr_mining_tables t = xr_mining_tables_of(a);
  const xr_pair_rows rows = xr_mining_rows(a, &t);
  xr_segments_find(&t.segments, a->identity, a->batch);
  count_samples(a, &t);
  const int64_t points = xr_mining_points(a, &t), stride = 3 * a->batch;
  make_centres(a, &t, points);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < points; i++) {
    measure(a, &t, i, points, t.pair + i * stride);
    judge(a, &t, i, points, t.pair + i * stride);
  }
  double total = 0;
  for (int64_t i = 0; i < points; i++) total += (double)t.anchor[i].loss;
  a->loss[0] = (float)total;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < points; i++) {
    make_factors(a, &t, i, points, t.pair + i * stride);
    float *out = i < a->batch ? a->gradient + i * a->width : t.centre_gradient + (i - a->batch) * a->width;
    xr_pair_gradient(&rows, i, t.pair + i * stride, points, out);
  }
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->batch; i++) add_share(a, &t, i);
  return XR_OK;
}

xr_status xr_centre_mining_backward_cpu(const xr_centre_mining *a) {
  XR_TRY(xr_centre_mining_check(a));
  xr_scaled_copy(a->dx, XR_F32, a->accumulate_dx, a->dloss[0], a->gradient, XR_F32, a->batch * a->width);
  return XR_OK;
}

#include "kernels/loss/triplet/weighted_regularized_triplet.h"

#include "kernels/common/spans.h"
#include "kernels/loss/row_pairs_cpu.h"
#include "kernels/loss/triplet/wrt_anchor.h"

xr_status xr_weighted_regularized_triplet_check(const xr_weighted_regularized_triplet *a) {
  const xr_wrt_options *o = &a->options;
  if (a->batch < 1 || a->batch > XR_WRT_BATCH || a->width < 1)
    return xr_fail(XR_BAD_SHAPE, "weighted_regularized_triplet: features [%lld, %lld], legal are 1 to %d rows of 1 element or more",
                   (long long)a->batch, (long long)a->width, XR_WRT_BATCH);
  if (o->square && !(o->gamma > 0 && o->clamp > 0))
    return xr_fail(XR_BAD_ARGUMENT, "weighted_regularized_triplet: gamma %g, clamp %g; both must be above 0", (double)o->gamma,
                   (double)o->clamp);
  return XR_OK;
}

size_t xr_weighted_regularized_triplet_workspace(const xr_weighted_regularized_triplet *a) {
  return (size_t)a->batch * sizeof(xr_wrt_anchor) + (size_t)(a->batch * a->batch) * sizeof(float);
}

/* One side of anchor i from its squared distances; returns how many are in it. */
static int survey(const xr_weighted_regularized_triplet *a, int64_t i, int side, const float *squared, xr_wrt_side *s) {
  const bool agw = a->options.agw;
  int count = 0;
  *s = (xr_wrt_side){.at = -1};
  for (int64_t j = 0; j < a->batch; j++) {
    const bool in = xr_wrt_side_of(a, i, j) == side;
    if (!in && !agw) continue;
    const float v = in ? xr_wrt_value(side, xr_distance_of(squared[j])) : 0;
    count += in;
    if (s->at < 0 || v > s->largest) {
      s->largest = v;
      s->at = (int32_t)j;
    }
  }
  double sum = agw ? (double)XR_WRT_EPSILON : 0, weighted = 0;
  for (int64_t j = 0; j < a->batch; j++) {
    if (xr_wrt_side_of(a, i, j) != side) continue;
    const float d = xr_distance_of(squared[j]);
    const double e = (double)expf(xr_wrt_value(side, d) - s->largest);
    sum += e;
    weighted += e * (double)d;
  }
  s->sum = (float)sum;
  s->mean = count ? (float)(weighted / sum) : 0;
  return count;
}

static void judge_anchors(const xr_weighted_regularized_triplet *a, const xr_pair_rows *rows) {
  xr_wrt_anchor *anchor = xr_wrt_anchors(a);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->batch; i++) {
    float *squared = xr_wrt_pairs(a) + i * a->batch;
    int count[2];
    for (int64_t j = 0; j < a->batch; j++) /* the lower row first: both orders give the same bits */
      squared[j] = xr_squared_distance(xr_pair_row(rows, i < j ? i : j), xr_pair_row(rows, i < j ? j : i), a->width);
    for (int side = 0; side < 2; side++) count[side] = survey(a, i, side, squared, &anchor[i].side[side]);
    xr_wrt_judge(&a->options, count, &anchor[i]);
  }
}

xr_status xr_weighted_regularized_triplet_forward_cpu(const xr_weighted_regularized_triplet *a) {
  XR_TRY(xr_weighted_regularized_triplet_check(a));
  const xr_pair_rows rows = {a->x, NULL, a->batch, a->width};
  const xr_wrt_anchor *anchor = xr_wrt_anchors(a);
  judge_anchors(a, &rows);
  double total = 0, anchors = 0;
  for (int64_t i = 0; i < a->batch; i++) {
    total += (double)anchor[i].loss;
    anchors += (double)anchor[i].counts;
  }
  a->loss[0] = anchors > 0 ? (float)(total / anchors) : 0;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->batch; i++) {
    float *pair = xr_wrt_pairs(a) + i * a->batch;
    for (int64_t j = 0; j < a->batch; j++) pair[j] = xr_wrt_factor(a, anchor, i, j, pair[j], (float)anchors);
    xr_pair_gradient(&rows, i, pair, a->batch, a->gradient + i * a->width);
  }
  return XR_OK;
}

xr_status xr_weighted_regularized_triplet_backward_cpu(const xr_weighted_regularized_triplet *a) {
  XR_TRY(xr_weighted_regularized_triplet_check(a));
  xr_scaled_copy(a->dx, XR_F32, a->accumulate_dx, a->dloss[0], a->gradient, XR_F32, a->batch * a->width);
  return XR_OK;
}

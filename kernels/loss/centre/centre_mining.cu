/* counts: one block. centres: a block a centre. distances: a warp a pair of points. anchors: a warp an anchor, its lanes share the points.
 * factors: elementwise, in place of the distances; the first block adds the loss. gradient: a block 256 columns of a point, first of the
 * centres, then of the samples, which take their shares of the centres'. */
#include "kernels/common/launch.h"
#include "kernels/common/scaled_copy.cuh"
#include "kernels/loss/centre/mining_tables.h"
#include "kernels/loss/centre/segments.cuh"
#include "kernels/loss/first_largest.cuh"
#include "kernels/loss/row_pairs.cuh"

enum { THREADS = XR_PAIR_THREADS, WARPS = XR_PAIR_WARPS };

static const char *const name = "centre_mining";

static __global__ void __launch_bounds__(THREADS) counts_kernel(const xr_centre_mining a) {
  const xr_mining_tables t = xr_mining_tables_of(&a);
  const xr_segments &s = t.segments;
  int identities = 0, terms = 0;
  for (int32_t p = threadIdx.x; p < s.count[0]; p += THREADS) {
    int32_t infrared = 0;
    const int32_t all = s.start[p + 1] - s.start[p];
    for (int32_t k = s.start[p]; k < s.start[p + 1]; k++) infrared += s.order[k] >= a.visible;
    t.samples[2 * p] = all - infrared;
    t.samples[2 * p + 1] = infrared;
    identities += infrared > 0 && infrared < all;
    terms += xr_mining_terms(a.options.kind, all - infrared, infrared);
  }
  identities = xr_block_sum<THREADS>(identities);
  terms = xr_block_sum<THREADS>(terms);
  if (threadIdx.x != 0) return;
  t.totals[0] = identities;
  t.totals[1] = terms;
}

static __global__ void __launch_bounds__(THREADS) centres_kernel(const xr_centre_mining a) {
  const xr_mining_tables t = xr_mining_tables_of(&a);
  const int64_t i = a.batch + blockIdx.y, column = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (i >= xr_mining_points(&a, &t) || column >= a.width) return;
  const xr_mining_point u = xr_mining_point_of(&a, &t, i);
  if (!u.counts) return;
  const bool joint = xr_mining_is_joint(a.options.kind);
  double sum = 0;
  int count = 0;
  for (int32_t k = t.segments.start[u.identity]; k < t.segments.start[u.identity + 1]; k++) {
    const int64_t sample = t.segments.order[k];
    if (!joint && (sample >= a.visible) != u.side) continue;
    sum += (double)a.x[sample * a.width + column];
    count++;
  }
  t.centre[(int64_t)blockIdx.y * a.width + column] = (float)(sum / count);
}

static __global__ void __launch_bounds__(THREADS) distances_kernel(const xr_centre_mining a) {
  const xr_mining_tables t = xr_mining_tables_of(&a);
  const int64_t i = blockIdx.y, j = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32, points = xr_mining_points(&a, &t);
  if (j < i || j >= points) return;
  if (!xr_mining_reads(a.options.kind, xr_mining_point_of(&a, &t, i), xr_mining_point_of(&a, &t, j))) return;
  const xr_pair_rows rows = xr_mining_rows(&a, &t);
  const float squared = xr_warp_squared_distance(xr_pair_row(&rows, i), xr_pair_row(&rows, j), a.width);
  if (threadIdx.x % 32 == 0) t.pair[i * 3 * a.batch + j] = t.pair[j * 3 * a.batch + i] = squared;
}

/* Every lane's together, in all of them. */
static __device__ void share_survey(xr_mining_survey *s) {
  xr_first_largest far, near;
  for (int k = 0; k < 2; k++) {
    s->sum[k] = xr_warp_sum(s->sum[k]);
    s->count[k] = xr_warp_sum(s->count[k]);
  }
  s->opposite = xr_warp_max((int)s->opposite);
  far.offer(s->far_, s->farthest);
  near.offer(-s->near_, s->nearest);
  far.share();
  near.share();
  s->farthest = far.at;
  s->far_ = far.key;
  s->nearest = near.at;
  s->near_ = -near.key;
}

static __global__ void __launch_bounds__(THREADS) anchors_kernel(const xr_centre_mining a) {
  const xr_mining_tables t = xr_mining_tables_of(&a);
  const xr_mining_kind kind = a.options.kind;
  const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32, points = xr_mining_points(&a, &t);
  const int lane = threadIdx.x % 32;
  if (i >= points) return;
  const xr_mining_point u = xr_mining_point_of(&a, &t, i);
  if (!xr_mining_is_anchor(kind, u)) {
    if (lane == 0) t.anchor[i].loss = 0;
    return;
  }
  const float *squared = t.pair + i * 3 * a.batch;
  xr_mining_survey s = xr_mining_survey_start();
  for (int64_t j = lane; j < points; j += 32) {
    const xr_mining_point v = xr_mining_point_of(&a, &t, j);
    if (xr_mining_reads(kind, u, v)) xr_mining_add(&s, &a, &t, u, v, i, j, squared[j]);
  }
  share_survey(&s);
  double near_sum = 0;
  int near_count = 0;
  for (int64_t j = lane; j < a.batch && kind == XR_MINING_DCL; j += 32) {
    const xr_mining_point v = xr_mining_point_of(&a, &t, j);
    if (!v.counts || v.identity == u.identity || !xr_mining_is_near(squared[j], xr_mining_limit(&s))) continue;
    near_sum += (double)xr_distance_of(squared[j]);
    near_count++;
  }
  near_sum = xr_warp_sum(near_sum);
  near_count = xr_warp_sum(near_count);
  if (lane != 0) return;
  xr_mining_anchor r;
  xr_mining_judge(&a, &t, &s, squared, near_sum, near_count, &r);
  t.anchor[i] = r;
}

static __global__ void __launch_bounds__(THREADS) factors_kernel(const xr_centre_mining a) {
  const xr_mining_tables t = xr_mining_tables_of(&a);
  const int64_t i = blockIdx.x, points = xr_mining_points(&a, &t);
  if (i >= points) return;
  const xr_mining_point u = xr_mining_point_of(&a, &t, i);
  float *pair = t.pair + i * 3 * a.batch;
  for (int64_t j = threadIdx.x; j < points; j += THREADS) {
    const xr_mining_point v = xr_mining_point_of(&a, &t, j);
    pair[j] = xr_mining_reads(a.options.kind, u, v) ? xr_mining_factor(&a, &t, u, v, i, j, pair[j]) : 0;
  }
  if (i != 0) return;
  double total = 0;
  for (int64_t k = threadIdx.x; k < points; k += THREADS) total += (double)t.anchor[k].loss;
  total = xr_block_sum<THREADS>(total);
  if (threadIdx.x == 0) a.loss[0] = (float)total;
}

/* Of the points from `first` on. */
static __global__ void __launch_bounds__(THREADS) gradient_kernel(const xr_centre_mining a, int64_t first) {
  const xr_mining_tables t = xr_mining_tables_of(&a);
  const int64_t i = first + blockIdx.y, column = (int64_t)blockIdx.x * THREADS + threadIdx.x, points = xr_mining_points(&a, &t);
  if (i >= points) return;
  float sum = xr_pair_gradient(xr_mining_rows(&a, &t), i, t.pair + i * 3 * a.batch, points, column);
  if (column >= a.width) return;
  const xr_mining_point u = xr_mining_point_of(&a, &t, i);
  if (u.centre) {
    t.centre_gradient[(i - a.batch) * a.width + column] = sum;
    return;
  }
  if (u.counts && xr_mining_has_centres(a.options.kind)) {
    float share;
    const int64_t centre = xr_mining_own_centre(&a, &t, u, &share);
    sum += share * t.centre_gradient[centre * a.width + column];
  }
  a.gradient[i * a.width + column] = sum;
}

extern "C" xr_status xr_centre_mining_forward_cuda(const xr_centre_mining *a, xr_stream stream) {
  XR_TRY(xr_centre_mining_check(a));
  const bool centres = xr_mining_has_centres(a->options.kind);
  const int64_t b = a->batch, most = centres ? 3 * b : b, columns = xr_blocks(a->width, THREADS);
  XR_TRY(xr_segments_find_cuda(name, xr_mining_tables_of(a).segments, a->identity, b, stream));
  XR_TRY(xr_launch(name, counts_kernel, 1, THREADS, 0, stream, *a));
  if (centres) XR_TRY(xr_launch(name, centres_kernel, xr_grid{columns, 2 * b, 1}, THREADS, 0, stream, *a));
  XR_TRY(xr_launch(name, distances_kernel, xr_grid{xr_blocks(most, WARPS), most, 1}, THREADS, 0, stream, *a));
  XR_TRY(xr_launch(name, anchors_kernel, xr_blocks(most, WARPS), THREADS, 0, stream, *a));
  XR_TRY(xr_launch(name, factors_kernel, most, THREADS, 0, stream, *a));
  if (centres) XR_TRY(xr_launch(name, gradient_kernel, xr_grid{columns, 2 * b, 1}, THREADS, 0, stream, *a, b));
  return xr_launch(name, gradient_kernel, xr_grid{columns, b, 1}, THREADS, 0, stream, *a, int64_t(0));
}

extern "C" xr_status xr_centre_mining_backward_cuda(const xr_centre_mining *a, xr_stream stream) {
  XR_TRY(xr_centre_mining_check(a));
  return xr_scaled_copy_cuda(name, a->dx, XR_F32, a->accumulate_dx, a->dloss, a->gradient, XR_F32, a->batch * a->width, stream);
}

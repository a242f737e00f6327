/* anchors: a warp looks at the candidates of one image or text up to three times and judges, its lanes share the candidates. gradient:
 * elementwise; its first block adds the loss. commonality first averages cosines by identity: a block a sample, then a block an identity.
 * asmr: a warp a row, one block for the means, then elementwise. */
#include "kernels/common/launch.h"
#include "kernels/common/reduce.cuh"
#include "kernels/common/scaled_copy.cuh"
#include "kernels/loss/centre/segments.cuh"
#include "kernels/loss/first_largest.cuh"
#include "kernels/loss/triplet/margin_anchor.h"

enum { THREADS = 256, ANCHORS = THREADS / 32, ROWS = 8 /* of the gradient, for each block */ };

static const char *const name = "semantic_margin";

/* ---- what two identities have in common */
static __global__ void __launch_bounds__(THREADS) average_columns_kernel(const xr_semantic_margin a) {
  const xr_margin_tables t = xr_margin_tables_of(&a);
  const xr_segments &s = t.segments;
  const int64_t row = (int64_t)blockIdx.x * a.batch;
  for (int32_t q = threadIdx.x; q < s.count[0]; q += THREADS) {
    double sum = 0;
    for (int32_t k = s.start[q]; k < s.start[q + 1]; k++) sum += (double)a.semantic[row + s.order[k]];
    t.common[row + q] = (float)(sum / (s.start[q + 1] - s.start[q]));
  }
}

static __global__ void __launch_bounds__(THREADS) average_rows_kernel(const xr_semantic_margin a) {
  const xr_margin_tables t = xr_margin_tables_of(&a);
  const xr_segments &s = t.segments;
  const int32_t p = (int32_t)blockIdx.x;
  if (p >= s.count[0]) return;
  const int32_t first = s.start[p], end = s.start[p + 1];
  for (int32_t q = threadIdx.x; q < s.count[0]; q += THREADS) {
    double sum = 0;
    for (int32_t k = first; k < end; k++) sum += (double)t.common[s.order[k] * a.batch + q];
    t.common[s.order[first] * a.batch + q] = (float)(sum / (end - first));
  }
}

/* ---- anchors */
static __device__ xr_margin_survey look(const xr_margin_line &l) {
  xr_margin_survey s = xr_margin_survey_start();
  for (int64_t j = threadIdx.x % 32; j < l.a->batch; j += 32) xr_margin_survey_add(&s, &l, j);
  s.positives = xr_warp_sum(s.positives);
  s.semis = xr_warp_sum(s.semis);
  s.negatives = xr_warp_sum(s.negatives);
  s.shortest = xr_warp_reduce(s.shortest, xr_min());
  s.longest = xr_warp_max(s.longest);
  s.lowest = xr_warp_reduce(s.lowest, xr_min());
  s.highest = xr_warp_max(s.highest);
  s.positive_largest = xr_warp_max(s.positive_largest);
  s.positive_sum = xr_warp_sum(s.positive_sum);
  s.semi_sum = xr_warp_sum(s.semi_sum);
  return s;
}

static __device__ void soften_positives(const xr_margin_line &l, xr_margin_anchor *r, float inverse_tau) {
  double weight = 0, weighted = 0;
  for (int64_t j = threadIdx.x % 32; j < l.a->batch; j += 32) {
    if (!xr_line_is_positive(&l, xr_line_role(&l, j), j)) continue;
    const float s = xr_line_similarity(&l, j), e = expf((s - r->positive_largest) * inverse_tau);
    weight += (double)e;
    weighted += (double)e * (double)s;
  }
  weight = xr_warp_sum(weight);
  xr_margin_soft_positives(r, weight, xr_warp_sum(weighted));
}

/* The largest S + m, the first among equals. */
static __device__ float hardest(const xr_margin_line &l, xr_margin_anchor *r) {
  xr_first_largest best;
  for (int64_t j = threadIdx.x % 32; j < l.a->batch; j += 32)
    if (xr_line_role(&l, j) == XR_ROLE_NEGATIVE)
      best.offer(xr_mining_key(xr_margin_score(&r->rule, xr_line_similarity(&l, j), xr_line_cosine(&l, j))), (int)j);
  best.share();
  r->negative_at = best.at;
  return xr_margin_score(&r->rule, xr_line_similarity(&l, best.at), xr_line_cosine(&l, best.at));
}

static __device__ double sum_exponentials(const xr_margin_line &l, const xr_margin_anchor &r, float inverse_tau) {
  double sum = 0;
  for (int64_t j = threadIdx.x % 32; j < l.a->batch; j += 32)
    if (xr_line_role(&l, j) == XR_ROLE_NEGATIVE) {
      const float score = xr_margin_score(&r.rule, xr_line_similarity(&l, j), xr_line_cosine(&l, j));
      sum += (double)expf((score - r.largest) * inverse_tau);
    }
  return xr_warp_sum(sum);
}

static __device__ double sum_hinges(const xr_margin_line &l, const xr_margin_anchor &r, int *active) {
  double sum = 0;
  int count = 0;
  for (int64_t j = threadIdx.x % 32; j < l.a->batch; j += 32) {
    if (xr_line_role(&l, j) != XR_ROLE_NEGATIVE) continue;
    const float hinge = xr_margin_hinge(&r, xr_line_similarity(&l, j), xr_line_cosine(&l, j));
    if (hinge <= 0) continue;
    sum += (double)hinge;
    count++;
  }
  *active = xr_warp_sum(count);
  return xr_warp_sum(sum);
}

static __device__ xr_margin_anchor judge(const xr_semantic_margin &a, const xr_margin_line &l) {
  const xr_margin_survey survey = look(l);
  if (survey.negatives == 0) {
    const xr_margin_anchor none = {{0, 0, 0}, 0, 0, 0, 0, 0, 0, 0, 0, -1};
    return none;
  }
  const float inverse_tau = 1 / a.options.tau;
  xr_margin_anchor r = xr_margin_anchor_start(&l, &survey);
  if (a.options.positives == XR_MARGIN_ALL_SAME_PID_SOFT) soften_positives(l, &r, inverse_tau);
  int active = 1;
  if (a.options.reduction == XR_MARGIN_SUM) {
    const double sum = sum_hinges(l, r, &active);
    xr_margin_judge(&a, &r, 0, sum, active);
    return r;
  }
  r.largest = hardest(l, &r);
  xr_margin_judge(&a, &r, r.largest, a.options.reduction == XR_MARGIN_LSE ? sum_exponentials(l, r, inverse_tau) : 0, active);
  return r;
}

static __global__ void __launch_bounds__(THREADS) anchors_kernel(const xr_semantic_margin a) {
  const int64_t k = (int64_t)blockIdx.x * ANCHORS + threadIdx.x / 32;
  if (k >= 2 * a.batch) return;
  const xr_margin_anchor r = judge(a, xr_margin_line_of(&a, k));
  if (threadIdx.x % 32 == 0) xr_margin_tables_of(&a).anchor[k] = r;
}

static __device__ void add_loss(const xr_semantic_margin &a, const xr_margin_anchor *anchor) {
  double total = 0;
  for (int64_t k = threadIdx.x; k < 2 * a.batch; k += THREADS) total += (double)anchor[k].loss;
  total = xr_block_sum<THREADS>(total);
  if (threadIdx.x == 0) a.loss[0] = (float)(0.5 * total / (double)a.batch);
}

static __global__ void __launch_bounds__(THREADS) gradient_kernel(const xr_semantic_margin a) {
  const xr_margin_anchor *image = xr_margin_tables_of(&a).anchor, *text = image + a.batch;
  if (blockIdx.x == 0 && blockIdx.y == 0) add_loss(a, image);
  const int64_t j = (int64_t)blockIdx.x * THREADS + threadIdx.x, first = (int64_t)blockIdx.y * ROWS;
  if (j >= a.batch) return;
  const xr_margin_anchor column = text[j];
  const xr_margin_line column_line = xr_margin_line_of(&a, a.batch + j);
  const float inverse_tau = 1 / a.options.tau;
  for (int64_t i = first; i < first + ROWS && i < a.batch; i++) {
    const xr_margin_line row_line = xr_margin_line_of(&a, i);
    a.gradient[i * a.batch + j] = xr_margin_gradient(&row_line, &image[i], j, inverse_tau) +
                                  xr_margin_gradient(&column_line, &column, i, inverse_tau);
  }
}

static xr_status triplets(const xr_semantic_margin *a, xr_stream stream) {
  if (a->options.kind == XR_MARGIN_COMMONALITY) {
    XR_TRY(xr_segments_find_cuda(name, xr_margin_tables_of(a).segments, a->identity, a->batch, stream));
    XR_TRY(xr_launch(name, average_columns_kernel, a->batch, THREADS, 0, stream, *a));
    XR_TRY(xr_launch(name, average_rows_kernel, a->batch, THREADS, 0, stream, *a));
  }
  const xr_grid grid = {xr_blocks(a->batch, THREADS), xr_blocks(a->batch, ROWS), 1};
  XR_TRY(xr_launch(name, anchors_kernel, xr_blocks(2 * a->batch, ANCHORS), THREADS, 0, stream, *a));
  return xr_launch(name, gradient_kernel, grid, THREADS, 0, stream, *a);
}

/* ---- asmr: the targets stand in the gradient until it is made */
static __global__ void __launch_bounds__(THREADS) targets_kernel(const xr_semantic_margin a) {
  const int64_t i = (int64_t)blockIdx.x * ANCHORS + threadIdx.x / 32;
  if (i >= a.batch) return;
  xr_margin_sums s = {0, 0, 0};
  for (int64_t j = threadIdx.x % 32; j < a.batch; j += 32) {
    const float target = xr_margin_target(&a, i, j);
    a.gradient[i * a.batch + j] = target;
    xr_margin_sums_add(&s, a.similarity[i * a.batch + j], target);
  }
  s.similarity = xr_warp_sum(s.similarity);
  s.difference = xr_warp_sum(s.difference);
  s.square = xr_warp_sum(s.square);
  if (threadIdx.x % 32 == 0) xr_margin_tables_of(&a).sums[i] = s;
}

static __global__ void __launch_bounds__(THREADS) means_kernel(const xr_semantic_margin a) {
  xr_margin_sums *row = xr_margin_tables_of(&a).sums, s = {0, 0, 0};
  for (int64_t i = threadIdx.x; i < a.batch; i += THREADS) xr_margin_sums_join(&s, &row[i]);
  s.similarity = xr_block_sum<THREADS>(s.similarity); /* which waits until every row was read */
  s.difference = xr_block_sum<THREADS>(s.difference);
  s.square = xr_block_sum<THREADS>(s.square);
  if (threadIdx.x != 0) return;
  a.loss[0] = xr_margin_regression(&s, a.batch);
  row[0] = s;
}

static __global__ void __launch_bounds__(THREADS) pull_kernel(const xr_semantic_margin a) {
  const int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (at >= a.batch * a.batch) return;
  a.gradient[at] = xr_margin_pull(a.similarity[at], a.gradient[at], xr_margin_tables_of(&a).sums[0].difference, a.batch);
}

static xr_status regression(const xr_semantic_margin *a, xr_stream stream) {
  XR_TRY(xr_launch(name, targets_kernel, xr_blocks(a->batch, ANCHORS), THREADS, 0, stream, *a));
  XR_TRY(xr_launch(name, means_kernel, 1, THREADS, 0, stream, *a));
  return xr_launch(name, pull_kernel, xr_blocks(a->batch * a->batch, THREADS), THREADS, 0, stream, *a);
}

extern "C" xr_status xr_semantic_margin_forward_cuda(const xr_semantic_margin *a, xr_stream stream) {
  XR_TRY(xr_semantic_margin_check(a));
  return a->options.kind == XR_MARGIN_ASMR ? regression(a, stream) : triplets(a, stream);
}

extern "C" xr_status xr_semantic_margin_backward_cuda(const xr_semantic_margin *a, xr_stream stream) {
  XR_TRY(xr_semantic_margin_check(a));
  return xr_scaled_copy_cuda(name, a->dsimilarity, XR_F32, a->accumulate_dsimilarity, a->dloss, a->gradient, XR_F32, a->batch * a->batch,
                             stream);
}

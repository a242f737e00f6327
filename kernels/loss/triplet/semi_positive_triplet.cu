/* anchors: a warp mines and judges one image or text, its lanes share the candidates. gradient: elementwise; its first block adds the loss.
 */
#include "kernels/common/launch.h"
#include "kernels/common/reduce.cuh"
#include "kernels/common/scaled_copy.cuh"
#include "kernels/loss/first_largest.cuh"
#include "kernels/loss/triplet/anchor.h"

enum { THREADS = 256, ANCHORS = THREADS / 32, ROWS = 8 /* of the gradient, for each block */ };

/* An anchor and its candidates: a row or a column of S. */
struct xr_triplet_line {
  const xr_semi_positive_triplet &a;
  int own, step, batch;
  int32_t identity, image;
  const float *s;

  __device__ xr_triplet_line(const xr_semi_positive_triplet &arguments, int64_t anchor)
      : a(arguments), own((int)(anchor % a.batch)), step(anchor < a.batch ? 1 : (int)a.batch), batch((int)a.batch),
        identity(a.identity[own]), image(a.image[own]), s(a.similarity + (anchor < a.batch ? (int64_t)own * a.batch : own)) {}

  __device__ __forceinline__ float value(int j) const { return s[(int64_t)j * step]; }
  __device__ __forceinline__ bool is(xr_triplet_role role, int j) const {
    return xr_role_of(identity, image, a.identity[j], a.image[j]) == role;
  }
  __device__ __forceinline__ bool is_candidate(xr_triplet_role role, bool semi_hard, int j) const {
    return is(role, j) && (!semi_hard || xr_is_semi_hard(a.options.margin, value(own), value(j)));
  }
};

/* The candidate with the largest sign * S; the first among equals. */
static __device__ xr_mined mine_largest(const xr_triplet_line &l, xr_triplet_role role, float sign) {
  xr_first_largest best;
  int count = 0;
  for (int j = threadIdx.x % 32; j < l.batch; j += 32) {
    if (!l.is(role, j)) continue;
    best.offer(xr_mining_key(sign * l.value(j)), j);
    count++;
  }
  best.share();
  count = xr_warp_sum(count);
  if (count == 0) return {XR_MINED_NONE, 0, 0, 0, 0};
  return {best.at, count, l.value(best.at), 0, 0};
}

static __device__ xr_mined mine_random(const xr_triplet_line &l, xr_triplet_role role, bool semi_hard, uint32_t word) {
  const int lane = threadIdx.x % 32;
  int count = 0, at = -1, before = 0;
  for (int j = lane; j < l.batch; j += 32) count += l.is_candidate(role, semi_hard, j);
  count = xr_warp_sum(count);
  if (count == 0) return {XR_MINED_NONE, 0, 0, 0, 0};
  const int wanted = (int)xr_below(word, (uint32_t)count);
  for (int first = 0; before <= wanted; first += 32) {
    const int j = first + lane;
    const bool candidate = j < l.batch && l.is_candidate(role, semi_hard, j);
    const unsigned all = __ballot_sync(0xffffffffu, candidate);
    if (candidate && before + __popc(all & ((1u << lane) - 1)) == wanted) at = j;
    before += __popc(all);
  }
  at = xr_warp_max(at);
  return {at, count, l.value(at), 0, 0};
}

static __device__ xr_mined mine_mean(const xr_triplet_line &l) {
  float sum = 0;
  int count = 0;
  for (int j = threadIdx.x % 32; j < l.batch; j += 32) {
    if (!l.is(XR_ROLE_SEMI, j)) continue;
    sum += l.value(j);
    count++;
  }
  sum = xr_warp_sum(sum);
  count = xr_warp_sum(count);
  if (count == 0) return {XR_MINED_NONE, 0, 0, 0, 0};
  return {XR_MINED_ALL, count, sum / (float)count, 0, 0};
}

static __device__ xr_mined mine_soft(const xr_triplet_line &l) {
  xr_mined m = mine_largest(l, XR_ROLE_NEGATIVE, 1);
  if (m.count == 0) return m;
  const float tau = l.a.options.tau, inverse_tau = 1 / tau;
  float sum = 0;
  for (int j = threadIdx.x % 32; j < l.batch; j += 32)
    if (l.is(XR_ROLE_NEGATIVE, j)) sum += expf((l.value(j) - m.value) * inverse_tau);
  m.at = XR_MINED_ALL;
  m.largest = m.value;
  m.log_sum = logf(xr_warp_sum(sum));
  m.value = m.largest + tau * m.log_sum;
  return m;
}

static __device__ xr_mined mine_semi(const xr_triplet_line &l, uint32_t word) {
  switch (l.a.options.semi) {
  case XR_SEMI_HARD:
    return mine_largest(l, XR_ROLE_SEMI, -1);
  case XR_SEMI_MEAN:
    return mine_mean(l);
  default:
    return mine_random(l, XR_ROLE_SEMI, false, word);
  }
}

static __device__ xr_mined mine_negative(const xr_triplet_line &l, uint32_t word) {
  const xr_triplet_options &o = l.a.options;
  if (o.kind == XR_TRIPLET_SOFT) return mine_soft(l);
  if (o.negative == XR_NEGATIVE_HARD) return mine_largest(l, XR_ROLE_NEGATIVE, 1);
  return mine_random(l, XR_ROLE_NEGATIVE, o.negative == XR_NEGATIVE_SEMI_HARD, word);
}

static __global__ void __launch_bounds__(THREADS) anchors_kernel(const xr_semi_positive_triplet a, bool random) {
  const int64_t k = (int64_t)blockIdx.x * ANCHORS + threadIdx.x / 32;
  if (k >= 2 * a.batch) return;
  const xr_triplet_line l(a, k);
  xr_philox words = {{0, 0, 0, 0}};
  if (random) words = xr_seed_words(a.seed, a.node, (uint64_t)k);
  const xr_mined semi = mine_semi(l, words.word[0]), negative = mine_negative(l, words.word[1]);
  if (threadIdx.x % 32 != 0) return;
  static_cast<xr_triplet_anchor *>(a.workspace)[k] = xr_judge(&a.options, xr_triplet_adapts(&a), a.batch, l.value(l.own), semi, negative);
}

static __device__ void add_loss(const xr_semi_positive_triplet &a, const xr_triplet_anchor *anchor) {
  double total = 0;
  for (int64_t k = threadIdx.x; k < 2 * a.batch; k += THREADS) total += (double)anchor[k].loss;
  total = xr_block_sum<THREADS>(total);
  if (threadIdx.x == 0) a.loss[0] = (float)(0.5 * total / (double)a.batch);
}

static __global__ void __launch_bounds__(THREADS) gradient_kernel(const xr_semi_positive_triplet a) {
  const xr_triplet_anchor *image = static_cast<const xr_triplet_anchor *>(a.workspace), *text = image + a.batch;
  if (blockIdx.x == 0 && blockIdx.y == 0) add_loss(a, image);
  const int64_t j = (int64_t)blockIdx.x * THREADS + threadIdx.x, first = (int64_t)blockIdx.y * ROWS;
  if (j >= a.batch) return;
  const xr_triplet_anchor column = text[j];
  const int32_t identity = a.identity[j], picture = a.image[j];
  const float inverse_tau = 1 / a.options.tau;
  for (int64_t i = first; i < first + ROWS && i < a.batch; i++) {
    const xr_triplet_role role = xr_role_of(a.identity[i], a.image[i], identity, picture);
    const float s = a.similarity[i * a.batch + j];
    a.gradient[i * a.batch + j] = xr_anchor_gradient(&image[i], role, i, j, s, inverse_tau) +
                                  xr_anchor_gradient(&column, role, j, i, s, inverse_tau);
  }
}

extern "C" xr_status xr_semi_positive_triplet_forward_cuda(const xr_semi_positive_triplet *a, xr_stream stream) {
  XR_TRY(xr_semi_positive_triplet_check(a));
  const xr_grid grid = {xr_blocks(a->batch, THREADS), xr_blocks(a->batch, ROWS), 1};
  XR_TRY(xr_launch("semi_positive_triplet", anchors_kernel, xr_blocks(2 * a->batch, ANCHORS), THREADS, 0, stream, *a, a->seed != nullptr));
  return xr_launch("semi_positive_triplet", gradient_kernel, grid, THREADS, 0, stream, *a);
}

extern "C" xr_status xr_semi_positive_triplet_backward_cuda(const xr_semi_positive_triplet *a, xr_stream stream) {
  XR_TRY(xr_semi_positive_triplet_check(a));
  return xr_scaled_copy_cuda("semi_positive_triplet", a->dsimilarity, XR_F32, a->accumulate_dsimilarity, a->dloss, a->gradient, XR_F32,
                             a->batch * a->batch, stream);
}

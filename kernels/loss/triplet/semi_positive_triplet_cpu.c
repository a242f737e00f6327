#include "kernels/loss/triplet/semi_positive_triplet.h"

#include "kernels/common/spans.h"
#include "kernels/loss/triplet/anchor.h"

size_t xr_semi_positive_triplet_workspace(const xr_semi_positive_triplet *a) { return 2 * (size_t)a->batch * sizeof(xr_triplet_anchor); }

static bool needs_seed(const xr_triplet_options *o) {
  return o->semi == XR_SEMI_RANDOM || (o->kind != XR_TRIPLET_SOFT && o->negative != XR_NEGATIVE_HARD) || o->adaptive_from > 0;
}

xr_status xr_semi_positive_triplet_check(const xr_semi_positive_triplet *a) {
  const xr_triplet_options *o = &a->options;
  if (a->batch < 1 || a->batch > INT32_MAX / 2)
    return xr_fail(XR_BAD_SHAPE, "semi_positive_triplet: a batch of %lld, legal are 1 to 2^30", (long long)a->batch);
  if ((unsigned)o->kind >= XR_TRIPLET_KINDS || (unsigned)o->semi >= XR_SEMI_MININGS || (unsigned)o->negative >= XR_NEGATIVE_MININGS)
    return xr_fail(XR_BAD_ARGUMENT, "semi_positive_triplet: kind %d, semi %d or negative %d is not one that is listed", (int)o->kind,
                   (int)o->semi, (int)o->negative);
  if (!(o->margin >= 0 && o->beta >= 0 && o->gamma >= 0 && o->order_margin >= 0))
    return xr_fail(XR_BAD_ARGUMENT, "semi_positive_triplet: margin %g, beta %g, gamma %g, order_margin %g; all must be at least 0",
                   (double)o->margin, (double)o->beta, (double)o->gamma, (double)o->order_margin);
  if (o->kind == XR_TRIPLET_SOFT && !(o->tau > 0))
    return xr_fail(XR_BAD_ARGUMENT, "semi_positive_triplet: tau %g (legal: above 0)", (double)o->tau);
  if (o->adaptive_from < -1)
    return xr_fail(XR_BAD_ARGUMENT, "semi_positive_triplet: adaptive_from %lld (a step, or -1: never)", (long long)o->adaptive_from);
  if (needs_seed(o) && !a->seed) return xr_fail(XR_BAD_ARGUMENT, "semi_positive_triplet: these options need a seed");
  return XR_OK;
}

/* An anchor and its candidates: a row or a column of S. */
typedef struct {
  const xr_semi_positive_triplet *a;
  int64_t own, step;
  const float *s; /* of candidate j: s[j * step] */
} line;

static float value_at(const line *l, int64_t j) { return l->s[j * l->step]; }

static xr_triplet_role role_at(const line *l, int64_t j) {
  const int32_t *identity = l->a->identity, *image = l->a->image;
  return xr_role_of(identity[l->own], image[l->own], identity[j], image[j]);
}

static bool is_candidate(const line *l, xr_triplet_role role, bool semi_hard, int64_t j) {
  if (role_at(l, j) != role) return false;
  return !semi_hard || xr_is_semi_hard(l->a->options.margin, value_at(l, l->own), value_at(l, j));
}

/* The candidate with the largest sign * S; the first among equals. */
static xr_mined mine_largest(const line *l, xr_triplet_role role, float sign) {
  xr_mined m = {.at = XR_MINED_NONE};
  float best = 0;
  for (int64_t j = 0; j < l->a->batch; j++) {
    if (!is_candidate(l, role, false, j)) continue;
    const float key = xr_mining_key(sign * value_at(l, j));
    if (m.count++ == 0 || key > best) {
      best = key;
      m.at = (int32_t)j;
    }
  }
  if (m.count) m.value = value_at(l, m.at);
  return m;
}

static xr_mined mine_random(const line *l, xr_triplet_role role, bool semi_hard, uint32_t word) {
  xr_mined m = {.at = XR_MINED_NONE};
  for (int64_t j = 0; j < l->a->batch; j++) m.count += is_candidate(l, role, semi_hard, j);
  if (m.count == 0) return m;
  uint32_t before = xr_below(word, (uint32_t)m.count);
  for (int64_t j = 0; m.at == XR_MINED_NONE; j++)
    if (is_candidate(l, role, semi_hard, j) && before-- == 0) m.at = (int32_t)j;
  m.value = value_at(l, m.at);
  return m;
}

static xr_mined mine_mean(const line *l) {
  xr_mined m = {.at = XR_MINED_NONE};
  double sum = 0;
  for (int64_t j = 0; j < l->a->batch; j++) {
    if (role_at(l, j) != XR_ROLE_SEMI) continue;
    sum += (double)value_at(l, j);
    m.count++;
  }
  if (m.count == 0) return m;
  m.at = XR_MINED_ALL;
  m.value = (float)(sum / m.count);
  return m;
}

static xr_mined mine_soft(const line *l) {
  xr_mined m = mine_largest(l, XR_ROLE_NEGATIVE, 1);
  if (m.count == 0) return m;
  const float tau = l->a->options.tau;
  double sum = 0;
  m.at = XR_MINED_ALL;
  m.largest = m.value;
  for (int64_t j = 0; j < l->a->batch; j++)
    if (role_at(l, j) == XR_ROLE_NEGATIVE) sum += (double)expf((value_at(l, j) - m.largest) / tau);
  m.log_sum = (float)log(sum);
  m.value = m.largest + tau * m.log_sum;
  return m;
}

static xr_mined mine_semi(const line *l, uint32_t word) {
  switch (l->a->options.semi) {
  case XR_SEMI_HARD:
    return mine_largest(l, XR_ROLE_SEMI, -1);
  case XR_SEMI_MEAN:
    return mine_mean(l);
  default:
    return mine_random(l, XR_ROLE_SEMI, false, word);
  }
}

static xr_mined mine_negative(const line *l, uint32_t word) {
  const xr_triplet_options *o = &l->a->options;
  if (o->kind == XR_TRIPLET_SOFT) return mine_soft(l);
  if (o->negative == XR_NEGATIVE_HARD) return mine_largest(l, XR_ROLE_NEGATIVE, 1);
  return mine_random(l, XR_ROLE_NEGATIVE, o->negative == XR_NEGATIVE_SEMI_HARD, word);
}

static void judge_anchors(const xr_semi_positive_triplet *a, xr_triplet_anchor *anchor) {
  const int64_t batch = a->batch;
  const bool random = needs_seed(&a->options), adapts = xr_triplet_adapts(a);
#pragma omp parallel for schedule(static)
  for (int64_t k = 0; k < 2 * batch; k++) {
    const int64_t i = k % batch;
    const bool text = k >= batch;
    const line l = {a, i, text ? batch : 1, a->similarity + (text ? i : i * batch)};
    const xr_philox words = random ? xr_seed_words(a->seed, a->node, (uint64_t)k) : (xr_philox){{0}};
    anchor[k] = xr_judge(&a->options, adapts, batch, value_at(&l, i), mine_semi(&l, words.word[0]), mine_negative(&l, words.word[1]));
  }
}

static void write_gradient(const xr_semi_positive_triplet *a, const xr_triplet_anchor *image, const xr_triplet_anchor *text) {
  const int64_t batch = a->batch;
  const float inverse_tau = 1 / a->options.tau;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < batch; i++)
    for (int64_t j = 0; j < batch; j++) {
      const xr_triplet_role role = xr_role_of(a->identity[i], a->image[i], a->identity[j], a->image[j]);
      const float s = a->similarity[i * batch + j];
      a->gradient[i * batch + j] = xr_anchor_gradient(&image[i], role, i, j, s, inverse_tau) +
                                   xr_anchor_gradient(&text[j], role, j, i, s, inverse_tau);
    }
}

xr_status xr_semi_positive_triplet_forward_cpu(const xr_semi_positive_triplet *a) {
  XR_TRY(xr_semi_positive_triplet_check(a));
  xr_triplet_anchor *anchor = a->workspace;
  judge_anchors(a, anchor);
  write_gradient(a, anchor, anchor + a->batch);
  double total = 0;
  for (int64_t k = 0; k < 2 * a->batch; k++) total += (double)anchor[k].loss;
  a->loss[0] = (float)(0.5 * total / (double)a->batch);
  return XR_OK;
}

xr_status xr_semi_positive_triplet_backward_cpu(const xr_semi_positive_triplet *a) {
  XR_TRY(xr_semi_positive_triplet_check(a));
  xr_scaled_copy(a->dsimilarity, XR_F32, a->accumulate_dsimilarity, a->dloss[0], a->gradient, XR_F32, a->batch * a->batch);
  return XR_OK;
}

#include "kernels/common/math.h"
#include "kernels/embedding_set/rank_groups.h"
#include "kernels/embedding_set/token_weights.h"

static xr_status check_sizes(const char *name, int64_t batch, int64_t tokens, int64_t set) {
  if (batch >= 0 && tokens >= 1 && tokens <= XR_TOKEN_WEIGHTS_MAX_TOKENS && set >= 1 && set <= XR_MAX_SET_SIZE) return XR_OK;
  return xr_fail(XR_BAD_SHAPE, "%s: weights [%lld, %lld, %lld]; 1 to %d tokens and 1 to %d elements are supported", name, (long long)batch,
                 (long long)tokens, (long long)set, XR_TOKEN_WEIGHTS_MAX_TOKENS, XR_MAX_SET_SIZE);
}

static xr_status check_lengths(const char *name, const int32_t *length, int64_t batch, int64_t tokens) {
  for (int64_t b = 0; length && b < batch; b++)
    if (length[b] < 0 || length[b] > tokens)
      return xr_fail(XR_BAD_INPUT, "%s: sample %lld has length %d; legal are 0 to %lld", name, (long long)b, length[b], (long long)tokens);
  return XR_OK;
}

xr_status xr_token_weights_check(const xr_token_weights *a) {
  if ((unsigned)a->kind >= XR_WEIGHTS_KINDS) return xr_fail(XR_UNSUPPORTED, "token_weights: kind %d", (int)a->kind);
  return check_sizes("token_weights", a->batch, a->tokens, a->set);
}

xr_status xr_rank_weights_check(const xr_rank_weights *a) {
  if (!(a->ratio > 0 && a->ratio <= 1)) return xr_fail(XR_UNSUPPORTED, "rank_weights: ratio %g", (double)a->ratio);
  return check_sizes("rank_weights", a->batch, a->tokens, a->set);
}

static int64_t columns_of(const xr_token_weights *a) { return a->kind == XR_WEIGHTS_SHARES ? a->set + 1 : a->set; }
static int64_t end_of(const int32_t *length, int64_t b, int64_t tokens) { return length ? length[b] : tokens; }

/* s = softmax of one token's logits over the elements; returns their log-sum-exp. */
static float shares_of(const float *logits, int64_t set, float *s) {
  float highest = logits[0], sum = 0;
  for (int64_t k = 1; k < set; k++) highest = logits[k] > highest ? logits[k] : highest;
  for (int64_t k = 0; k < set; k++) sum += s[k] = xr_exp(logits[k] - highest);
  for (int64_t k = 0; k < set; k++) s[k] /= sum;
  return highest + logf(sum);
}

/* ---- forward */
/* b, where the weights will stand */
static void scores(const xr_token_weights *a, const float *logits, int64_t end, float *w) {
  const int64_t set = a->set, columns = columns_of(a);
  float s[XR_MAX_SET_SIZE];
  for (int64_t n = 0; n < end; n++) {
    const float *row = logits + n * columns;
    const float added = a->kind == XR_WEIGHTS_SHARES ? row[set] - shares_of(row, set, s) : 0;
    for (int64_t k = 0; k < set; k++) w[n * set + k] = row[k] + added;
  }
}

static void softmax_over_tokens(float *w, int64_t end, int64_t set, int64_t k) {
  float highest = w[k], sum = 0;
  for (int64_t n = 1; n < end; n++) highest = w[n * set + k] > highest ? w[n * set + k] : highest;
  for (int64_t n = 0; n < end; n++) sum += w[n * set + k] = xr_exp(w[n * set + k] - highest);
  for (int64_t n = 0; n < end; n++) w[n * set + k] /= sum;
}

xr_status xr_token_weights_forward_cpu(const xr_token_weights *a) {
  XR_TRY(xr_token_weights_check(a));
  XR_TRY(check_lengths("token_weights", a->length, a->batch, a->tokens));
#pragma omp parallel for schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    const int64_t end = end_of(a->length, b, a->tokens);
    float *w = a->weights + b * a->tokens * a->set;
    scores(a, a->logits + b * a->tokens * columns_of(a), end, w);
    for (int64_t k = 0; k < a->set && end; k++) softmax_over_tokens(w, end, a->set, k);
    for (int64_t i = end * a->set; i < a->tokens * a->set; i++) w[i] = 0;
  }
  return XR_OK;
}

/* ---- backward */
static void backward_token(const xr_token_weights *a, int64_t token, const float mean[XR_MAX_SET_SIZE]) {
  const int64_t set = a->set, columns = columns_of(a);
  const float *w = a->weights + token * set, *g = a->dweights + token * set;
  float d[XR_MAX_SET_SIZE + 1], s[XR_MAX_SET_SIZE], sum = 0;
  for (int64_t k = 0; k < set; k++) sum += d[k] = w[k] * (g[k] - mean[k]);
  if (a->kind == XR_WEIGHTS_SHARES) {
    shares_of(a->logits + token * columns, set, s);
    for (int64_t k = 0; k < set; k++) d[k] -= s[k] * sum;
    d[set] = sum;
  }
  float *to = a->dlogits + token * columns;
  for (int64_t k = 0; k < columns; k++) to[k] = a->accumulate_dlogits ? to[k] + d[k] : d[k];
}

xr_status xr_token_weights_backward_cpu(const xr_token_weights *a) {
  XR_TRY(xr_token_weights_check(a));
  XR_TRY(check_lengths("token_weights", a->length, a->batch, a->tokens));
#pragma omp parallel for schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    const int64_t end = end_of(a->length, b, a->tokens), first = b * a->tokens, columns = columns_of(a);
    float mean[XR_MAX_SET_SIZE] = {0};
    for (int64_t n = first; n < first + end; n++)
      for (int64_t k = 0; k < a->set; k++) mean[k] += a->weights[n * a->set + k] * a->dweights[n * a->set + k];
    for (int64_t n = first; n < first + end; n++) backward_token(a, n, mean);
    for (int64_t i = (first + end) * columns; i < (first + a->tokens) * columns && !a->accumulate_dlogits; i++) a->dlogits[i] = 0;
  }
  return XR_OK;
}

/* ---- ranks */
xr_status xr_rank_weights_forward_cpu(const xr_rank_weights *a) {
  XR_TRY(xr_rank_weights_check(a));
  XR_TRY(check_lengths("rank_weights", a->length, a->batch, a->tokens));
#pragma omp parallel for schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    const int32_t end = (int32_t)end_of(a->length, b, a->tokens), m = xr_chosen(a->ratio, end);
    const float *score = a->score + b * a->tokens;
    for (int32_t n = 0; n < a->tokens; n++) {
      int32_t rank = n < end ? 0 : m; /* m: not chosen */
      for (int32_t j = 0; j < end && n < end; j++) rank += j != n && xr_ranks_before(score[j], j, score[n], n);
      for (int32_t k = 0; k < a->set; k++) a->weights[(b * a->tokens + n) * a->set + k] = xr_rank_weight(rank, k, (int32_t)a->set, m);
    }
  }
  return XR_OK;
}

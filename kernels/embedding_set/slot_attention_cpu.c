#include "kernels/embedding_set/slot_attention.h"

#include <math.h>

#include "kernels/common/math.h"
#include "kernels/common/spans.h"

enum { SLOTS = XR_SLOT_ATTENTION_MAX_SLOTS, COLUMNS = XR_SLOT_ATTENTION_MAX_HEAD_DIM, CHUNK = 32 /* tokens */ };

static const float EPS = 1e-7f; /* beside Z */

/* One head of one sample, as f32. */
typedef struct {
  const xr_slot_attention *a;
  int64_t b, h, slots, dim, tokens; /* tokens that count */
  float scale;
  float q[SLOTS][COLUMNS];
} head;

static int64_t width_of(const xr_slot_attention *a) { return a->heads * a->head_dim; }

/* Where the row of this head begins: slot k in [B, K, D], token n in the tokens' tensors. */
static int64_t slot_at(const head *x, int64_t k) { return (x->b * x->slots + k) * width_of(x->a) + x->h * x->dim; }
static int64_t token_at(const head *x, int64_t n) { return (x->b * x->a->tokens + n) * x->a->row_stride + x->h * x->dim; }
static int64_t sums_at(const head *x) { return (x->b * x->a->heads + x->h) * x->slots; }

xr_status xr_slot_attention_check(const xr_slot_attention *a) {
  if (a->batch < 0 || a->slots < 1 || a->slots > SLOTS || a->tokens < 1 || a->tokens > XR_SLOT_ATTENTION_MAX_TOKENS)
    return xr_fail(XR_BAD_SHAPE, "slot_attention: %lld samples, %lld slots, %lld tokens; 1 to %d slots, 1 to %d tokens are supported",
                   (long long)a->batch, (long long)a->slots, (long long)a->tokens, SLOTS, XR_SLOT_ATTENTION_MAX_TOKENS);
  if (a->heads < 1 || a->heads > XR_SLOT_ATTENTION_MAX_HEADS || a->head_dim < 1 || a->head_dim > COLUMNS)
    return xr_fail(XR_BAD_SHAPE, "slot_attention: %lld heads of %lld; 1 to %d heads of 1 to %d are supported", (long long)a->heads,
                   (long long)a->head_dim, XR_SLOT_ATTENTION_MAX_HEADS, COLUMNS);
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "slot_attention: dtype %s", xr_dtype_name(a->dtype));
  if (a->row_stride < width_of(a))
    return xr_fail(XR_BAD_SHAPE, "slot_attention: rows are %lld elements apart, shorter than %lld heads of %lld", (long long)a->row_stride,
                   (long long)a->heads, (long long)a->head_dim);
  return XR_OK;
}

static xr_status check_lengths(const xr_slot_attention *a) {
  for (int64_t b = 0; a->length && b < a->batch; b++) {
    if (a->length[b] < 0 || a->length[b] > a->tokens)
      return xr_fail(XR_BAD_INPUT, "slot_attention: length[%lld] is %d; 0 to tokens = %lld are possible", (long long)b, a->length[b],
                     (long long)a->tokens);
  }
  return XR_OK;
}

static void read_slots(const head *x, const void *from, float rows[SLOTS][COLUMNS]) {
  for (int64_t k = 0; k < x->slots; k++) {
    float scratch[COLUMNS];
    memcpy(rows[k], xr_span_read(from, x->a->dtype, slot_at(x, k), x->dim, scratch), (size_t)x->dim * sizeof(float));
  }
}

static void head_init(head *x, const xr_slot_attention *a, int64_t at) {
  x->a = a;
  x->b = at / a->heads;
  x->h = at % a->heads;
  x->slots = a->slots;
  x->dim = a->head_dim;
  x->tokens = a->length ? a->length[x->b] : a->tokens;
  x->scale = 1 / sqrtf((float)a->head_dim);
  read_slots(x, a->q, x->q);
}

static float dot(const float *a, const float *b, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

static void multiply_add(float *sum, float factor, const float *x, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) sum[i] += factor * x[i];
}

/* s[k] of one token. */
static void votes(const head *x, const float *key, float *s) {
  float largest = -INFINITY, sum = 0;
  for (int64_t k = 0; k < x->slots; k++) {
    s[k] = x->scale * dot(x->q[k], key, x->dim);
    largest = s[k] > largest || s[k] != s[k] ? s[k] : largest;
  }
  for (int64_t k = 0; k < x->slots; k++) sum += s[k] = xr_exp(s[k] - largest);
  for (int64_t k = 0; k < x->slots; k++) s[k] /= sum;
}

/* Sums over tokens for each slot. They are made of chunks' sums: up to 600 numbers one after the other would lose a digit. */
typedef struct {
  float row[SLOTS][COLUMNS], z[SLOTS];
} slot_sums;

static void add_sums(const head *x, slot_sums *total, const slot_sums *chunk) {
  for (int64_t k = 0; k < x->slots; k++) {
    total->z[k] += chunk->z[k];
    multiply_add(total->row[k], 1, chunk->row[k], x->dim);
  }
}

static int64_t chunk_end(const head *x, int64_t first) { return first + CHUNK < x->tokens ? first + CHUNK : x->tokens; }

static void forward_token(const head *x, int64_t n, slot_sums *sums) {
  const xr_slot_attention *a = x->a;
  float scratch[COLUMNS], s[SLOTS];
  votes(x, xr_span_read(a->k, a->dtype, token_at(x, n), x->dim, scratch), s);
  const float *value = xr_span_read(a->v, a->dtype, token_at(x, n), x->dim, scratch);
  for (int64_t k = 0; k < x->slots; k++) {
    sums->z[k] += s[k];
    multiply_add(sums->row[k], s[k], value, x->dim);
  }
}

static void forward_head(const xr_slot_attention *a, int64_t at) {
  head x;
  head_init(&x, a, at);
  slot_sums total = {{{0}}, {0}};
  for (int64_t first = 0; first < x.tokens; first += CHUNK) {
    slot_sums chunk = {{{0}}, {0}};
    for (int64_t n = first; n < chunk_end(&x, first); n++) forward_token(&x, n, &chunk);
    add_sums(&x, &total, &chunk);
  }
  for (int64_t k = 0; k < x.slots; k++) {
    const float inverse = 1 / (total.z[k] + EPS);
    for (int64_t i = 0; i < x.dim; i++) total.row[k][i] *= inverse;
    xr_span_store(a->out, a->dtype, slot_at(&x, k), x.dim, total.row[k], false);
    a->sums[sums_at(&x) + k] = total.z[k];
  }
}

xr_status xr_slot_attention_forward_cpu(const xr_slot_attention *a) {
  XR_TRY(xr_slot_attention_check(a));
  XR_TRY(check_lengths(a));
#pragma omp parallel for schedule(static)
  for (int64_t at = 0; at < a->batch * a->heads; at++) forward_head(a, at);
  return XR_OK;
}

/* What backward knows of a head beside it. */
typedef struct {
  float dout[SLOTS][COLUMNS], inverse[SLOTS] /* 1 / (Z + eps) */, m[SLOTS];
} head_gradient;

/* w and da of one token. */
static void vote_gradients(const head *x, const head_gradient *g, const float *key, const float *value, float *w, float *da) {
  float s[SLOTS], total = 0;
  votes(x, key, s);
  for (int64_t k = 0; k < x->slots; k++) {
    w[k] = s[k] * g->inverse[k];
    total += da[k] = w[k] * (dot(g->dout[k], value, x->dim) - g->m[k]);
  }
  for (int64_t k = 0; k < x->slots; k++) da[k] = x->scale * (da[k] - s[k] * total);
}

static void backward_token(const head *x, const head_gradient *g, int64_t n, slot_sums *dq) {
  const xr_slot_attention *a = x->a;
  float key_scratch[COLUMNS], value_scratch[COLUMNS], w[SLOTS], da[SLOTS], dk[COLUMNS] = {0}, dv[COLUMNS] = {0};
  const float *key = xr_span_read(a->k, a->dtype, token_at(x, n), x->dim, key_scratch);
  vote_gradients(x, g, key, xr_span_read(a->v, a->dtype, token_at(x, n), x->dim, value_scratch), w, da);
  for (int64_t k = 0; k < x->slots; k++) {
    multiply_add(dv, w[k], g->dout[k], x->dim);
    multiply_add(dk, da[k], x->q[k], x->dim);
    multiply_add(dq->row[k], da[k], key, x->dim);
  }
  xr_span_store(a->dk, a->dtype, token_at(x, n), x->dim, dk, a->accumulate_dk);
  xr_span_store(a->dv, a->dtype, token_at(x, n), x->dim, dv, a->accumulate_dv);
}

static void backward_head(const xr_slot_attention *a, int64_t at) {
  head x;
  head_gradient g;
  float out[SLOTS][COLUMNS];
  slot_sums dq = {{{0}}, {0}};
  head_init(&x, a, at);
  read_slots(&x, a->dout, g.dout);
  read_slots(&x, a->out, out);
  for (int64_t k = 0; k < x.slots; k++) {
    g.inverse[k] = 1 / (a->sums[sums_at(&x) + k] + EPS);
    g.m[k] = dot(g.dout[k], out[k], x.dim);
  }
  for (int64_t first = 0; first < x.tokens; first += CHUNK) {
    slot_sums chunk = {{{0}}, {0}};
    for (int64_t n = first; n < chunk_end(&x, first); n++) backward_token(&x, &g, n, &chunk);
    add_sums(&x, &dq, &chunk);
  }
  for (int64_t n = x.tokens; n < a->tokens; n++) {
    if (!a->accumulate_dk) xr_span_zero(a->dk, a->dtype, token_at(&x, n), x.dim);
    if (!a->accumulate_dv) xr_span_zero(a->dv, a->dtype, token_at(&x, n), x.dim);
  }
  for (int64_t k = 0; k < x.slots; k++) xr_span_store(a->dq, a->dtype, slot_at(&x, k), x.dim, dq.row[k], a->accumulate_dq);
}

xr_status xr_slot_attention_backward_cpu(const xr_slot_attention *a) {
  XR_TRY(xr_slot_attention_check(a));
  XR_TRY(check_lengths(a));
#pragma omp parallel for schedule(static)
  for (int64_t at = 0; at < a->batch * a->heads; at++) backward_head(a, at);
  return XR_OK;
}

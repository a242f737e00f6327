#include "kernels/attention/attention.h"

#include <math.h>

#include "kernels/activation/activation.h"
#include "kernels/common/rows.h"
#include "kernels/common/threads.h"
#include "kernels/linear/gemm.h"

enum { MAX_QUERIES = 256 }; /* queries at a time: two blocks of scores stay in the second-level cache */

/* One head of one tensor as f32: f32 in place, bf16 in scratch. */
typedef struct {
  float *at;
  int64_t row; /* elements from one token to the next */
} view;

/* What one thread works in: f32 blocks of the workspace. */
typedef struct {
  float *scores, *dscores;        /* [query block, score_row] */
  float *q, *k, *v, *out;         /* bf16: one head, widened; out stands for dout in backward */
  float *dq, *dk, *dv;            /* bf16: gradients of one head */
  int64_t score_row, query_block; /* elements from one row of scores to the next; queries at a time */
} slot;

static int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

/* Lays the slot out from `base` on (NULL: only measures it); returns its floats. */
static int64_t lay_out(const xr_attention *a, float *base, slot *s) {
  const int64_t blocks = (a->query_count + MAX_QUERIES - 1) / MAX_QUERIES;
  s->query_block = blocks ? (a->query_count + blocks - 1) / blocks : 1;
  s->score_row = round_up(a->key_count, 16);
  const int64_t scores = s->query_block * s->score_row;
  const int64_t queries = a->dtype == XR_BF16 ? round_up(a->query_count * a->head_dim, 16) : 0;
  const int64_t keys = a->dtype == XR_BF16 ? round_up(a->key_count * a->head_dim, 16) : 0;
  float **const blocks_of[] = {&s->scores, &s->dscores, &s->q, &s->out, &s->dq, &s->k, &s->v, &s->dk, &s->dv};
  const int64_t sizes[] = {scores, scores, queries, queries, queries, keys, keys, keys, keys};
  int64_t used = 0;
  for (int i = 0; i < 9; i++) {
    *blocks_of[i] = base ? base + used : NULL;
    used += sizes[i];
  }
  return used;
}

/* Pieces of work: a head of a sample; with shared queries backward takes a head of all samples, to add their gradients in order. */
static int64_t units_of(const xr_attention *a, bool shared) { return shared ? a->heads : a->batch * a->heads; }

size_t xr_attention_workspace(const xr_attention *a) {
  slot s;
  const int64_t units = units_of(a, false), slots = units < xr_thread_slots() ? units : xr_thread_slots();
  return (size_t)(slots * lay_out(a, NULL, &s)) * sizeof(float);
}

static slot slot_of_thread(const xr_attention *a) {
  slot s;
  const int64_t floats = lay_out(a, NULL, &s);
  lay_out(a, (float *)a->workspace + xr_thread_index() * floats, &s);
  return s;
}

static int64_t head_start(const xr_attention *a, xr_attention_stride stride, int64_t b, int64_t h) {
  return b * stride.batch + h * a->head_dim;
}

static const xr_bf16 *bf16_at(const void *base, int64_t element) { return (const xr_bf16 *)base + element; }

/* Head h of sample b for reading: its first `rows` tokens. */
static view read_head(const xr_attention *a, const void *base, xr_attention_stride stride, int64_t b, int64_t h, int64_t rows,
                      float *scratch) {
  const int64_t start = head_start(a, stride, b, h);
  if (a->dtype == XR_F32) return (view){(float *)(uintptr_t)base + start, stride.row}; /* only read */
  for (int64_t i = 0; i < rows; i++) xr_widen(scratch + i * a->head_dim, bf16_at(base, start + i * stride.row), a->head_dim);
  return (view){scratch, a->head_dim};
}

static void zero_rows(const xr_attention *a, view t, int64_t from, int64_t rows) {
  for (int64_t i = from; i < rows; i++) memset(t.at + i * t.row, 0, (size_t)a->head_dim * sizeof *t.at);
}

/* Head h of sample b's gradient, to be added to: holds what was there when accumulating, else zeros. */
static view open_gradient(const xr_attention *a, void *base, xr_attention_stride stride, int64_t b, int64_t h, int64_t rows,
                          bool accumulate, float *scratch) {
  if (accumulate) return read_head(a, base, stride, b, h, rows, scratch);
  view t = {scratch, a->head_dim};
  if (a->dtype == XR_F32) t = (view){(float *)base + head_start(a, stride, b, h), stride.row};
  zero_rows(a, t, 0, rows);
  return t;
}

/* Stores a head that was computed at `t`. */
static void store_head(const xr_attention *a, void *base, xr_attention_stride stride, int64_t b, int64_t h, int64_t rows, view t) {
  if (a->dtype == XR_F32) return;
  xr_bf16 *to = (xr_bf16 *)base + head_start(a, stride, b, h);
  for (int64_t i = 0; i < rows; i++) xr_narrow(to + i * stride.row, t.at + i * t.row, a->head_dim);
}

static int64_t keys_of(const xr_attention *a, int64_t b) { return a->key_length ? a->key_length[b] : a->key_count; }

static int64_t keys_of_query(const xr_attention *a, int64_t keys, int64_t query) {
  return a->causal && query + 1 < keys ? query + 1 : keys;
}

static float scale_of(const xr_attention *a) { return a->scale != 0 ? a->scale : 1.0f / sqrtf((float)a->head_dim); }

/* s[i] = exp(s[i] - max) for i < n, 0 up to `end`; returns the sum and the maximum. */
static float exponentials(float *s, int64_t n, int64_t end, float *maximum) {
  float highest = s[0], sum = 0;
#pragma omp simd reduction(max : highest)
  for (int64_t i = 0; i < n; i++) highest = s[i] > highest ? s[i] : highest;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) {
    s[i] = xr_exp(s[i] - highest);
    sum += s[i];
  }
  for (int64_t i = n; i < end; i++) s[i] = 0;
  *maximum = highest;
  return sum;
}

/* out = P V for queries first .. first + count - 1, all of which see at least one of `keys` keys. */
static bool forward_block(const xr_attention *a, const slot *s, view q, view k, view v, view out, float *lse, int64_t keys, int64_t first,
                          int64_t count) {
  float inverse[MAX_QUERIES];
  if (!xr_sgemm_serial(false, true, count, keys, a->head_dim, scale_of(a), q.at + first * q.row, q.row, k.at, k.row, 0, s->scores,
                       s->score_row))
    return false;
  for (int64_t i = 0; i < count; i++) {
    float maximum;
    const float sum = exponentials(s->scores + i * s->score_row, keys_of_query(a, keys, first + i), keys, &maximum);
    inverse[i] = 1.0f / sum;
    if (lse) lse[first + i] = maximum + logf(sum);
  }
  if (!xr_sgemm_serial(false, false, count, a->head_dim, keys, 1, s->scores, s->score_row, v.at, v.row, 0, out.at + first * out.row,
                       out.row))
    return false;
  for (int64_t i = 0; i < count; i++) {
    float *row = out.at + (first + i) * out.row;
#pragma omp simd
    for (int64_t d = 0; d < a->head_dim; d++) row[d] *= inverse[i];
  }
  return true;
}

static bool forward_head(const xr_attention *a, const slot *s, int64_t b, int64_t h) {
  const int64_t keys = keys_of(a, b), n = a->query_count;
  float *lse = a->lse ? a->lse + (b * a->heads + h) * n : NULL;
  const view q = read_head(a, a->q, a->q_stride, b, h, n, s->q), k = read_head(a, a->k, a->k_stride, b, h, keys, s->k),
             v = read_head(a, a->v, a->v_stride, b, h, keys, s->v);
  const view out = a->dtype == XR_F32 ? (view){(float *)a->out + head_start(a, a->out_stride, b, h), a->out_stride.row}
                                      : (view){s->out, a->head_dim};
  bool ok = true;
  if (keys == 0) {
    zero_rows(a, out, 0, n);
    for (int64_t i = 0; lse && i < n; i++) lse[i] = -INFINITY;
  }
  for (int64_t first = 0; first < n && keys > 0 && ok; first += s->query_block)
    ok = forward_block(a, s, q, k, v, out, lse, keys, first, n - first < s->query_block ? n - first : s->query_block);
  store_head(a, a->out, a->out_stride, b, h, n, out);
  return ok;
}

/* From scores and dP of a row to P and dS, zeros beyond the n keys that it sees. */
static void softmax_backward(float *p, float *ds, float lse, int64_t n, int64_t end) {
  float delta = 0;
#pragma omp simd reduction(+ : delta)
  for (int64_t i = 0; i < n; i++) {
    p[i] = xr_exp(p[i] - lse);
    delta += p[i] * ds[i];
  }
#pragma omp simd
  for (int64_t i = 0; i < n; i++) ds[i] = p[i] * (ds[i] - delta);
  for (int64_t i = n; i < end; i++) p[i] = ds[i] = 0;
}

typedef struct {
  view q, k, v, dout, dq, dk, dv;
  const float *lse;
} head;

static bool backward_block(const xr_attention *a, const slot *s, const head *t, int64_t keys, int64_t first, int64_t count) {
  const int64_t dim = a->head_dim, ld = s->score_row;
  const float scale = scale_of(a), *q = t->q.at + first * t->q.row, *dout = t->dout.at + first * t->dout.row;
  bool ok = xr_sgemm_serial(false, true, count, keys, dim, scale, q, t->q.row, t->k.at, t->k.row, 0, s->scores, ld);
  ok = ok && xr_sgemm_serial(false, true, count, keys, dim, 1, dout, t->dout.row, t->v.at, t->v.row, 0, s->dscores, ld);
  for (int64_t i = 0; i < count && ok; i++)
    softmax_backward(s->scores + i * ld, s->dscores + i * ld, t->lse[first + i], keys_of_query(a, keys, first + i), keys);
  ok = ok && xr_sgemm_serial(true, false, keys, dim, count, 1, s->scores, ld, dout, t->dout.row, 1, t->dv.at, t->dv.row);
  ok = ok && xr_sgemm_serial(true, false, keys, dim, count, scale, s->dscores, ld, q, t->q.row, 1, t->dk.at, t->dk.row);
  return ok && xr_sgemm_serial(false, false, count, dim, keys, scale, s->dscores, ld, t->k.at, t->k.row, 1, t->dq.at + first * t->dq.row,
                               t->dq.row);
}

/* Adds to dq (opened and stored by the caller); assigns or adds to dk and dv. */
static bool backward_head(const xr_attention *a, const slot *s, int64_t b, int64_t h, view dq) {
  const int64_t keys = keys_of(a, b), n = a->query_count;
  const head t = {.q = read_head(a, a->q, a->q_stride, b, h, n, s->q),
                  .k = read_head(a, a->k, a->k_stride, b, h, keys, s->k),
                  .v = read_head(a, a->v, a->v_stride, b, h, keys, s->v),
                  .dout = read_head(a, a->dout, a->out_stride, b, h, n, s->out),
                  .dq = dq,
                  .dk = open_gradient(a, a->dk, a->k_stride, b, h, a->key_count, a->accumulate_dk, s->dk),
                  .dv = open_gradient(a, a->dv, a->v_stride, b, h, a->key_count, a->accumulate_dv, s->dv),
                  .lse = a->lse + (b * a->heads + h) * n};
  bool ok = true;
  for (int64_t first = 0; first < n && keys > 0 && ok; first += s->query_block)
    ok = backward_block(a, s, &t, keys, first, n - first < s->query_block ? n - first : s->query_block);
  store_head(a, a->dk, a->k_stride, b, h, a->key_count, t.dk);
  store_head(a, a->dv, a->v_stride, b, h, a->key_count, t.dv);
  return ok;
}

/* Head h of samples from .. to - 1, which share dq. */
static bool backward_samples(const xr_attention *a, const slot *s, int64_t from, int64_t to, int64_t h) {
  const view dq = open_gradient(a, a->dq, a->q_stride, from, h, a->query_count, a->accumulate_dq, s->dq);
  bool ok = true;
  for (int64_t b = from; b < to && ok; b++) ok = backward_head(a, s, b, h, dq);
  store_head(a, a->dq, a->q_stride, from, h, a->query_count, dq);
  return ok;
}

static xr_status check(const xr_attention *a) {
  if (a->batch < 0 || a->heads < 1 || a->query_count < 0)
    return xr_fail(XR_BAD_SHAPE, "attention: %lld samples, %lld heads, %lld queries", (long long)a->batch, (long long)a->heads,
                   (long long)a->query_count);
  if (a->head_dim < 1 || a->head_dim > XR_ATTENTION_MAX_HEAD_DIM || a->key_count < 1 || a->key_count > XR_ATTENTION_MAX_KEYS)
    return xr_fail(XR_BAD_SHAPE, "attention: head_dim %lld with %lld keys; 1 to %d and 1 to %d are supported", (long long)a->head_dim,
                   (long long)a->key_count, XR_ATTENTION_MAX_HEAD_DIM, XR_ATTENTION_MAX_KEYS);
  if (a->dtype != XR_F32 && a->dtype != XR_BF16) return xr_fail(XR_UNSUPPORTED, "attention: dtype %s", xr_dtype_name(a->dtype));
  const int64_t width = a->heads * a->head_dim;
  if (a->q_stride.row < width || a->k_stride.row < width || a->v_stride.row < width || a->out_stride.row < width)
    return xr_fail(XR_BAD_SHAPE, "attention: row strides %lld, %lld, %lld, %lld of q, k, v, out are shorter than %lld heads of %lld",
                   (long long)a->q_stride.row, (long long)a->k_stride.row, (long long)a->v_stride.row, (long long)a->out_stride.row,
                   (long long)a->heads, (long long)a->head_dim);
  if (a->batch > 1 && a->out_stride.batch == 0) return xr_fail(XR_BAD_SHAPE, "attention: batch stride 0 of out");
  for (int64_t b = 0; a->key_length && b < a->batch; b++) {
    if (a->key_length[b] < 0 || a->key_length[b] > a->key_count)
      return xr_fail(XR_BAD_INPUT, "attention: key_length[%lld] is %d; 0 to key_count = %lld are possible", (long long)b, a->key_length[b],
                     (long long)a->key_count);
  }
  return XR_OK;
}

xr_status xr_attention_forward_cpu(const xr_attention *a) {
  XR_TRY(check(a));
  const int64_t units = units_of(a, false);
  int failures = 0;
#pragma omp parallel num_threads(xr_threads(units)) reduction(+ : failures)
  {
    const slot s = slot_of_thread(a);
#pragma omp for schedule(dynamic)
    for (int64_t unit = 0; unit < units; unit++) failures += !forward_head(a, &s, unit / a->heads, unit % a->heads);
  }
  return failures ? xr_fail(XR_NO_MEMORY, "attention: oneDNN failed in %d of %lld heads", failures, (long long)units) : XR_OK;
}

xr_status xr_attention_backward_cpu(const xr_attention *a) {
  XR_TRY(check(a));
  if (a->batch > 1 && (a->k_stride.batch == 0 || a->v_stride.batch == 0))
    return xr_fail(XR_UNSUPPORTED, "attention: gradients of keys or values that the batch shares");
  const bool shared = a->batch > 1 && a->q_stride.batch == 0;
  const int64_t units = units_of(a, shared);
  int failures = 0;
#pragma omp parallel num_threads(xr_threads(units)) reduction(+ : failures)
  {
    const slot s = slot_of_thread(a);
#pragma omp for schedule(dynamic)
    for (int64_t unit = 0; unit < units; unit++) {
      const int64_t b = unit / a->heads, h = unit % a->heads;
      failures += !backward_samples(a, &s, b, shared ? a->batch : b + 1, h);
    }
  }
  return failures ? xr_fail(XR_NO_MEMORY, "attention: oneDNN failed in %d of %lld heads", failures, (long long)units) : XR_OK;
}

#include "kernels/attention/attention.h"

#include <math.h>

#include "kernels/activation/activation.h"
#include "kernels/attention/attention_check.h"
#include "kernels/attention/head_product.h"
#include "kernels/common/rows.h"
#include "kernels/common/threads.h"

enum {
  QUERY_BLOCK = 96,       /* queries at a time: their scores stay in the second-level cache */
  CAUSAL_QUERY_BLOCK = 24 /* smaller, since a block leaves out the keys beyond its last query */
};

/* What one thread works in: one head as f32, rows padded to XR_HEAD_PAD. */
typedef struct {
  int64_t dim_row, key_row;     /* elements from one row of head_dim, of key_count elements to the next */
  int64_t query_block;          /* queries at a time */
  float *scores, *dscores;      /* [query_block, key_row] */
  float *q, *out, *dq;          /* [query_count, dim_row]: q times scale; out is dout in backward */
  float *k, *v, *dk, *dv;       /* [key_count, dim_row] */
  float *k_columns, *v_columns; /* [head_dim, key_row]: transposed */
} slot;

static int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

/* Lays the slot out from `base` on (NULL: only measures it); returns its floats. */
static int64_t lay_out(const xr_attention *a, float *base, slot *s) {
  const int64_t most = a->causal ? CAUSAL_QUERY_BLOCK : QUERY_BLOCK, blocks = (a->query_count + most - 1) / most;
  s->query_block = blocks ? (a->query_count + blocks - 1) / blocks : 1;
  s->dim_row = round_up(a->head_dim, XR_HEAD_PAD);
  s->key_row = round_up(a->key_count, XR_HEAD_PAD);
  const int64_t scores = s->query_block * s->key_row, queries = a->query_count * s->dim_row, keys = a->key_count * s->dim_row,
                columns = a->head_dim * s->key_row;
  float **const parts[] = {&s->scores, &s->dscores, &s->q, &s->out, &s->dq, &s->k, &s->v, &s->dk, &s->dv, &s->k_columns, &s->v_columns};
  const int64_t sizes[] = {scores, scores, queries, queries, queries, keys, keys, keys, keys, columns, columns};
  int64_t used = 0;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    *parts[i] = base ? base + used : NULL;
    used += sizes[i];
  }
  return used;
}

size_t xr_attention_workspace(const xr_attention *a) {
  slot s;
  const int64_t units = a->batch * a->heads, slots = units < xr_thread_slots() ? units : xr_thread_slots();
  const int64_t cpu = slots * lay_out(a, NULL, &s), cuda = xr_attention_number_floats(a) + xr_attention_partial_floats(a);
  return (size_t)(cpu > cuda ? cpu : cuda) * sizeof(float);
}

static slot slot_of_thread(const xr_attention *a) {
  slot s;
  const int64_t floats = lay_out(a, NULL, &s);
  lay_out(a, (float *)a->workspace + xr_thread_index() * floats, &s);
  return s;
}

/* Which head of which sample, and how many keys there are for it. */
typedef struct {
  int64_t b, h, keys;
} head;

static head head_of(const xr_attention *a, int64_t b, int64_t h) { return (head){b, h, a->key_length ? a->key_length[b] : a->key_count}; }

static int64_t element_of(const xr_attention *a, xr_attention_stride stride, head t, int64_t row) {
  return t.b * stride.batch + row * stride.row + t.h * a->head_dim;
}

/* to[rows, dim_row] = scale times a head of a tensor, zeros in the padding. */
static void load(const xr_attention *a, const void *base, xr_attention_stride stride, head t, int64_t rows, float scale, float *to,
                 int64_t dim_row) {
  for (int64_t i = 0; i < rows; i++, to += dim_row) {
    const int64_t start = element_of(a, stride, t, i);
    if (a->dtype == XR_F32)
      memcpy(to, (const float *)base + start, (size_t)a->head_dim * sizeof *to);
    else
      xr_widen(to, (const xr_bf16 *)base + start, a->head_dim);
#pragma omp simd
    for (int64_t d = 0; d < a->head_dim; d++) to[d] *= scale;
    for (int64_t d = a->head_dim; d < dim_row; d++) to[d] = 0;
  }
}

/* to[head_dim, key_row] = from[rows, dim_row] transposed, zeros in the padding. */
static void transpose(const xr_attention *a, const slot *s, const float *from, int64_t rows, float *to) {
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t d = 0; d < a->head_dim; d++) to[d * s->key_row + i] = from[i * s->dim_row + d];
  }
  const int64_t padded = round_up(rows, XR_HEAD_PAD);
  for (int64_t d = 0; d < a->head_dim; d++) {
    for (int64_t i = rows; i < padded; i++) to[d * s->key_row + i] = 0;
  }
}

/* A head of a tensor = scale times from[rows, dim_row], or that added to it. */
static void store(const xr_attention *a, void *base, xr_attention_stride stride, head t, int64_t rows, float scale, const float *from,
                  int64_t dim_row, bool add) {
  for (int64_t i = 0; i < rows; i++, from += dim_row) {
    float row[XR_ATTENTION_MAX_HEAD_DIM];
    const int64_t start = element_of(a, stride, t, i);
    float *f32 = (float *)base + start;
    xr_bf16 *bf16 = (xr_bf16 *)base + start;
    const bool is_f32 = a->dtype == XR_F32;
    for (int64_t d = 0; d < a->head_dim; d++) row[d] = from[d] * scale;
    for (int64_t d = 0; d < a->head_dim && add; d++) row[d] += is_f32 ? f32[d] : xr_bf16_to_f32(bf16[d]);
    if (is_f32)
      memcpy(f32, row, (size_t)a->head_dim * sizeof *row);
    else
      xr_narrow(bf16, row, a->head_dim);
  }
}

static void zero(float *to, int64_t count) { memset(to, 0, (size_t)count * sizeof *to); }

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* Keys that query `query` sees. */
static int64_t keys_of_query(const xr_attention *a, head t, int64_t query) { return a->causal ? smaller(query + 1, t.keys) : t.keys; }

static float scale_of(const xr_attention *a) { return a->scale != 0 ? a->scale : 1.0f / sqrtf((float)a->head_dim); }

/* to[count, keys] = from's rows first .. times the columns of keys or values. */
static void score(const xr_attention *a, const slot *s, const float *from, const float *columns, int64_t first, int64_t count, int64_t keys,
                  float *to) {
  const xr_head_product p = {.k = a->head_dim,
                             .a = from + first * s->dim_row,
                             .a_row = s->dim_row,
                             .a_col = 1,
                             .b = columns,
                             .b_row = s->key_row,
                             .c = to,
                             .c_row = s->key_row};
  xr_head_multiply(&p, count, keys);
}

/* to's rows first .. = weights[count, keys] times rows of keys or values (added when `add`). */
static void mix(const xr_attention *a, const slot *s, const float *weights, const float *rows, int64_t first, int64_t count, int64_t keys,
                float *to, bool add) {
  const xr_head_product p = {.k = keys,
                             .a = weights,
                             .a_row = s->key_row,
                             .a_col = 1,
                             .b = rows,
                             .b_row = s->dim_row,
                             .c = to + first * s->dim_row,
                             .c_row = s->dim_row,
                             .add = add};
  xr_head_multiply(&p, count, a->head_dim);
}

/* to[keys] += weights[count, keys] transposed, times rows first .. of from. */
static void mix_back(const xr_attention *a, const slot *s, const float *weights, const float *from, int64_t first, int64_t count,
                     int64_t keys, float *to) {
  const xr_head_product p = {.k = count,
                             .a = weights,
                             .a_row = 1,
                             .a_col = s->key_row,
                             .b = from + first * s->dim_row,
                             .b_row = s->dim_row,
                             .c = to,
                             .c_row = s->dim_row,
                             .add = true};
  xr_head_multiply(&p, keys, a->head_dim);
}

/* s[i] = exp(s[i] - max) for i < n, 0 from there up to `end`; returns the sum. */
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

/* Rows first .. of out and lse; `keys` is what the last of these queries sees, at least 1. */
static void forward_block(const xr_attention *a, const slot *s, head t, int64_t first, int64_t count, int64_t keys, float *lse) {
  float inverse[QUERY_BLOCK];
  score(a, s, s->q, s->k_columns, first, count, keys, s->scores);
  for (int64_t i = 0; i < count; i++) {
    float maximum;
    const float sum = exponentials(s->scores + i * s->key_row, keys_of_query(a, t, first + i), keys, &maximum);
    inverse[i] = 1.0f / sum;
    if (lse) lse[first + i] = maximum + logf(sum);
  }
  mix(a, s, s->scores, s->v, first, count, keys, s->out, false);
  for (int64_t i = 0; i < count; i++) {
    float *row = s->out + (first + i) * s->dim_row;
#pragma omp simd
    for (int64_t d = 0; d < a->head_dim; d++) row[d] *= inverse[i];
  }
}

static void forward_head(const xr_attention *a, const slot *s, head t) {
  const int64_t n = a->query_count;
  float *lse = a->lse ? a->lse + (t.b * a->heads + t.h) * n : NULL;
  load(a, a->k, a->k_stride, t, t.keys, 1, s->k, s->dim_row);
  transpose(a, s, s->k, t.keys, s->k_columns);
  load(a, a->v, a->v_stride, t, t.keys, 1, s->v, s->dim_row);
  load(a, a->q, a->q_stride, t, n, scale_of(a), s->q, s->dim_row);
  if (t.keys == 0) {
    zero(s->out, n * s->dim_row);
    for (int64_t i = 0; lse && i < n; i++) lse[i] = -INFINITY;
  }
  for (int64_t first = 0; first < n && t.keys > 0; first += s->query_block) {
    const int64_t count = smaller(s->query_block, n - first);
    forward_block(a, s, t, first, count, keys_of_query(a, t, first + count - 1), lse);
  }
  store(a, a->out, a->out_stride, t, n, 1, s->out, s->dim_row, false);
}

/* From scores and dP of a row to P and dS, zeros beyond the n keys that it sees. The sum is 1 but for the rounding of lse, an error that
 * the whole row would share and that dP - delta would not cancel. */
static void softmax_backward(float *p, float *ds, float lse, int64_t n, int64_t end) {
  float sum = 0, delta = 0;
#pragma omp simd reduction(+ : sum, delta)
  for (int64_t i = 0; i < n; i++) {
    p[i] = xr_exp(p[i] - lse);
    sum += p[i];
    delta += p[i] * ds[i];
  }
  const float inverse = 1.0f / sum;
  delta *= inverse;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    p[i] *= inverse;
    ds[i] = p[i] * (ds[i] - delta);
  }
  for (int64_t i = n; i < end; i++) p[i] = ds[i] = 0;
}

static void backward_block(const xr_attention *a, const slot *s, head t, int64_t first, int64_t count, int64_t keys) {
  const float *lse = a->lse + (t.b * a->heads + t.h) * a->query_count + first;
  score(a, s, s->q, s->k_columns, first, count, keys, s->scores);
  score(a, s, s->out, s->v_columns, first, count, keys, s->dscores);
  for (int64_t i = 0; i < count; i++)
    softmax_backward(s->scores + i * s->key_row, s->dscores + i * s->key_row, lse[i], keys_of_query(a, t, first + i), keys);
  mix_back(a, s, s->scores, s->out, first, count, keys, s->dv);
  mix_back(a, s, s->dscores, s->q, first, count, keys, s->dk); /* q holds scale already, dq gets it when it is stored */
  mix(a, s, s->dscores, s->k, first, count, keys, s->dq, true);
}

/* Stores dk and dv; adds to the slot's dq. */
static void backward_head(const xr_attention *a, const slot *s, head t) {
  const int64_t n = a->query_count;
  load(a, a->v, a->v_stride, t, t.keys, 1, s->v, s->dim_row);
  transpose(a, s, s->v, t.keys, s->v_columns);
  load(a, a->k, a->k_stride, t, t.keys, 1, s->k, s->dim_row);
  transpose(a, s, s->k, t.keys, s->k_columns);
  load(a, a->q, a->q_stride, t, n, scale_of(a), s->q, s->dim_row);
  load(a, a->dout, a->out_stride, t, n, 1, s->out, s->dim_row);
  zero(s->dk, a->key_count * s->dim_row);
  zero(s->dv, a->key_count * s->dim_row);
  for (int64_t first = 0; first < n && t.keys > 0; first += s->query_block) {
    const int64_t count = smaller(s->query_block, n - first);
    backward_block(a, s, t, first, count, keys_of_query(a, t, first + count - 1));
  }
  store(a, a->dk, a->k_stride, t, a->key_count, 1, s->dk, s->dim_row, a->accumulate_dk);
  store(a, a->dv, a->v_stride, t, a->key_count, 1, s->dv, s->dim_row, a->accumulate_dv);
}

/* Head h of samples from .. to - 1, which share dq. */
static void backward_samples(const xr_attention *a, const slot *s, int64_t from, int64_t to, int64_t h) {
  zero(s->dq, a->query_count * s->dim_row);
  for (int64_t b = from; b < to; b++) backward_head(a, s, head_of(a, b, h));
  store(a, a->dq, a->q_stride, head_of(a, from, h), a->query_count, scale_of(a), s->dq, s->dim_row, a->accumulate_dq);
}

static xr_status check_lengths(const xr_attention *a) {
  for (int64_t b = 0; a->key_length && b < a->batch; b++) {
    if (a->key_length[b] < 0 || a->key_length[b] > a->key_count)
      return xr_fail(XR_BAD_INPUT, "attention: key_length[%lld] is %d; 0 to key_count = %lld are possible", (long long)b, a->key_length[b],
                     (long long)a->key_count);
  }
  return XR_OK;
}

xr_status xr_attention_forward_cpu(const xr_attention *a) {
  XR_TRY(xr_attention_check(a));
  XR_TRY(check_lengths(a));
  const int64_t units = a->batch * a->heads;
#pragma omp parallel num_threads(xr_threads(units))
  {
    const slot s = slot_of_thread(a);
#pragma omp for schedule(dynamic)
    for (int64_t unit = 0; unit < units; unit++) forward_head(a, &s, head_of(a, unit / a->heads, unit % a->heads));
  }
  return XR_OK;
}

xr_status xr_attention_backward_cpu(const xr_attention *a) {
  XR_TRY(xr_attention_check_backward(a));
  XR_TRY(check_lengths(a));
  const bool shared = xr_attention_shares_queries(a); /* then a thread takes a head of all samples, to add dq in order */
  const int64_t units = shared ? a->heads : a->batch * a->heads;
#pragma omp parallel num_threads(xr_threads(units))
  {
    const slot s = slot_of_thread(a);
#pragma omp for schedule(dynamic)
    for (int64_t unit = 0; unit < units; unit++) {
      const int64_t b = unit / a->heads;
      backward_samples(a, &s, b, shared ? a->batch : b + 1, unit % a->heads);
    }
  }
  return XR_OK;
}

#include "kernels/attention/multiscale_attention.h"

#include "kernels/attention/attention.h"
#include "kernels/attention/scale_gate.h"
#include "kernels/common/spans.h"

enum { COLUMNS = 64 /* of a parameter's gradient: what one thread sums over all rows, in order */ };

static int64_t width_of(const xr_multiscale_attention *a) { return a->heads * a->head_dim; }

/* Elements of per_scale. */
static int64_t results_of(const xr_multiscale_attention *a) { return a->batch * a->scales * a->queries * width_of(a); }

/* Rows of per_scale [B, S, M, D]. */
static int64_t row_of(const xr_multiscale_attention *a, int64_t b, int64_t s, int64_t m) { return (b * a->scales + s) * a->queries + m; }

static bool has_keys(const xr_multiscale_attention *a, int64_t b, int64_t s) { return !a->at[s].key_length || a->at[s].key_length[b] > 0; }

static bool spread_gradient(const xr_multiscale_attention *a) { return a->gate && a->dfused; }

static xr_status check_scale(const xr_multiscale_attention *a, int64_t s) {
  const xr_attention_scale *c = &a->at[s];
  if (c->keys < 1 || c->keys > XR_MULTISCALE_MAX_KEYS)
    return xr_fail(XR_BAD_SHAPE, "multiscale_attention: scale %lld has %lld keys; 1 to %d are supported", (long long)s, (long long)c->keys,
                   XR_MULTISCALE_MAX_KEYS);
  if (c->row_stride < width_of(a))
    return xr_fail(XR_BAD_SHAPE, "multiscale_attention: rows of scale %lld are %lld elements apart, shorter than %lld heads of %lld",
                   (long long)s, (long long)c->row_stride, (long long)a->heads, (long long)a->head_dim);
  return XR_OK;
}

xr_status xr_multiscale_attention_check(const xr_multiscale_attention *a, bool backward) {
  if (a->batch < 0 || a->scales < 1 || a->scales > XR_MULTISCALE_MAX_SCALES || a->queries < 1 || a->queries > XR_MULTISCALE_MAX_QUERIES)
    return xr_fail(XR_BAD_SHAPE,
                   "multiscale_attention: %lld samples, %lld scales, %lld queries; 1 to %d scales, 1 to %d queries are supported",
                   (long long)a->batch, (long long)a->scales, (long long)a->queries, XR_MULTISCALE_MAX_SCALES, XR_MULTISCALE_MAX_QUERIES);
  if (a->heads < 1 || a->head_dim < 1 || a->head_dim > XR_MULTISCALE_MAX_HEAD_DIM || width_of(a) > XR_MULTISCALE_MAX_WIDTH)
    return xr_fail(XR_BAD_SHAPE, "multiscale_attention: %lld heads of %lld; heads of 1 to %d, together up to %d, are supported",
                   (long long)a->heads, (long long)a->head_dim, XR_MULTISCALE_MAX_HEAD_DIM, XR_MULTISCALE_MAX_WIDTH);
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "multiscale_attention: dtype %s", xr_dtype_name(a->dtype));
  for (int64_t s = 0; s < a->scales; s++) XR_TRY(check_scale(a, s));
  if (backward && !spread_gradient(a) && !a->dper_scale)
    return xr_fail(XR_BAD_ARGUMENT, "multiscale_attention: no gradient reaches fused or per_scale");
  return XR_OK;
}

static xr_status check_lengths(const xr_multiscale_attention *a) {
  for (int64_t s = 0; s < a->scales; s++) {
    const xr_attention_scale *c = &a->at[s];
    for (int64_t b = 0; c->key_length && b < a->batch; b++) {
      if (c->key_length[b] < 0 || c->key_length[b] > c->keys)
        return xr_fail(XR_BAD_INPUT, "multiscale_attention: key_length[%lld] of scale %lld is %d; 0 to keys = %lld are possible",
                       (long long)b, (long long)s, c->key_length[b], (long long)c->keys);
    }
  }
  return XR_OK;
}

/* The attention to one scale. `dresults` is the gradient of per_scale; NULL in forward. */
static xr_attention attention_of(const xr_multiscale_attention *a, int64_t s, const void *dresults, void *workspace) {
  const xr_attention_scale *c = &a->at[s];
  const xr_attention_stride kv = {c->row_stride, c->batch_stride};
  const size_t skip = (size_t)(s * a->queries * width_of(a)) * xr_dtype_bytes(a->dtype);
  return (xr_attention){.batch = a->batch,
                        .heads = a->heads,
                        .head_dim = a->head_dim,
                        .query_count = a->queries,
                        .key_count = c->keys,
                        .dtype = a->dtype,
                        .key_length = c->key_length,
                        .scale = a->scale,
                        .q = a->q,
                        .k = c->k,
                        .v = c->v,
                        .out = a->per_scale ? (char *)a->per_scale + skip : NULL,
                        .q_stride = {width_of(a), 0},
                        .k_stride = kv,
                        .v_stride = kv,
                        .out_stride = {width_of(a), a->scales * a->queries * width_of(a)},
                        .lse = a->lse ? a->lse + s * a->batch * a->heads * a->queries : NULL,
                        .dout = dresults ? (const char *)dresults + skip : NULL,
                        .dq = a->dq,
                        .dk = c->dk,
                        .dv = c->dv,
                        .accumulate_dq = a->accumulate_dq || s > 0,
                        .accumulate_dk = c->accumulate_dk,
                        .accumulate_dv = c->accumulate_dv,
                        .workspace = workspace};
}

/* What backward keeps in the workspace, [B, S, M] and [B, S, M, D], before that of the attentions. */
static size_t round_up(size_t bytes) { return (bytes + 255) / 256 * 256; }
static size_t dlogits_bytes(const xr_multiscale_attention *a) {
  return round_up((size_t)(a->batch * a->scales * a->queries) * sizeof(float));
}
static size_t dresults_bytes(const xr_multiscale_attention *a) { return round_up((size_t)results_of(a) * xr_dtype_bytes(a->dtype)); }

/* What the device needs: sums of each (sample, head) for dq, dgate and the codes' gradients, and a counter for each head or sample. */
static size_t device_bytes(const xr_multiscale_attention *a) {
  return (size_t)(a->batch * (a->queries + 1 + a->scales) * width_of(a)) * sizeof(float) +
         round_up((size_t)(a->batch + a->heads) * sizeof(int));
}

size_t xr_multiscale_attention_workspace(const xr_multiscale_attention *a) {
  size_t attention = 0;
  for (int64_t s = 0; s < a->scales; s++) {
    const xr_attention one = attention_of(a, s, NULL, NULL);
    const size_t bytes = xr_attention_workspace(&one);
    attention = bytes > attention ? bytes : attention;
  }
  const size_t host = dlogits_bytes(a) + dresults_bytes(a) + attention, device = device_bytes(a);
  return host > device ? host : device;
}

static xr_scale_gate gate_of(const xr_multiscale_attention *a) {
  return (xr_scale_gate){.batch = a->batch,
                         .scales = a->scales,
                         .queries = a->queries,
                         .width = width_of(a),
                         .dtype = a->dtype,
                         .z = a->per_scale,
                         .logits = a->gates,
                         .gates = a->gates,
                         .out = a->fused,
                         .dout = a->dfused};
}

/* Adds the scale's code to row (b, s, m) of per_scale, and makes its gate logit. */
static void finish_row(const xr_multiscale_attention *a, int64_t b, int64_t s, int64_t m) {
  const int64_t row = row_of(a, b, s, m), width = width_of(a);
  double logit = 0; /* rounded once, however the loop is vectorised: the gate and its gradient are differences of such sums */
  for (int64_t at = 0; at < width; at += XR_SPAN) {
    const int64_t n = xr_span_length(width, at);
    float scratch[XR_SPAN];
    if (a->at[s].code && has_keys(a, b, s)) xr_span_store(a->per_scale, a->dtype, row * width + at, n, a->at[s].code + at, true);
    if (!a->gate) continue;
    const float *result = xr_span_read(a->per_scale, a->dtype, row * width + at, n, scratch);
#pragma omp simd reduction(+ : logit)
    for (int64_t i = 0; i < n; i++) logit += (double)(a->gate[at + i] * result[i]);
  }
  if (a->gate) a->gates[row] = (float)logit;
}

xr_status xr_multiscale_attention_forward_cpu(const xr_multiscale_attention *a) {
  XR_TRY(xr_multiscale_attention_check(a, false));
  XR_TRY(check_lengths(a));
  for (int64_t s = 0; s < a->scales; s++) {
    const xr_attention one = attention_of(a, s, NULL, a->workspace);
    XR_TRY(xr_attention_forward_cpu(&one));
  }
#pragma omp parallel for collapse(3) schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    for (int64_t s = 0; s < a->scales; s++) {
      for (int64_t m = 0; m < a->queries; m++) finish_row(a, b, s, m);
    }
  }
  if (!a->gate) return XR_OK;
  const xr_scale_gate gate = gate_of(a);
  return xr_scale_gate_forward_cpu(&gate);
}

/* dA = dper_scale + g dfused + dlogit gate, for row (b, s, m). */
static void spread_row(const xr_multiscale_attention *a, int64_t b, int64_t s, int64_t m, const float *dlogits, void *dresults) {
  const int64_t row = row_of(a, b, s, m), width = width_of(a);
  const float g = a->gates[row], d = dlogits[row];
  for (int64_t at = 0; at < width; at += XR_SPAN) {
    const int64_t n = xr_span_length(width, at);
    float scratch[XR_SPAN], sum[XR_SPAN];
    const float *f = xr_span_read(a->dfused, a->dtype, (b * a->queries + m) * width + at, n, scratch);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) sum[i] = g * f[i] + d * a->gate[at + i];
    if (a->dper_scale) {
      const float *e = xr_span_read(a->dper_scale, a->dtype, row * width + at, n, scratch);
#pragma omp simd
      for (int64_t i = 0; i < n; i++) sum[i] += e[i];
    }
    xr_span_store(dresults, a->dtype, row * width + at, n, sum, false);
  }
}

/* sum[n] += factor times columns at .. of row (b, s, m) of a tensor like per_scale. */
static void add_row(const xr_multiscale_attention *a, const void *base, int64_t row, int64_t at, int64_t n, float factor, float *sum) {
  float scratch[COLUMNS];
  const float *x = xr_span_read(base, a->dtype, row * width_of(a) + at, n, scratch);
#pragma omp simd
  for (int64_t i = 0; i < n; i++) sum[i] += factor * x[i];
}

/* dgate and dcode, columns at .. at + n - 1; dlogits NULL: nothing reaches the gate. */
static void parameter_columns(const xr_multiscale_attention *a, const float *dlogits, const void *dresults, int64_t at, int64_t n) {
  float dgate[COLUMNS] = {0};
  for (int64_t s = 0; s < a->scales; s++) {
    float dcode[COLUMNS] = {0};
    for (int64_t b = 0; b < a->batch; b++) {
      for (int64_t m = 0; m < a->queries; m++) {
        const int64_t row = row_of(a, b, s, m);
        if (dlogits) add_row(a, a->per_scale, row, at, n, dlogits[row], dgate);
        if (a->at[s].code && has_keys(a, b, s)) add_row(a, dresults, row, at, n, 1, dcode);
      }
    }
    if (a->at[s].code) xr_span_store(a->at[s].dcode, XR_F32, at, n, dcode, a->at[s].accumulate_dcode);
  }
  if (a->gate) xr_span_store(a->dgate, XR_F32, at, n, dgate, a->accumulate_dgate);
}

/* The gradient of per_scale, from all that reaches it. */
static xr_status spread(const xr_multiscale_attention *a, float *dlogits, void *dresults) {
  xr_scale_gate gate = gate_of(a);
  gate.dlogits = dlogits;
  XR_TRY(xr_scale_gate_backward_cpu(&gate));
#pragma omp parallel for collapse(3) schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    for (int64_t s = 0; s < a->scales; s++) {
      for (int64_t m = 0; m < a->queries; m++) spread_row(a, b, s, m, dlogits, dresults);
    }
  }
  return XR_OK;
}

xr_status xr_multiscale_attention_backward_cpu(const xr_multiscale_attention *a) {
  XR_TRY(xr_multiscale_attention_check(a, true));
  XR_TRY(check_lengths(a));
  float *dlogits = spread_gradient(a) ? a->workspace : NULL;
  char *dresults = (char *)a->workspace + dlogits_bytes(a), *workspace = dresults + dresults_bytes(a);
  if (dlogits) XR_TRY(spread(a, dlogits, dresults));
  const void *gradient = dlogits ? dresults : a->dper_scale;
  if (a->batch == 0 && !a->accumulate_dq) xr_span_zero(a->dq, a->dtype, 0, a->queries * width_of(a));
  for (int64_t s = 0; s < a->scales && a->batch; s++) {
    const xr_attention one = attention_of(a, s, gradient, workspace);
    XR_TRY(xr_attention_backward_cpu(&one));
  }
#pragma omp parallel for schedule(static)
  for (int64_t at = 0; at < width_of(a); at += COLUMNS)
    parameter_columns(a, dlogits, gradient, at, width_of(a) - at < COLUMNS ? width_of(a) - at : COLUMNS);
  return XR_OK;
}

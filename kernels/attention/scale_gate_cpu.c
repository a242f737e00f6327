#include "kernels/attention/scale_gate.h"

#include "kernels/common/math.h"
#include "kernels/common/spans.h"

xr_status xr_scale_gate_check(const xr_scale_gate *a) {
  if (a->batch < 0 || a->queries < 0 || a->scales < 1 || a->scales > XR_SCALE_GATE_MAX_SCALES || a->width < 1 ||
      a->width > XR_SCALE_GATE_MAX_WIDTH)
    return xr_fail(XR_BAD_SHAPE, "scale_gate: z [%lld, %lld, %lld, %lld]; 1 to %d scales of 1 to %d columns are supported",
                   (long long)a->batch, (long long)a->scales, (long long)a->queries, (long long)a->width, XR_SCALE_GATE_MAX_SCALES,
                   XR_SCALE_GATE_MAX_WIDTH);
  return xr_is_float(a->dtype) ? XR_OK : xr_fail(XR_UNSUPPORTED, "scale_gate: dtype %s", xr_dtype_name(a->dtype));
}

/* The first scale's row among the [B, S, M] rows for sample and query `unit` of [B, M]; the next scale is M rows on. */
static int64_t first_row(const xr_scale_gate *a, int64_t unit) { return unit / a->queries * a->scales * a->queries + unit % a->queries; }

static void softmax(const xr_scale_gate *a, int64_t row) {
  const float *logits = a->logits + row;
  float *gates = a->gates + row, highest = logits[0], sum = 0;
  for (int64_t s = 1; s < a->scales; s++) highest = logits[s * a->queries] > highest ? logits[s * a->queries] : highest;
  for (int64_t s = 0; s < a->scales; s++) sum += gates[s * a->queries] = xr_exp(logits[s * a->queries] - highest);
  for (int64_t s = 0; s < a->scales; s++) gates[s * a->queries] /= sum;
}

xr_status xr_scale_gate_forward_cpu(const xr_scale_gate *a) {
  XR_TRY(xr_scale_gate_check(a));
#pragma omp parallel for schedule(static)
  for (int64_t unit = 0; unit < a->batch * a->queries; unit++) {
    const int64_t row = first_row(a, unit);
    softmax(a, row);
    for (int64_t at = 0; at < a->width; at += XR_SPAN) {
      const int64_t n = xr_span_length(a->width, at);
      float out[XR_SPAN] = {0}, scratch[XR_SPAN];
      for (int64_t s = 0; s < a->scales; s++) {
        const float g = a->gates[row + s * a->queries];
        const float *z = xr_span_read(a->z, a->dtype, (row + s * a->queries) * a->width + at, n, scratch);
#pragma omp simd
        for (int64_t i = 0; i < n; i++) out[i] += g * z[i];
      }
      xr_span_store(a->out, a->dtype, unit * a->width + at, n, out, false);
    }
  }
  return XR_OK;
}

/* dz of one row, when wanted; returns <dout, z>. */
static float backward_row(const xr_scale_gate *a, int64_t unit, int64_t row) {
  const float g = a->gates[row];
  double product = 0; /* rounded once, however the loop is vectorised */
  for (int64_t at = 0; at < a->width; at += XR_SPAN) {
    const int64_t n = xr_span_length(a->width, at);
    float scratch_g[XR_SPAN], scratch_z[XR_SPAN], dz[XR_SPAN];
    const float *dout = xr_span_read(a->dout, a->dtype, unit * a->width + at, n, scratch_g);
    const float *z = xr_span_read(a->z, a->dtype, row * a->width + at, n, scratch_z);
#pragma omp simd reduction(+ : product)
    for (int64_t i = 0; i < n; i++) {
      product += (double)(dout[i] * z[i]);
      dz[i] = g * dout[i];
    }
    if (a->dz) xr_span_store(a->dz, a->dtype, row * a->width + at, n, dz, a->accumulate_dz);
  }
  return (float)product;
}

xr_status xr_scale_gate_backward_cpu(const xr_scale_gate *a) {
  XR_TRY(xr_scale_gate_check(a));
#pragma omp parallel for schedule(static)
  for (int64_t unit = 0; unit < a->batch * a->queries; unit++) {
    const int64_t row = first_row(a, unit);
    float product[XR_SCALE_GATE_MAX_SCALES], mean = 0;
    for (int64_t s = 0; s < a->scales; s++) {
      product[s] = backward_row(a, unit, row + s * a->queries);
      mean += a->gates[row + s * a->queries] * product[s];
    }
    for (int64_t s = 0; s < a->scales && a->dlogits; s++) {
      const int64_t i = row + s * a->queries;
      const float d = a->gates[i] * (product[s] - mean);
      a->dlogits[i] = a->accumulate_dlogits ? a->dlogits[i] + d : d;
    }
  }
  return XR_OK;
}

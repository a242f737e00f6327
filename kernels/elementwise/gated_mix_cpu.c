#include "kernels/elementwise/gated_mix.h"

#include "kernels/activation/activation.h"
#include "kernels/common/spans.h"

xr_status xr_gated_mix_check(const xr_gated_mix_args *a) {
  return xr_is_float(a->dtype) ? XR_OK : xr_fail(XR_UNSUPPORTED, "gated_mix: dtype %s", xr_dtype_name(a->dtype));
}

xr_status xr_gated_mix_forward_cpu(const xr_gated_mix_args *k) {
  XR_TRY(xr_gated_mix_check(k));
#pragma omp parallel for schedule(static)
  for (int64_t span = 0; span < xr_span_count(k->count); span++) {
    const int64_t at = span * XR_SPAN, n = xr_span_length(k->count, at);
    float scratch_z[XR_SPAN], scratch_a[XR_SPAN], scratch_b[XR_SPAN], out[XR_SPAN];
    const float *z = xr_span_read(k->z, k->dtype, at, n, scratch_z), *a = xr_span_read(k->a, k->dtype, at, n, scratch_a),
                *b = xr_span_read(k->b, k->dtype, at, n, scratch_b);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      const float s = xr_sigmoid(z[i]);
      out[i] = s * a[i] + (1 - s) * b[i];
    }
    xr_span_store(k->out, k->dtype, at, n, out, false);
  }
  return XR_OK;
}

static void backward_span(const xr_gated_mix_args *k, int64_t at) {
  const int64_t n = xr_span_length(k->count, at);
  float scratch_z[XR_SPAN], scratch_a[XR_SPAN], scratch_b[XR_SPAN], scratch_g[XR_SPAN], dz[XR_SPAN], da[XR_SPAN], db[XR_SPAN];
  const float *z = xr_span_read(k->z, k->dtype, at, n, scratch_z), *a = xr_span_read(k->a, k->dtype, at, n, scratch_a),
              *b = xr_span_read(k->b, k->dtype, at, n, scratch_b), *g = xr_span_read(k->dout, k->dtype, at, n, scratch_g);
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float s = xr_sigmoid(z[i]);
    da[i] = s * g[i];
    db[i] = (1 - s) * g[i];
    dz[i] = (1 - s) * da[i] * (a[i] - b[i]);
  }
  if (k->dz) xr_span_store(k->dz, k->dtype, at, n, dz, k->accumulate_dz);
  if (k->da) xr_span_store(k->da, k->dtype, at, n, da, k->accumulate_da);
  if (k->db) xr_span_store(k->db, k->dtype, at, n, db, k->accumulate_db);
}

xr_status xr_gated_mix_backward_cpu(const xr_gated_mix_args *k) {
  XR_TRY(xr_gated_mix_check(k));
#pragma omp parallel for schedule(static)
  for (int64_t span = 0; span < xr_span_count(k->count); span++) backward_span(k, span * XR_SPAN);
  return XR_OK;
}

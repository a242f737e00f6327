#include "kernels/copy/transpose.h"

#include "kernels/common/spans.h"

static const float *read_strided(const void *in, xr_dtype dtype, int64_t offset, int64_t stride, int64_t n, float *scratch) {
  if (stride == 1) return xr_span_read(in, dtype, offset, n, scratch);
  if (dtype == XR_F32)
    for (int64_t i = 0; i < n; i++) scratch[i] = ((const float *)in)[offset + i * stride];
  else
    for (int64_t i = 0; i < n; i++) scratch[i] = xr_bf16_to_f32(((const xr_bf16 *)in)[offset + i * stride]);
  return scratch;
}

static void gather(void *out, bool accumulate, const void *in, xr_dtype dtype, const xr_transpose_walk *w) {
  const int64_t rows = w->dim[0] * w->dim[1] * w->dim[2], row_length = w->dim[3];
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < rows; row++) {
    const int64_t i2 = row % w->dim[2], i1 = row / w->dim[2] % w->dim[1], i0 = row / w->dim[2] / w->dim[1];
    const int64_t from = i0 * w->stride[0] + i1 * w->stride[1] + i2 * w->stride[2];
    for (int64_t at = 0; at < row_length; at += XR_SPAN) {
      const int64_t n = xr_span_length(row_length, at);
      float scratch[XR_SPAN];
      const float *values = read_strided(in, dtype, from + at * w->stride[3], w->stride[3], n, scratch);
      xr_span_store(out, dtype, row * row_length + at, n, values, accumulate);
    }
  }
}

/* The walks of a forward and of a backward pass; axes are padded to four (in front, where their length is 1). */
static xr_status pad(const xr_transpose *a, int64_t dim[XR_MAX_TRANSPOSE], int order[XR_MAX_TRANSPOSE]) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "transpose: dtype %s", xr_dtype_name(a->dtype));
  if (a->rank < 1 || a->rank > XR_MAX_TRANSPOSE)
    return xr_fail(XR_BAD_SHAPE, "transpose: %d axes, 1 to %d are supported", a->rank, XR_MAX_TRANSPOSE);
  unsigned seen = 0;
  const int pad = XR_MAX_TRANSPOSE - a->rank;
  for (int k = 0; k < XR_MAX_TRANSPOSE; k++) {
    dim[k] = k < pad ? 1 : a->dim[k - pad];
    order[k] = k < pad ? k : a->order[k - pad] + pad;
    if (dim[k] < 0) return xr_fail(XR_BAD_SHAPE, "transpose: axis %d has length %lld", k - pad, (long long)dim[k]);
    if (order[k] < 0 || order[k] >= XR_MAX_TRANSPOSE || (seen >> order[k] & 1u))
      return xr_fail(XR_BAD_ARGUMENT, "transpose: order[%d] = %d; each of 0 to %d must occur once", k - pad, order[k] - pad, a->rank - 1);
    seen |= 1u << order[k];
  }
  return XR_OK;
}

static void dense_strides(const int64_t dim[XR_MAX_TRANSPOSE], int64_t stride[XR_MAX_TRANSPOSE]) {
  stride[XR_MAX_TRANSPOSE - 1] = 1;
  for (int k = XR_MAX_TRANSPOSE - 2; k >= 0; k--) stride[k] = stride[k + 1] * dim[k + 1];
}

xr_status xr_transpose_forward_walk(const xr_transpose *a, xr_transpose_walk *w) {
  int64_t dim[XR_MAX_TRANSPOSE], stride[XR_MAX_TRANSPOSE];
  int order[XR_MAX_TRANSPOSE] = {0};
  XR_TRY(pad(a, dim, order));
  dense_strides(dim, stride);
  for (int k = 0; k < XR_MAX_TRANSPOSE; k++) {
    w->dim[k] = dim[order[k]];
    w->stride[k] = stride[order[k]];
    if (order[k] == XR_MAX_TRANSPOSE - 1) w->fast = k;
  }
  return XR_OK;
}

xr_status xr_transpose_backward_walk(const xr_transpose *a, xr_transpose_walk *w) {
  int64_t dim[XR_MAX_TRANSPOSE] = {0}, y_dim[XR_MAX_TRANSPOSE], y_stride[XR_MAX_TRANSPOSE];
  int order[XR_MAX_TRANSPOSE] = {0};
  XR_TRY(pad(a, dim, order));
  for (int k = 0; k < XR_MAX_TRANSPOSE; k++) y_dim[k] = dim[order[k]];
  dense_strides(y_dim, y_stride);
  for (int k = 0; k < XR_MAX_TRANSPOSE; k++) {
    w->dim[order[k]] = y_dim[k];
    w->stride[order[k]] = y_stride[k];
  }
  w->fast = order[XR_MAX_TRANSPOSE - 1];
  return XR_OK;
}

xr_status xr_transpose_forward_cpu(const xr_transpose *a) {
  xr_transpose_walk w;
  XR_TRY(xr_transpose_forward_walk(a, &w));
  gather(a->y, false, a->x, a->dtype, &w);
  return XR_OK;
}

xr_status xr_transpose_backward_cpu(const xr_transpose *a) {
  xr_transpose_walk w;
  XR_TRY(xr_transpose_backward_walk(a, &w));
  gather(a->dx, a->accumulate_dx, a->dy, a->dtype, &w);
  return XR_OK;
}

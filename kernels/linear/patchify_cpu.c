#include "kernels/linear/patchify.h"

/* One patch: `pixel` is its upper left pixel, `line` elements lie between two lines of the image. */
#define PATCH(type)                                                                     \
  static void patch_##type(type *out, const type *pixel, int64_t patch, int64_t line) { \
    for (int64_t c = 0; c < XR_IMAGE_CHANNELS; c++) {                                   \
      for (int64_t u = 0; u < patch; u++) {                                             \
        const type *in = pixel + u * line + c;                                          \
        for (int64_t v = 0; v < patch; v++) *out++ = in[v * XR_IMAGE_CHANNELS];         \
      }                                                                                 \
    }                                                                                   \
  }
PATCH(uint32_t)
PATCH(uint16_t)

xr_status xr_patchify_check(const xr_patchify *a) {
  if (a->batch < 0 || a->patch < 1 || a->stride < 1 || a->patch > a->height || a->patch > a->width)
    return xr_fail(XR_BAD_SHAPE, "patchify: patches of %lld pixels every %lld pixels in %lld images of %lld x %lld", (long long)a->patch,
                   (long long)a->stride, (long long)a->batch, (long long)a->height, (long long)a->width);
  if (a->dtype != XR_F32 && a->dtype != XR_BF16) return xr_fail(XR_UNSUPPORTED, "patchify: dtype %s", xr_dtype_name(a->dtype));
  return XR_OK;
}

xr_status xr_patchify_forward_cpu(const xr_patchify *a) {
  XR_TRY(xr_patchify_check(a));
  const int64_t rows = xr_patchify_rows(a), cols = xr_patchify_cols(a), line = a->width * XR_IMAGE_CHANNELS;
  const int64_t size = XR_IMAGE_CHANNELS * a->patch * a->patch;
#pragma omp parallel for schedule(static)
  for (int64_t strip = 0; strip < a->batch * rows; strip++) {
    for (int64_t j = 0; j < cols; j++) {
      const int64_t from = (strip / rows * a->height + strip % rows * a->stride) * line + j * a->stride * XR_IMAGE_CHANNELS;
      const int64_t to = (strip * cols + j) * size;
      if (a->dtype == XR_F32)
        patch_uint32_t((uint32_t *)a->y + to, (const uint32_t *)a->x + from, a->patch, line);
      else
        patch_uint16_t((uint16_t *)a->y + to, (const uint16_t *)a->x + from, a->patch, line);
    }
  }
  return XR_OK;
}

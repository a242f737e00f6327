#include "kernels/image/augment.h"

#include <stdbool.h>

#include "kernels/common/rows.h"

xr_status xr_augment_forward_check(const xr_augment *a) {
  if (a->count < 0 || a->height < 1 || a->width < 1 || a->width > XR_MAX_ROW / 3)
    return xr_fail(XR_BAD_SHAPE, "augment: %lld images of %d x %d (height x width), widths of 1 to %d are supported", (long long)a->count,
                   a->height, a->width, XR_MAX_ROW / 3);
  if (a->dtype != XR_F32 && a->dtype != XR_BF16) return xr_fail(XR_UNSUPPORTED, "augment: dtype %s", xr_dtype_name(a->dtype));
  for (int c = 0; c < 3; c++)
    if (!(a->std[c] > 0)) return xr_fail(XR_BAD_ARGUMENT, "augment: the standard deviation of channel %d is %g", c, (double)a->std[c]);
  return XR_OK;
}

/* A pixel has 256 values: the divisions are done once for each. */
typedef struct {
  float value[256][3];
} normalised;

static void fill_table(normalised *table, const xr_augment *a) {
  for (int v = 0; v < 256; v++)
    for (int c = 0; c < 3; c++) table->value[v][c] = ((float)v / 255.0f - a->mean[c]) / a->std[c];
}

static void augment_row(const xr_augment *a, const normalised *table, const uint8_t *image, const xr_augment_decision *d, int32_t y,
                        float *out) {
  const int64_t from_y = (int64_t)y + d->crop_y, width = a->width;
  const uint8_t *in = from_y >= 0 && from_y < a->height ? image + from_y * width * 3 : NULL;
  for (int64_t x = 0; x < width; x++) {
    const int64_t shifted = x + d->crop_x, from_x = d->flip ? width - 1 - shifted : shifted;
    const bool inside = in && shifted >= 0 && shifted < width;
    for (int c = 0; c < 3; c++) out[x * 3 + c] = table->value[inside ? in[from_x * 3 + c] : 0][c];
  }
  if (y < d->erase_y || y >= (int64_t)d->erase_y + d->erase_height) return;
  const int64_t erase_end = (int64_t)d->erase_x + d->erase_width;
  for (int64_t x = d->erase_x > 0 ? d->erase_x : 0; x < erase_end && x < width; x++)
    for (int c = 0; c < 3; c++) out[x * 3 + c] = a->fill[c];
}

xr_status xr_augment_forward_cpu(const xr_augment *a) {
  XR_TRY(xr_augment_forward_check(a));
  static const xr_augment_decision none = {0};
  normalised table;
  fill_table(&table, a);
  const int64_t rows = a->count * a->height, row_values = (int64_t)a->width * 3;
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < rows; row++) {
    float scratch[XR_MAX_ROW];
    const int64_t image = row / a->height;
    float *out = xr_row_target(a->out, a->dtype, row, row_values, scratch);
    augment_row(a, &table, a->pixels + image * a->height * row_values, a->decisions ? &a->decisions[image] : &none,
                (int32_t)(row % a->height), out);
    xr_row_write(a->out, a->dtype, row, row_values, out);
  }
  return XR_OK;
}

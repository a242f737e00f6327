/* What retrieval needs of a row's length: the row scaled to length 1 (cosine), and -|x|^2 / 2 (Euclidean). The same bits everywhere.
 *
 *   |x|^2 = sum of 32 partial sums in f64: partial sum l takes the elements k = l, l + 32, ..  in order; then, for d = 16, 8, 4, 2, 1,
 *           partial sum l takes l + d in, l < d
 *   y[k] = x[k] / max((float)sqrt(|x|^2), 1e-12)
 *   minus_half_squares = (float)(-|x|^2 / 2)
 *
 * The square of an f32 is exact in f64, so a fused multiply-add changes nothing. A row of zeros stays one; a NaN or an infinity gives
 * a row with a NaN. */
#pragma once

#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

enum { XR_UNIT_LANES = 32 };
#define XR_UNIT_EPSILON 1e-12f

typedef struct {
  int64_t rows, width;        /* width >= 1 */
  xr_dtype dtype;             /* of x: XR_F32, XR_BF16 or XR_F16 */
  const void *x;              /* [rows, width] */
  int64_t x_stride, y_stride; /* elements from row to row; 0: width */
  float *y;                   /* [rows, width], may be x when that is f32 with the same stride; NULL: not wanted */
  float *minus_half_squares;  /* [rows], NULL: not wanted */
} xr_unit_rows;

xr_status xr_unit_rows_check(const xr_unit_rows *a); /* the arguments, not the data: what every backend does first */
xr_status xr_unit_rows_cpu(const xr_unit_rows *a);
xr_status xr_unit_rows_cuda(const xr_unit_rows *a, xr_stream stream);

XR_C_END

#include "models/position_table.h"

#include <math.h>
#include <string.h>

enum { TAPS = 4 };

typedef struct {
  int64_t at[TAPS];
  double weight[TAPS]; /* those that the filter lacks are 0 */
} taps;

static int64_t within(int64_t i, int64_t size) { return i < 0 ? 0 : i < size ? i : size - 1; }

/* Keys' cubic convolution at distance x of 0 .. 2. */
static double cubic(double x) {
  const double a = -0.75;
  return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

static taps taps_of(int64_t o, int64_t in, int64_t out, xr_position_filter filter) {
  taps t = {{0}, {0}};
  double source = ((double)o + 0.5) * (double)in / (double)out - 0.5;
  if (filter == XR_POSITIONS_BILINEAR && source < 0) source = 0;
  const double floored = floor(source), rest = source - floored;
  const int64_t first = (int64_t)floored;
  if (filter == XR_POSITIONS_BILINEAR) {
    t.at[0] = within(first, in);
    t.at[1] = within(first + 1, in);
    t.weight[0] = 1 - rest;
    t.weight[1] = rest;
    return t;
  }
  for (int k = 0; k < TAPS; k++) {
    t.at[k] = within(first - 1 + k, in);
    t.weight[k] = cubic(fabs(rest + 1 - k));
  }
  return t;
}

void xr_position_table_resize(const float *in, xr_grid from, float *out, xr_grid to, int64_t width, xr_position_filter filter) {
  memcpy(out, in, (size_t)width * sizeof *out);
  const float *table = in + width;
  for (int64_t y = 0; y < to.height; y++) {
    const taps rows = taps_of(y, from.height, to.height, filter);
    for (int64_t x = 0; x < to.width; x++) {
      const taps columns = taps_of(x, from.width, to.width, filter);
      float *to_row = out + (1 + y * to.width + x) * width;
      for (int64_t d = 0; d < width; d++) {
        double sum = 0;
        for (int i = 0; i < TAPS; i++)
          for (int k = 0; k < TAPS; k++)
            sum += rows.weight[i] * columns.weight[k] * (double)table[(rows.at[i] * from.width + columns.at[k]) * width + d];
        to_row[d] = (float)sum;
      }
    }
  }
}

#include "kernels/norm/l2_normalize.h"
#include "tests/kernels/check.h"

/* y: 0: of x's dtype; 1: of the other one. */
static xr_status l2_normalize(check_run *run) {
  const int64_t rows = check_size(run, 0), cols = check_size(run, 1), n = rows * cols;
  const xr_dtype x = check_dtype(run), y = !check_size(run, 2) ? x : x == XR_F32 ? XR_BF16 : XR_F32;
  xr_l2_normalize a = {.rows = rows, .cols = cols, .x_dtype = x, .y_dtype = y, .accumulate_dx = check_size(run, 3)};
  a.x = check_in(run, "x", x, n, CHECK_NORMAL);
  a.y = check_out(run, "y", y, n);
  a.inverse_norm = check_out(run, "inverse_norm", XR_F32, rows);
  XR_TRY(CHECK_CALL(run, xr_l2_normalize_forward, &a));
  a.dy = check_in(run, "dy", y, n, CHECK_NORMAL);
  a.dx = a.accumulate_dx ? check_inout(run, "dx", x, n, CHECK_NORMAL) : check_out(run, "dx", x, n);
  return CHECK_CALL(run, xr_l2_normalize_backward, &a);
}

static const check_case cases[] = {
    {{1, 2, 0, 0}, .golden = "1x2"},
    {{3, 7, 0, 0}, .golden = "3x7"},
    {{2, 512, 0, 0}, .golden = "2x512"},
    {{1, 1029, 0, 0}, .golden = "1x1029"},
    {{3, 9, 0, 0}, .golden = "tiny"},
    {{0, 8, 0, 0}},
    {{9, 33, 0, 1}},
    {{17, 256, 1, 0}},
    {{5, 264, 1, 1}},
    {{3, 2048, 0, 1}},
    {{2, 9001, 1, 0}},
};

static const check_op ops[] = {
    {"l2_normalize", l2_normalize, "rows cols other_dtype accumulate", CHECK_FLOATS, CHECK_CASES(cases), .golden = "l2_normalize"},
};
CHECK_OPS(ops)

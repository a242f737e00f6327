#include "kernels/image/resize_bilinear.h"
#include "kernels/pool/gem.h"
#include "kernels/pool/max_pool.h"
#include "tests/kernels/check.h"

/* flags */
enum { ACCUMULATE = 1, WHOLE = 2 /* whole numbers, with several largest ones in a window: results are exact */ };

static xr_status max_pool(check_run *run) {
  const int64_t flags = check_size(run, 7);
  const xr_dtype dtype = check_dtype(run);
  const check_fill fill = flags & WHOLE ? CHECK_WHOLE : CHECK_NORMAL;
  xr_max_pool a = {.batch = check_size(run, 0), .height = check_size(run, 1), .width = check_size(run, 2), .dtype = dtype};
  a.channels = check_size(run, 3);
  a.kernel = check_size(run, 4);
  a.stride = check_size(run, 5);
  a.pad = check_size(run, 6);
  const int64_t in = a.batch * a.height * a.width * a.channels;
  const int64_t out = a.batch * xr_max_pool_size(&a, a.height) * xr_max_pool_size(&a, a.width) * a.channels;
  a.x = check_in(run, "x", dtype, in, fill);
  a.y = check_out(run, "y", dtype, out);
  a.chosen = check_out(run, "chosen", XR_U8, out);
  XR_TRY(CHECK_CALL(run, xr_max_pool_forward, &a));
  a.accumulate_dx = flags & ACCUMULATE;
  a.dy = check_in(run, "dy", dtype, out, fill);
  a.dx = a.accumulate_dx ? check_inout(run, "dx", dtype, in, fill) : check_out(run, "dx", dtype, in);
  if (flags & WHOLE) {
    check_exact(run, "y");
    check_exact(run, "dx");
  }
  return CHECK_CALL(run, xr_max_pool_backward, &a);
}

static const check_case max_pool_cases[] = {
    {{1, 1, 1, 1, 1, 1, 0, 0}, .golden = "single"},
    {{2, 8, 6, 9, 3, 2, 1, 0}, .golden = "resnet"},
    {{1, 7, 5, 8, 3, 2, 1, 0}, .golden = "odd"},
    {{2, 7, 8, 3, 2, 3, 1, 0}, .golden = "apart"},
    {{1, 5, 6, 2, 5, 1, 2, 0}, .golden = "dense"},
    {{2, 4, 4, 17, 4, 4, 0, 0}, .golden = "whole"},
    {{2, 24, 12, 64, 3, 2, 1, WHOLE}},
    {{2, 9, 11, 40, 3, 2, 1, WHOLE | ACCUMULATE}},
    {{1, 12, 10, 33, 3, 1, 1, WHOLE}},
    {{3, 9, 7, 24, 2, 2, 0, ACCUMULATE}},
    {{1, 20, 16, 5, 15, 1, 7, WHOLE}},
    {{1, 3, 3, 1030, 3, 2, 1, WHOLE}},
    {{0, 4, 4, 8, 3, 2, 1, 0}},
};

/* power: in hundredths, of a learned one; 0: 3, fixed */
static xr_status gem(check_run *run) {
  const xr_dtype dtype = check_dtype(run);
  const int64_t flags = check_size(run, 4);
  const float power = (float)check_size(run, 3) / 100;
  xr_gem a = {.batch = check_size(run, 0), .places = check_size(run, 1), .channels = check_size(run, 2), .power = 3, .dtype = dtype};
  a.eps = 1e-12f;
  const int64_t map = a.batch * a.places * a.channels, pooled = a.batch * a.channels;
  if (power > 0) a.learned_power = check_in_values(run, "learned_power", XR_F32, 1, &power);
  a.x = check_in(run, "x", dtype, map, CHECK_NORMAL);
  a.y = check_out(run, "y", XR_F32, pooled);
  a.mean = check_out(run, "mean", XR_F32, pooled);
  XR_TRY(CHECK_CALL(run, xr_gem_forward, &a));
  a.accumulate_dx = a.accumulate_dpower = flags & ACCUMULATE;
  a.dy = check_in(run, "dy", XR_F32, pooled, CHECK_NORMAL);
  a.dx = a.accumulate_dx ? check_inout(run, "dx", dtype, map, CHECK_NORMAL) : check_out(run, "dx", dtype, map);
  if (power > 0) {
    a.dpower = a.accumulate_dpower ? check_inout(run, "dpower", XR_F32, 1, CHECK_NORMAL) : check_out(run, "dpower", XR_F32, 1);
    a.workspace = check_workspace(run, xr_gem_workspace(&a));
  }
  return CHECK_CALL(run, xr_gem_backward, &a);
}

static const check_case gem_cases[] = {
    {{1, 1, 1, 0, 0}, .golden = "one"},
    {{2, 6, 9, 0, 0}, .golden = "three"},
    {{1, 20, 33, 0, 0}, .golden = "wide"},
    {{3, 5, 8, 250, 0}, .golden = "learned"},
    {{2, 7, 5, 625, 0}, .golden = "steep"},
    {{2, 7, 5, 125, 0}, .golden = "flat"},
    {{3, 18, 264, 0, 0}},
    {{2, 162, 40, 0, ACCUMULATE}},
    {{2, 13, 130, 300, ACCUMULATE}},
    {{2, 31, 1032, 275, 0}},
    {{1, 1, 8, 0, 0}}, /* what is negative leaves columns of nothing but eps */
    {{0, 4, 8, 0, 0}},
};

static xr_status resize_bilinear(check_run *run) {
  xr_resize_bilinear a = {.batch = check_size(run, 0), .height = check_size(run, 1), .width = check_size(run, 2)};
  a.channels = check_size(run, 3);
  a.out_height = check_size(run, 4);
  a.out_width = check_size(run, 5);
  a.accumulate_dx = check_size(run, 6);
  const int64_t in = a.batch * a.height * a.width * a.channels, out = a.batch * a.out_height * a.out_width * a.channels;
  a.x = check_in(run, "x", XR_F32, in, CHECK_NORMAL);
  a.y = check_out(run, "y", XR_F32, out);
  XR_TRY(CHECK_CALL(run, xr_resize_bilinear_forward, &a));
  a.dy = check_in(run, "dy", XR_F32, out, CHECK_NORMAL);
  a.dx = a.accumulate_dx ? check_inout(run, "dx", XR_F32, in, CHECK_NORMAL) : check_out(run, "dx", XR_F32, in);
  return CHECK_CALL(run, xr_resize_bilinear_backward, &a);
}

static const check_case resize_cases[] = {
    {{1, 1, 1, 1, 1, 1, 0}, .golden = "single"},
    {{2, 3, 2, 5, 7, 9, 0}, .golden = "up"},
    {{1, 9, 8, 4, 4, 3, 0}, .golden = "down"},
    {{1, 3, 4, 1, 3, 4, 0}, .golden = "same"},
    {{1, 2, 12, 7, 5, 1, 0}, .golden = "mixed"},
    {{1, 1, 2, 3, 8, 16, 0}, .golden = "far"},
    {{2, 18, 9, 8, 36, 18, 0}},
    {{1, 18, 9, 7, 72, 36, 1}},
    {{2, 5, 7, 1031, 3, 11, 0}},
    {{0, 2, 2, 4, 3, 3, 0}},
};

static const check_op ops[] = {
    {"max_pool", max_pool, "batch height width channels kernel stride pad flags", CHECK_FLOATS, CHECK_CASES(max_pool_cases),
     .golden = "max_pool"},
    {"gem", gem, "batch places channels power flags", CHECK_FLOATS, CHECK_CASES(gem_cases), .golden = "gem"},
    {"resize_bilinear", resize_bilinear, "batch height width channels out_height out_width accumulate", CHECK_F32,
     CHECK_CASES(resize_cases), .golden = "resize_bilinear"},
};
CHECK_OPS(ops)

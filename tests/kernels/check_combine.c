#include "kernels/elementwise/add_broadcast.h"
#include "kernels/elementwise/gated_mix.h"
#include "kernels/elementwise/layer_scale.h"
#include "kernels/elementwise/pair_features.h"
#include "tests/kernels/check.h"

/* flags */
enum {
  ACCUMULATE = 1,
  IN_PLACE = 2,  /* out is an input, one gradient is made over that of the result */
  PARAMETER = 4, /* v is f32 and so is its gradient */
  WIDE_DX = 8,   /* so is x's gradient */
  NO_DX = 16,
  NO_SUM = 32,  /* no gradient of the row that the rows share */
  ONLY_SUM = 64 /* no other */
};

static void *gradient(check_run *run, const char *name, xr_dtype dtype, int64_t count, bool accumulate) {
  return accumulate ? check_inout(run, name, dtype, count, CHECK_NORMAL) : check_out(run, name, dtype, count);
}

static xr_status add_broadcast(check_run *run) {
  const int64_t rows = check_size(run, 0), cols = check_size(run, 1), flags = check_size(run, 2);
  const xr_dtype dtype = check_dtype(run), v_dtype = flags & PARAMETER ? XR_F32 : dtype, dx_dtype = flags & WIDE_DX ? XR_F32 : dtype;
  xr_add_broadcast_args a = {.rows = rows, .cols = cols, .dtype = dtype, .v_dtype = v_dtype, .dx_dtype = dx_dtype, .dv_dtype = v_dtype};
  a.x = flags & IN_PLACE ? check_inout(run, "y", dtype, rows * cols, CHECK_NORMAL) : check_in(run, "x", dtype, rows * cols, CHECK_NORMAL);
  a.v = check_in(run, "v", v_dtype, cols, CHECK_NORMAL);
  a.y = flags & IN_PLACE ? (void *)a.x : check_out(run, "y", dtype, rows * cols);
  XR_TRY(CHECK_CALL(run, xr_add_broadcast_forward, &a));
  a.accumulate_dx = a.accumulate_dv = flags & ACCUMULATE;
  if (!(flags & NO_DX)) a.dx = gradient(run, "dx", dx_dtype, rows * cols, a.accumulate_dx);
  if (!(flags & NO_SUM)) {
    a.dv = gradient(run, "dv", v_dtype, cols, a.accumulate_dv);
    a.workspace = check_workspace(run, xr_add_broadcast_workspace(&a));
  }
  a.dy = check_in(run, "dy", dtype, rows * cols, CHECK_NORMAL);
  return CHECK_CALL(run, xr_add_broadcast_backward, &a);
}

static const check_case add_broadcast_cases[] = {
    {{1, 1, 0}, .golden = "add_broadcast.1x1"},
    {{3, 7, 0}, .golden = "add_broadcast.3x7"},
    {{2, 24, PARAMETER}, .golden = "add_broadcast.2x24"},
    {{37, 5, PARAMETER}, .golden = "add_broadcast.37x5"},
    {{37, 5, 0}, .golden = "add_broadcast.37x5"},
    {{0, 9, NO_DX}},
    {{8, 256, ACCUMULATE}},
    {{9, 260, NO_DX | PARAMETER}},
    {{64, 771, ACCUMULATE | PARAMETER | WIDE_DX}},
    {{193, 64, IN_PLACE | NO_SUM | WIDE_DX}},
    {{700, 40, ACCUMULATE | NO_DX}},
    {{65, 2056, PARAMETER | NO_DX}},
    {{20000, 3, NO_DX}}, /* longer blocks of rows */
    {{2100, 264, ACCUMULATE | PARAMETER | NO_DX}},
};

static xr_status layer_scale(check_run *run) {
  const int64_t rows = check_size(run, 0), cols = check_size(run, 1), flags = check_size(run, 2), count = rows * cols;
  const xr_dtype dtype = check_dtype(run);
  xr_layer_scale_args a = {.rows = rows, .cols = cols, .dtype = dtype};
  a.x = flags & IN_PLACE ? check_inout(run, "out", dtype, count, CHECK_NORMAL) : check_in(run, "x", dtype, count, CHECK_NORMAL);
  a.y = check_in(run, "y", dtype, count, CHECK_NORMAL);
  a.gamma = check_in(run, "gamma", XR_F32, cols, CHECK_NORMAL);
  a.out = flags & IN_PLACE ? (void *)a.x : check_out(run, "out", dtype, count);
  XR_TRY(CHECK_CALL(run, xr_layer_scale_forward, &a));
  a.accumulate_dx = a.accumulate_dy = a.accumulate_dgamma = flags & ACCUMULATE;
  if (!(flags & (NO_DX | ONLY_SUM))) a.dx = gradient(run, "dx", dtype, count, a.accumulate_dx);
  if (!(flags & ONLY_SUM))
    a.dy = flags & IN_PLACE ? check_inout(run, "dy", dtype, count, CHECK_NORMAL) : gradient(run, "dy", dtype, count, a.accumulate_dy);
  if (!(flags & NO_SUM)) {
    a.dgamma = gradient(run, "dgamma", XR_F32, cols, a.accumulate_dgamma);
    a.workspace = check_workspace(run, xr_layer_scale_workspace(&a));
  }
  a.dout = flags & IN_PLACE ? a.dy : check_in(run, "dout", dtype, count, CHECK_NORMAL);
  return CHECK_CALL(run, xr_layer_scale_backward, &a);
}

static const check_case layer_scale_cases[] = {
    {{1, 1, 0}, .golden = "layer_scale.1x1"},
    {{3, 7, 0}, .golden = "layer_scale.3x7"},
    {{2, 24, 0}, .golden = "layer_scale.2x24"},
    {{37, 5, 0}, .golden = "layer_scale.37x5"},
    {{0, 9, ONLY_SUM}},
    {{8, 256, ACCUMULATE}},
    {{193, 768, NO_DX}},
    {{64, 771, ACCUMULATE | NO_DX}},
    {{65, 264, IN_PLACE | NO_DX}},
    {{9, 41, IN_PLACE | NO_DX | NO_SUM}},
    {{33, 24, ACCUMULATE | NO_SUM}},
    {{33, 24, ACCUMULATE | IN_PLACE}}, /* the branch is the residual: dy is added to dout */
    {{20000, 3, ONLY_SUM}},
    {{2100, 264, ACCUMULATE | ONLY_SUM}},
};

static xr_status pair_features(check_run *run) {
  const int64_t rows = check_size(run, 0), cols = check_size(run, 1), flags = check_size(run, 2), count = rows * cols;
  const xr_dtype dtype = check_dtype(run);
  xr_pair_features_args a = {.rows = rows, .cols = cols, .dtype = dtype, .accumulate_dv = flags & ACCUMULATE};
  a.v = check_in(run, "v", dtype, count, CHECK_NORMAL);
  a.t = check_in(run, "t", dtype, count, CHECK_NORMAL);
  a.out = check_out(run, "out", dtype, 4 * count);
  XR_TRY(CHECK_CALL(run, xr_pair_features_forward, &a));
  a.accumulate_dt = flags & (ACCUMULATE | IN_PLACE);
  if (!(flags & NO_DX)) a.dv = gradient(run, "dv", dtype, count, a.accumulate_dv);
  if (!(flags & NO_SUM)) a.dt = flags & IN_PLACE ? a.dv : gradient(run, "dt", dtype, count, a.accumulate_dt);
  a.dout = check_in(run, "dout", dtype, 4 * count, CHECK_NORMAL);
  return CHECK_CALL(run, xr_pair_features_backward, &a);
}

static const check_case pair_features_cases[] = {
    {{1, 1, 0}, .golden = "pair_features.1x1"},
    {{3, 7, 0}, .golden = "pair_features.3x7"},
    {{2, 24, 0}, .golden = "pair_features.2x24"},
    {{0, 9, 0}},
    {{64, 512, ACCUMULATE}},
    {{5, 1027, 0}},
    {{9, 40, NO_DX}},
    {{9, 41, ACCUMULATE | NO_SUM}},
    {{6, 33, IN_PLACE}},
    {{6, 32, IN_PLACE | ACCUMULATE}},
};

static xr_status gated_mix(check_run *run) {
  const int64_t n = check_size(run, 0), flags = check_size(run, 1);
  const xr_dtype dtype = check_dtype(run);
  xr_gated_mix_args k = {.count = n, .dtype = dtype, .accumulate_dz = flags & ACCUMULATE, .accumulate_da = flags & ACCUMULATE};
  k.z = flags & IN_PLACE ? check_inout(run, "out", dtype, n, CHECK_NORMAL) : check_in(run, "z", dtype, n, CHECK_NORMAL);
  k.a = check_in(run, "a", dtype, n, CHECK_NORMAL);
  k.b = check_in(run, "b", dtype, n, CHECK_NORMAL);
  k.out = flags & IN_PLACE ? (void *)k.z : check_out(run, "out", dtype, n);
  XR_TRY(CHECK_CALL(run, xr_gated_mix_forward, &k));
  k.accumulate_db = flags & (ACCUMULATE | IN_PLACE);
  if (!(flags & ONLY_SUM))
    k.dz = flags & IN_PLACE ? check_inout(run, "dz", dtype, n, CHECK_NORMAL) : gradient(run, "dz", dtype, n, k.accumulate_dz);
  if (!(flags & NO_DX)) k.da = gradient(run, "da", dtype, n, k.accumulate_da);
  if (!(flags & NO_SUM)) k.db = flags & IN_PLACE ? k.da : gradient(run, "db", dtype, n, k.accumulate_db); /* a is b */
  k.dout = flags & IN_PLACE ? k.dz : check_in(run, "dout", dtype, n, CHECK_NORMAL);
  return CHECK_CALL(run, xr_gated_mix_backward, &k);
}

static const check_case gated_mix_cases[] = {
    {{1, 0}, .golden = "gated_mix.1"},
    {{133, 0}, .golden = "gated_mix.133"},
    {{0, 0}},
    {{4099, ACCUMULATE}},
    {{520, IN_PLACE}},
    {{65, IN_PLACE}},
    {{64, NO_DX | ONLY_SUM}},
    {{77, NO_DX | NO_SUM}},
};

static const check_op ops[] = {
    {"add_broadcast", add_broadcast, "rows cols flags", CHECK_FLOATS, CHECK_CASES(add_broadcast_cases), .golden = "combine"},
    {"layer_scale", layer_scale, "rows cols flags", CHECK_FLOATS, CHECK_CASES(layer_scale_cases), .golden = "combine"},
    {"pair_features", pair_features, "rows cols flags", CHECK_FLOATS, CHECK_CASES(pair_features_cases), .golden = "combine"},
    {"gated_mix", gated_mix, "count flags", CHECK_FLOATS, CHECK_CASES(gated_mix_cases), .golden = "combine"},
};
CHECK_OPS(ops)

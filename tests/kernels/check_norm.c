#include "kernels/norm/layernorm.h"
#include "tests/kernels/check.h"

/* flags */
enum { RESIDUAL = 1, DSUM = 2, ACCUMULATE = 4, NO_DX = 8, IN_PLACE = 16, ADD_BIAS = 32 /* to dbias alone */ };

static xr_status layernorm(check_run *run) {
  const int64_t rows = check_size(run, 0), cols = check_size(run, 1), flags = check_size(run, 2), n = rows * cols;
  const xr_dtype dtype = check_dtype(run);
  xr_layernorm a = {.rows = rows, .cols = cols, .eps = 1e-5f, .dtype = dtype};
  a.x = check_in(run, "x", dtype, n, CHECK_NORMAL);
  a.weight = check_in(run, "weight", XR_F32, cols, CHECK_NORMAL);
  a.bias = check_in(run, "bias", XR_F32, cols, CHECK_NORMAL);
  if (flags & RESIDUAL) {
    a.residual = flags & IN_PLACE ? check_inout(run, "sum", dtype, n, CHECK_NORMAL) : check_in(run, "residual", dtype, n, CHECK_NORMAL);
    a.sum = flags & IN_PLACE ? (void *)a.residual : check_out(run, "sum", dtype, n);
  }
  a.y = check_out(run, "y", dtype, n);
  a.mean = check_out(run, "mean", XR_F32, rows);
  a.rstd = check_out(run, "rstd", XR_F32, rows);
  XR_TRY(CHECK_CALL(run, xr_layernorm_forward, &a));

  if (flags & RESIDUAL) a.x = a.sum;
  a.dy = check_in(run, "dy", dtype, n, CHECK_NORMAL);
  a.accumulate_dweight = flags & ACCUMULATE;
  a.accumulate_dbias = flags & (ACCUMULATE | ADD_BIAS);
  a.accumulate_dx = flags & ACCUMULATE;
  if (flags & DSUM && !(flags & IN_PLACE)) a.dsum = check_in(run, "dsum", dtype, n, CHECK_NORMAL);
  if (!(flags & NO_DX))
    a.dx = flags & (ACCUMULATE | IN_PLACE) ? check_inout(run, "dx", dtype, n, CHECK_NORMAL) : check_out(run, "dx", dtype, n);
  if (flags & DSUM && flags & IN_PLACE) a.dsum = a.dx;
  a.dweight = a.accumulate_dweight ? check_inout(run, "dweight", XR_F32, cols, CHECK_NORMAL) : check_out(run, "dweight", XR_F32, cols);
  a.dbias = a.accumulate_dbias ? check_inout(run, "dbias", XR_F32, cols, CHECK_NORMAL) : check_out(run, "dbias", XR_F32, cols);
  a.workspace = check_workspace(run, xr_layernorm_workspace(&a));
  return CHECK_CALL(run, xr_layernorm_backward, &a);
}

/* One case for each layout of layernorm.cu and its edges: rows of a warp (to 1,024) and of a block, whole 16-byte pieces or not. */
static const check_case layernorm_cases[] = {
    {{1, 2, 0}, .golden = "1x2"},
    {{3, 7, 0}, .golden = "3x7"},
    {{5, 64, RESIDUAL | DSUM}, .golden = "5x64_residual"},
    {{33, 65, RESIDUAL | DSUM}, .golden = "33x65_residual"},
    {{3, 768, 0}, .golden = "3x768"},
    {{0, 8, 0}},
    {{1, 1, 0}},
    {{9, 256, RESIDUAL | DSUM | IN_PLACE}},
    {{4, 257, ACCUMULATE}},
    {{7, 264, RESIDUAL | ACCUMULATE}},
    {{7, 264, ADD_BIAS}},
    {{5, 512, NO_DX}},
    {{6, 520, DSUM}},
    {{130, 768, RESIDUAL | DSUM}},
    {{3, 1024, DSUM | IN_PLACE}},
    {{2, 1025, RESIDUAL | ACCUMULATE}},
    {{3, 1032, DSUM | ACCUMULATE}},
    {{2, 2048, 0}},
    {{2, 2056, RESIDUAL}},
    {{1, 8191, NO_DX}},
    {{2, 8192, RESIDUAL | DSUM}},
    {{2100, 8, RESIDUAL}}, /* more rows than partial sums: blocks go round */
    {{515, 1100, 0}},
};

static const check_op ops[] = {
    {"layernorm", layernorm, "rows cols flags", CHECK_FLOATS, CHECK_CASES(layernorm_cases), .golden = "layernorm"},
};
CHECK_OPS(ops)

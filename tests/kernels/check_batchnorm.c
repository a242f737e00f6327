#include "kernels/norm/batchnorm.h"
#include "tests/kernels/check.h"

/* flags; OVER_DY: dadd takes the memory of dy, or dx does where nothing was added */
enum { ADD = 1, RELU = 2, ACCUMULATE = 4, ADD_BIAS = 8, NO_DX = 16, OVER_DY = 32, RUNNING = 64, INFERENCE = 128, FROZEN = 256 };

static float *parameter_gradient(check_run *run, const char *name, int64_t cols, bool accumulate) {
  return accumulate ? check_inout(run, name, XR_F32, cols, CHECK_NORMAL) : check_out(run, name, XR_F32, cols);
}

static xr_status batchnorm(check_run *run) {
  const int64_t rows = check_size(run, 0), cols = check_size(run, 1), flags = check_size(run, 2), n = rows * cols;
  const xr_dtype dtype = check_dtype(run);
  xr_batchnorm a = {.rows = rows, .cols = cols, .eps = 1e-5f, .momentum = 0.1f, .training = !(flags & INFERENCE), .dtype = dtype};
  a.relu = flags & RELU;
  a.x = check_in(run, "x", dtype, n, CHECK_NORMAL);
  if (flags & ADD) a.add = check_in(run, "add", dtype, n, CHECK_NORMAL);
  a.weight = check_in(run, "weight", XR_F32, cols, CHECK_NORMAL);
  a.bias = check_in(run, "bias", XR_F32, cols, CHECK_NORMAL);
  if (flags & RUNNING) {
    a.running_mean = check_inout(run, "running_mean", XR_F32, cols, CHECK_NORMAL);
    a.running_var = check_inout(run, "running_var", XR_F32, cols, CHECK_POSITIVE);
  }
  if (flags & INFERENCE) {
    a.running_mean = check_in(run, "running_mean", XR_F32, cols, CHECK_NORMAL);
    a.running_var = check_in(run, "running_var", XR_F32, cols, CHECK_POSITIVE);
  }
  a.y = check_out(run, "y", dtype, n);
  a.mean = check_out(run, "mean", XR_F32, cols);
  a.rstd = check_out(run, "rstd", XR_F32, cols);
  a.workspace = check_workspace(run, xr_batchnorm_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_batchnorm_forward, &a));
  if (flags & INFERENCE) return XR_OK;

  const bool over = flags & OVER_DY, accumulate = flags & ACCUMULATE;
  a.accumulate_dx = a.accumulate_dadd = a.accumulate_dweight = accumulate;
  a.accumulate_dbias = flags & (ACCUMULATE | ADD_BIAS);
  const char *shared = flags & ADD ? "dadd" : "dx";
  a.dy = over ? check_inout(run, shared, dtype, n, CHECK_NORMAL) : check_in(run, "dy", dtype, n, CHECK_NORMAL);
  if (flags & ADD)
    a.dadd = over ? (void *)a.dy : accumulate ? check_inout(run, "dadd", dtype, n, CHECK_NORMAL) : check_out(run, "dadd", dtype, n);
  if (!(flags & NO_DX))
    a.dx = over && !(flags & ADD) ? (void *)a.dy
           : accumulate           ? check_inout(run, "dx", dtype, n, CHECK_NORMAL)
                                  : check_out(run, "dx", dtype, n);
  a.dweight = parameter_gradient(run, "dweight", cols, a.accumulate_dweight);
  if (!(flags & FROZEN)) a.dbias = parameter_gradient(run, "dbias", cols, a.accumulate_dbias);
  a.workspace = check_workspace(run, xr_batchnorm_workspace(&a));
  return CHECK_CALL(run, xr_batchnorm_backward, &a);
}

/* Strips of every width (1 to 32 pieces), chunks of 64 rows and more, rows that are whole 16-byte pieces or not. */
static const check_case cases[] = {
    {{2, 1, 0}, .golden = "2x1"},
    {{5, 7, RELU}, .golden = "5x7_relu"},
    {{3, 17, ADD}, .golden = "3x17_add"},
    {{33, 8, ADD | RELU}, .golden = "33x8_add_relu"},
    {{130, 9, RELU | RUNNING}, .golden = "130x9_relu"},
    {{1, 1, 0}},
    {{1, 24, ADD | RELU | RUNNING}}, /* one row: no variance */
    {{64, 16, RUNNING}},
    {{65, 32, RELU | ACCUMULATE}},
    {{129, 64, ADD | RELU | OVER_DY}},
    {{200, 64, OVER_DY | RELU}},
    {{97, 40, ADD | OVER_DY}},
    {{300, 24, ADD_BIAS}},
    {{70, 120, NO_DX | ADD | RELU | ACCUMULATE}},
    {{70, 120, NO_DX}},
    {{67, 264, RELU | RUNNING | FROZEN}},
    {{8, 2048, RUNNING | FROZEN}},
    {{3, 1029, ADD | RELU | ACCUMULATE}},
    {{2000, 3, RUNNING}},
    {{33000, 8, RELU | RUNNING}}, /* more rows than 512 chunks of 64: longer chunks, and a last one of another length */
    {{5, 33, INFERENCE}},
    {{130, 64, INFERENCE | RELU | ADD}},
};

static const check_op ops[] = {
    {"batchnorm", batchnorm, "rows cols flags", CHECK_FLOATS, CHECK_CASES(cases), .golden = "batchnorm"},
};
CHECK_OPS(ops)

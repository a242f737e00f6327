#include "kernels/linear/gemm.h"
#include "kernels/linear/linear.h"
#include "tests/kernels/check.h"

/* ---- matrix products */
enum {
  TRANSPOSE_A = 1,
  TRANSPOSE_B = 2,
  BIAS = 4,
  ACCUMULATE = 8,
  F32_RESULT = 16,
  PADDED = 32 /* rows with three elements between them */
};

static xr_status gemm(check_run *run) {
  const int64_t m = check_size(run, 0), n = check_size(run, 1), k = check_size(run, 2), flags = check_size(run, 3),
                batch = check_size(run, 4), pad = flags & PADDED ? 3 : 0;
  const xr_dtype dtype = check_dtype(run), c_dtype = flags & F32_RESULT ? XR_F32 : dtype;
  xr_gemm a = {.batch = batch,
               .m = m,
               .n = n,
               .k = k,
               .transpose_a = flags & TRANSPOSE_A,
               .transpose_b = flags & TRANSPOSE_B,
               .dtype = dtype,
               .c_dtype = c_dtype,
               .alpha = (float)check_size(run, 5) / 8,
               .accumulate = flags & ACCUMULATE};
  const int64_t a_rows = a.transpose_a ? k : m, b_rows = a.transpose_b ? n : k;
  a.lda = (a.transpose_a ? m : k) + pad;
  a.ldb = (a.transpose_b ? k : n) + pad;
  a.ldc = n + pad;
  a.stride_a = a_rows * a.lda;
  a.stride_b = batch > 2 ? 0 : b_rows * a.ldb; /* shared by the batch */
  a.stride_c = m * a.ldc;
  a.a = check_in(run, "a", dtype, batch * a.stride_a, CHECK_NORMAL);
  a.b = check_in(run, "b", dtype, (batch > 2 ? 1 : batch) * b_rows * a.ldb, CHECK_NORMAL);
  if (flags & BIAS) a.bias = check_in(run, "bias", XR_F32, n, CHECK_NORMAL);
  a.c = a.accumulate ? check_inout(run, "c", c_dtype, batch * a.stride_c, CHECK_NORMAL) : check_out(run, "c", c_dtype, batch * a.stride_c);
  a.workspace = check_workspace(run, xr_gemm_workspace(&a));
  return CHECK_CALL(run, xr_gemm, &a);
}

static const check_case gemm_cases[] = {
    {{1, 1, 1, 0, 1, 8}},
    {{5, 17, 33, TRANSPOSE_B | BIAS, 1, 8}},
    {{33, 26, 7, TRANSPOSE_A, 1, 1}},
    {{40, 19, 65, TRANSPOSE_A | TRANSPOSE_B, 1, 8}},
    {{66, 10, 12, TRANSPOSE_B | BIAS, 1, -12}, .golden = "66x10x12"},
    {{64, 96, 128, TRANSPOSE_B | BIAS | F32_RESULT, 1, 8}},
    {{48, 64, 40, ACCUMULATE, 1, 8}},
    {{48, 64, 40, TRANSPOSE_A | ACCUMULATE | F32_RESULT, 1, 8}},
    {{9, 24, 0, 0, 1, 8}},
    {{9, 24, 0, BIAS | F32_RESULT, 1, 8}},
    {{0, 24, 5, 0, 1, 8}},
    {{7, 11, 13, PADDED | BIAS, 1, 8}},
    {{7, 11, 13, PADDED | TRANSPOSE_A | TRANSPOSE_B, 2, 8}},
    {{16, 32, 24, F32_RESULT, 3, 8}},
};

/* ---- linear layers */
enum {
  WITH_BIAS = 1,
  TRANSPOSED = 2,
  F32_Y = 4,
  ADD = 8,
  IN_PLACE = 16 /* dpre in the memory of dy */,
  ADD_BIAS = 32 /* to dbias alone */
};

static xr_status linear(check_run *run) {
  const int64_t rows = check_size(run, 0), in = check_size(run, 1), out = check_size(run, 2), flags = check_size(run, 4);
  const xr_dtype dtype = check_dtype(run), y_dtype = flags & F32_Y ? XR_F32 : dtype;
  xr_linear a = {.rows = rows,
                 .in = in,
                 .out = out,
                 .dtype = dtype,
                 .y_dtype = y_dtype,
                 .activation = (xr_activation_kind)check_size(run, 3),
                 .weight_transposed = flags & TRANSPOSED,
                 .accumulate_dx = flags & ADD,
                 .accumulate_dweight = flags & ADD,
                 .accumulate_dbias = flags & (ADD | ADD_BIAS)};
  const bool activates = a.activation != XR_ACTIVATION_NONE;
  a.x = check_in(run, "x", dtype, rows * in, CHECK_NORMAL);
  a.weight = check_in(run, "weight", dtype, in * out, CHECK_NORMAL);
  if (flags & WITH_BIAS) a.bias = check_in(run, "bias", XR_F32, out, CHECK_NORMAL);
  a.y = check_out(run, "y", y_dtype, rows * out);
  if (activates) a.pre = check_out(run, "pre", y_dtype, rows * out);
  a.workspace = check_workspace(run, xr_linear_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_linear_forward, &a));

  a.y = NULL;
  if (flags & IN_PLACE)
    a.dy = a.dpre = check_inout(run, "dpre", dtype, rows * out, CHECK_NORMAL);
  else
    a.dy = check_in(run, "dy", y_dtype, rows * out, CHECK_NORMAL);
  if (!(flags & IN_PLACE) && activates) a.dpre = check_out(run, "dpre", dtype, rows * out);
  if (!a.dpre) a.dpre = check_workspace(run, (size_t)(rows * out) * xr_dtype_bytes(dtype)); /* a copy of dy, in bf16 alone */
  const bool add = flags & ADD;
  a.dx = add ? check_inout(run, "dx", dtype, rows * in, CHECK_NORMAL) : check_out(run, "dx", dtype, rows * in);
  a.dweight = add ? check_inout(run, "dweight", XR_F32, in * out, CHECK_NORMAL) : check_out(run, "dweight", XR_F32, in * out);
  if (flags & WITH_BIAS)
    a.dbias = a.accumulate_dbias ? check_inout(run, "dbias", XR_F32, out, CHECK_NORMAL) : check_out(run, "dbias", XR_F32, out);
  a.workspace = check_workspace(run, xr_linear_workspace(&a));
  return CHECK_CALL(run, xr_linear_backward, &a);
}

static const check_case linear_cases[] = {
    {{1, 1, 1, XR_ACTIVATION_NONE, WITH_BIAS}, .golden = "1x1x1"},
    {{3, 7, 5, XR_ACTIVATION_QUICK_GELU, WITH_BIAS}, .golden = "3x7x5"},
    {{33, 17, 20, XR_ACTIVATION_GELU, WITH_BIAS}, .golden = "33x17x20"},
    {{65, 16, 8, XR_ACTIVATION_NONE, TRANSPOSED}, .golden = "65x16x8"},
    {{2, 50, 31, XR_ACTIVATION_GELU, 0}},
    {{20, 65, 12, XR_ACTIVATION_QUICK_GELU, WITH_BIAS | TRANSPOSED}, .golden = "20x65x12"},
    {{33, 17, 24, XR_ACTIVATION_QUICK_GELU, WITH_BIAS | IN_PLACE}},
    {{19, 24, 40, XR_ACTIVATION_GELU, WITH_BIAS | F32_Y}},
    {{19, 24, 37, XR_ACTIVATION_NONE, WITH_BIAS | F32_Y}},
    {{100, 12, 1032, XR_ACTIVATION_QUICK_GELU, WITH_BIAS | ADD}},
    {{2100, 3, 33, XR_ACTIVATION_NONE, WITH_BIAS | ADD | TRANSPOSED}}, /* more rows than blocks of rows */
    {{2100, 3, 40, XR_ACTIVATION_GELU, WITH_BIAS}},
    {{33, 17, 24, XR_ACTIVATION_TANH, WITH_BIAS}},
    {{20, 65, 12, XR_ACTIVATION_LOGISTIC, WITH_BIAS}},
    {{19, 24, 40, XR_ACTIVATION_NONE, WITH_BIAS | ADD_BIAS}},
    {{0, 8, 16, XR_ACTIVATION_NONE, WITH_BIAS}},
    {{0, 8, 16, XR_ACTIVATION_GELU, WITH_BIAS}},
};

static const check_op ops[] = {
    {"gemm", gemm, "m n k flags batch alpha_in_eighths", CHECK_FLOATS, CHECK_CASES(gemm_cases), .golden = "gemm"},
    {"linear", linear, "rows in out activation flags", CHECK_FLOATS, CHECK_CASES(linear_cases), .golden = "linear"},
};
CHECK_OPS(ops)

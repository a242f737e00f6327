#include "tests/kernels/check_common.h"

#include <math.h>

#include "tests/kernels/check.h"

xr_status check_vec_cpu(const check_vec *a) {
  for (int64_t i = a->offset; i < a->count; i++) {
    if (a->dtype == XR_F32)
      ((float *)a->y)[i] = ((const float *)a->x)[i] + 1;
    else
      ((xr_bf16 *)a->y)[i] = xr_f32_to_bf16(xr_bf16_to_f32(((const xr_bf16 *)a->x)[i]) + 1);
  }
  return XR_OK;
}

xr_status check_reduce_cpu(const check_reduce *a) {
  for (int64_t row = 0; row < a->rows; row++) {
    const float *x = a->x + row * 256;
    float sum = 0, largest = x[0], smallest = x[0];
    for (int i = 0; i < 32; i++) a->eights[row * 32 + i] = 0;
    for (int i = 0; i < 256; i++) {
      sum += x[i];
      largest = isnan(x[i]) || x[i] > largest ? x[i] : largest;
      smallest = isnan(x[i]) || x[i] < smallest ? x[i] : smallest;
      a->eights[row * 32 + i / 8] += x[i];
    }
    a->sum[row] = sum;
    a->largest[row] = isnan(sum) ? sum : largest;
    a->smallest[row] = isnan(sum) ? sum : smallest;
  }
  return XR_OK;
}

xr_status check_mma_cpu(const check_mma *a) {
  for (int64_t i = 0; i < a->m; i++)
    for (int64_t j = 0; j < a->n; j++) {
      float sum = 0;
      for (int64_t k = 0; k < a->k; k++)
        sum += xr_bf16_to_f32(a->a[i * a->k + k]) * xr_bf16_to_f32(a->b[a->b_by_rows ? k * a->n + j : j * a->k + k]);
      a->c[i * a->n + j] = sum;
    }
  return XR_OK;
}

static xr_status vec(check_run *run) {
  check_vec a = {.count = check_size(run, 0), .offset = check_size(run, 1), .dtype = check_dtype(run)};
  a.x = check_in(run, "x", a.dtype, a.count, CHECK_NORMAL);
  a.y = check_inout(run, "y", a.dtype, a.count, CHECK_NORMAL);
  if (a.dtype == XR_F32) check_exact(run, "y");
  return CHECK_CALL(run, check_vec, &a);
}

static xr_status reduce(check_run *run) {
  check_reduce a = {.rows = check_size(run, 0)};
  if (check_size(run, 1)) { /* with a NaN in the last row */
    float values[3 * 256] = {0};
    values[a.rows * 256 - 7] = NAN;
    a.x = check_in_values(run, "x", XR_F32, a.rows * 256, values);
  } else {
    a.x = check_in(run, "x", XR_F32, a.rows * 256, CHECK_WHOLE);
  }
  a.sum = check_out(run, "sum", XR_F32, a.rows);
  a.largest = check_out(run, "largest", XR_F32, a.rows);
  a.smallest = check_out(run, "smallest", XR_F32, a.rows);
  a.eights = check_out(run, "eights", XR_F32, a.rows * 32);
  static const char *const exact[] = {"sum", "largest", "smallest", "eights"};
  for (int i = 0; i < 4; i++) check_exact(run, exact[i]);
  return CHECK_CALL(run, check_reduce, &a);
}

static xr_status mma(check_run *run) {
  check_mma a = {.m = check_size(run, 0), .n = check_size(run, 1), .k = check_size(run, 2), .b_by_rows = check_size(run, 3) != 0};
  a.a = check_in(run, "a", XR_BF16, a.m * a.k, CHECK_WHOLE);
  a.b = check_in(run, "b", XR_BF16, a.n * a.k, CHECK_WHOLE);
  a.c = check_out(run, "c", XR_F32, a.m * a.n);
  check_exact(run, "c");
  return CHECK_CALL(run, check_mma, &a);
}

static const check_case vec_cases[] = {{{1, 0}}, {{8, 0}}, {{8, 8}}, {{9, 1}}, {{513, 0}}, {{1024, 0}}, {{1032, 8}}, {{1026, 2}}};
static const check_case reduce_cases[] = {{{1, 0}}, {{3, 0}}, {{2, 1}}};
static const check_case mma_cases[] = {{{16, 16, 16, 0}}, {{16, 16, 16, 1}}, {{32, 48, 80, 0}}, {{48, 32, 96, 1}}};

static const check_op ops[] = {
    {"common.vec", vec, "count offset", CHECK_FLOATS, CHECK_CASES(vec_cases)},
    {"common.reduce", reduce, "rows nan", CHECK_F32, CHECK_CASES(reduce_cases)},
    {"common.mma", mma, "m n k by_rows", CHECK_F32, CHECK_CASES(mma_cases)},
};
CHECK_OPS(ops)

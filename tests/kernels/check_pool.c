#include "kernels/pool/grid_mean.h"
#include "kernels/pool/masked_mean.h"
#include "tests/kernels/check.h"

/* lengths: 0: NULL; 1: from the golden file or at random; 2: sample 1 has an illegal one. */
static xr_status masked_mean(check_run *run) {
  const int64_t batch = check_size(run, 0), tokens = check_size(run, 1), width = check_size(run, 2), lengths = check_size(run, 4);
  const int64_t tensor = batch * tokens * width;
  const xr_dtype dtype = check_dtype(run);
  xr_masked_mean a = {
      .batch = batch, .tokens = tokens, .width = width, .first = check_size(run, 3), .dtype = dtype, .accumulate_dx = check_size(run, 5)};
  const bool host = !check_on_device(run);
  const int32_t some[3] = {(int32_t)tokens, host ? 0 : a.accumulate_dx ? -1 : (int32_t)tokens + 1, 1};
  if (lengths == 1) a.length = check_in_ids(run, "length", batch, 0, (int32_t)tokens + 1);
  if (lengths == 2) a.length = check_in_bytes(run, "length", some, sizeof some);
  a.x = check_in(run, "x", dtype, tensor, CHECK_NORMAL);
  a.y = check_out(run, "y", dtype, batch * width);
  a.dy = check_in(run, "dy", dtype, batch * width, CHECK_NORMAL);
  a.dx = a.accumulate_dx ? check_inout(run, "dx", dtype, tensor, CHECK_NORMAL) : check_out(run, "dx", dtype, tensor);
  XR_TRY(CHECK_CALL(run, xr_masked_mean_forward, &a));
  XR_TRY(CHECK_CALL(run, xr_masked_mean_backward, &a));
  if (lengths != 2 || !host) return XR_OK;
  /* On a device nobody looks at lengths first: what the header says of illegal ones. */
  const size_t row = (size_t)width * xr_dtype_bytes(dtype), sample = (size_t)tokens * row;
  memset((char *)a.y + row, 0xff, row);
  memset((char *)a.dx + sample, 0xff, sample);
  return XR_OK;
}

static const check_case cases[] = {
    {{1, 1, 1, 0, 0, 0}},    {{2, 5, 7, 0, 0, 0}},  {{5, 6, 33, 0, 1, 0}}, {{5, 6, 33, 2, 1, 1}},
    {{2, 2, 1030, 1, 1, 0}}, {{3, 0, 8, 0, 0, 0}},  {{0, 3, 8, 0, 0, 0}},  {{2, 193, 768, 1, 0, 0}},
    {{7, 40, 264, 1, 1, 1}}, {{3, 4, 16, 5, 1, 0}}, {{3, 9, 24, 0, 2, 0}}, {{3, 9, 7, 1, 2, 1}},
};

static xr_status grid_mean(check_run *run) {
  const xr_dtype dtype = check_dtype(run);
  xr_grid_mean a = {.batch = check_size(run, 0), .first = check_size(run, 1), .width = check_size(run, 4), .dtype = dtype};
  a.grid_height = check_size(run, 2);
  a.grid_width = check_size(run, 3);
  a.factor = check_size(run, 5);
  a.accumulate_dx = check_size(run, 6);
  const int64_t fine = a.batch * (a.first + a.grid_height * a.grid_width) * a.width;
  const int64_t coarse = a.batch * xr_grid_mean_cells(&a) * a.width;
  a.x = check_in(run, "x", dtype, fine, CHECK_NORMAL);
  a.y = check_out(run, "y", dtype, coarse);
  a.dy = check_in(run, "dy", dtype, coarse, CHECK_NORMAL);
  a.dx = a.accumulate_dx ? check_inout(run, "dx", dtype, fine, CHECK_NORMAL) : check_out(run, "dx", dtype, fine);
  XR_TRY(CHECK_CALL(run, xr_grid_mean_forward, &a));
  return CHECK_CALL(run, xr_grid_mean_backward, &a);
}

static const check_case grid_mean_cases[] = {
    {{1, 0, 1, 1, 1, 1, 0}, .golden = "single"},
    {{2, 1, 6, 2, 7, 2, 0}, .golden = "halves"},
    {{3, 0, 3, 6, 9, 3, 0}, .golden = "thirds"},
    {{2, 1, 2, 3, 5, 1, 0}, .golden = "copy"},
    {{1, 1, 4, 4, 33, 4, 0}, .golden = "whole"},
    {{2, 1, 24, 8, 512, 2, 0}},
    {{2, 1, 24, 8, 520, 4, 1}},
    {{3, 0, 6, 9, 17, 3, 1}},
    {{1, 0, 7, 14, 24, 7, 0}},
    {{5, 1, 5, 5, 8, 5, 1}},
    {{2, 1, 3, 2, 1030, 1, 1}},
    {{0, 1, 4, 4, 8, 2, 0}},
    {{2, 1, 4, 4, 0, 2, 0}},
};

static const check_op ops[] = {
    {"masked_mean", masked_mean, "batch tokens width first lengths accumulate", CHECK_FLOATS, CHECK_CASES(cases)},
    {"grid_mean", grid_mean, "batch first grid_height grid_width width factor accumulate", CHECK_FLOATS, CHECK_CASES(grid_mean_cases),
     .golden = "grid_mean"},
};
CHECK_OPS(ops)

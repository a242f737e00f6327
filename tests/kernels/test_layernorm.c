#include <criterion/criterion.h>
#include <stdio.h>

#include "host/base/memory.h"
#include "kernels/norm/layernorm.h"
#include "tests/support/golden.h"

static void run_case(const char *name, bool residual, xr_dtype dtype) {
  xr_golden g = xr_golden_open("layernorm");
  g.name = name;
  int64_t rows = xr_golden_dim(&g, "x", 0), cols = xr_golden_dim(&g, "x", 1);
  xr_layernorm a = {.rows = rows, .cols = cols, .eps = 1e-5f, .dtype = dtype};
  void *x = xr_golden_load(&g, "x", dtype), *dy = xr_golden_load(&g, "dy", dtype), *weight = xr_golden_load(&g, "weight", XR_F32),
       *bias = xr_golden_load(&g, "bias", XR_F32), *r = residual ? xr_golden_load(&g, "residual", dtype) : NULL,
       *dsum = residual ? xr_golden_load(&g, "dsum", dtype) : NULL;
  void *y = xr_poisoned(dtype, rows * cols), *sum = xr_poisoned(dtype, rows * cols), *dx = xr_poisoned(dtype, rows * cols);
  float *mean = xr_poisoned(XR_F32, rows), *rstd = xr_poisoned(XR_F32, rows), *dweight = xr_poisoned(XR_F32, cols),
        *dbias = xr_poisoned(XR_F32, cols);
  a.x = x;
  a.residual = r;
  a.sum = sum;
  a.weight = weight;
  a.bias = bias;
  a.y = y;
  a.mean = mean;
  a.rstd = rstd;
  cr_assert(xr_layernorm_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "y", y, dtype, dtype);
  if (residual) xr_golden_expect(&g, "sum", sum, dtype, dtype);

  a.x = residual ? sum : x;
  a.dy = dy;
  a.dsum = dsum;
  a.dx = dx;
  a.dweight = dweight;
  a.dbias = dbias;
  a.workspace = xr_block_alloc(xr_layernorm_workspace(&a));
  cr_assert(xr_layernorm_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "dx", dx, dtype, dtype);
  xr_golden_expect(&g, "dweight", dweight, XR_F32, dtype);
  xr_golden_expect(&g, "dbias", dbias, XR_F32, dtype);
  void *blocks[] = {x, dy, weight, bias, r, dsum, y, sum, dx, mean, rstd, dweight, dbias, a.workspace};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) xr_block_free(blocks[i]);
  xr_golden_close(&g);
}

static const struct {
  const char *name;
  bool residual;
} cases[] = {{"1x2", false}, {"3x7", false}, {"5x64_residual", true}, {"33x65_residual", true}, {"3x768", false}};

Test(layernorm, golden_f32) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(cases[i].name, cases[i].residual, XR_F32);
}

Test(layernorm, golden_bf16) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(cases[i].name, cases[i].residual, XR_BF16);
}

Test(layernorm, rows_longer_than_supported_are_refused) {
  xr_layernorm a = {.rows = 1, .cols = 100000, .dtype = XR_F32};
  cr_assert_eq(xr_layernorm_forward_cpu(&a), XR_BAD_SHAPE);
}

/* What the golden cases of checkkernel do not show: running statistics, one row, accuracy far from 0, and what is refused. */
#include <criterion/criterion.h>
#include <math.h>

#include "host/base/memory.h"
#include "kernels/norm/batchnorm.h"
#include "tests/support/golden.h"

enum { ROWS = 1500, COLS = 3 };

typedef struct {
  xr_batchnorm a;
  float x[ROWS * COLS], y[ROWS * COLS], weight[COLS], bias[COLS], running_mean[COLS], running_var[COLS], mean[COLS], rstd[COLS];
} fixture;

static fixture *make(int64_t rows) {
  fixture *f = xr_block_alloc(sizeof *f);
  cr_assert_not_null(f);
  f->a = (xr_batchnorm){.rows = rows, .cols = COLS, .eps = 1e-5f, .momentum = 0.1f, .training = true, .dtype = XR_F32};
  for (int c = 0; c < COLS; c++) {
    f->weight[c] = 1;
    f->bias[c] = (float)c - 1;
    f->running_mean[c] = 0;
    f->running_var[c] = 1;
  }
  for (int64_t i = 0; i < rows * COLS; i++) f->x[i] = sinf((float)(i * i % 977)) + (float)(i % COLS);
  f->a.x = f->x;
  f->a.y = f->y;
  f->a.weight = f->weight;
  f->a.bias = f->bias;
  f->a.running_mean = f->running_mean;
  f->a.running_var = f->running_var;
  f->a.mean = f->mean;
  f->a.rstd = f->rstd;
  f->a.workspace = xr_block_alloc(xr_batchnorm_workspace(&f->a));
  return f;
}

static void drop(fixture *f) {
  xr_block_free(f->a.workspace);
  xr_block_free(f);
}

static void moments(const fixture *f, int c, double *mean, double *squares) {
  *mean = *squares = 0;
  for (int64_t row = 0; row < f->a.rows; row++) *mean += (double)f->x[row * COLS + c] / (double)f->a.rows;
  for (int64_t row = 0; row < f->a.rows; row++) {
    const double apart = (double)f->x[row * COLS + c] - *mean;
    *squares += apart * apart;
  }
}

Test(batchnorm, running_statistics_are_unbiased_and_used_at_inference) {
  fixture *f = make(ROWS);
  cr_assert(xr_batchnorm_forward_cpu(&f->a) == XR_OK, "%s", xr_message());
  for (int c = 0; c < COLS; c++) {
    double mean, squares;
    moments(f, c, &mean, &squares);
    cr_assert_float_eq(f->running_mean[c], 0.1 * mean, 1e-6);
    cr_assert_float_eq(f->running_var[c], 0.9 + 0.1 * squares / (ROWS - 1), 1e-6);
  }
  f->a.training = false;
  cr_assert(xr_batchnorm_forward_cpu(&f->a) == XR_OK, "%s", xr_message());
  for (int64_t i = 0; i < ROWS * COLS; i++) {
    const int c = (int)(i % COLS);
    const double expected = ((double)f->x[i] - (double)f->running_mean[c]) / sqrt((double)f->running_var[c] + 1e-5) + (double)f->bias[c];
    cr_assert_float_eq(f->y[i], expected, 1e-5, "element %lld", (long long)i);
  }
  drop(f);
}

/* Sums of squares would leave nothing of a variance of 1/2 beside 10^8. */
Test(batchnorm, far_from_zero) {
  fixture *f = make(ROWS);
  for (int64_t i = 0; i < ROWS * COLS; i++) f->x[i] += 1e4f;
  cr_assert(xr_batchnorm_forward_cpu(&f->a) == XR_OK, "%s", xr_message());
  for (int c = 0; c < COLS; c++) {
    double mean, squares;
    moments(f, c, &mean, &squares);
    cr_assert_float_eq(f->rstd[c] * sqrt(squares / ROWS + 1e-5), 1, 1e-4); /* means of chunks are rounded to 2^-10 there */
    cr_assert_float_eq(f->mean[c], mean, 1e-3);
  }
  drop(f);
}

Test(batchnorm, one_row_gives_the_bias) {
  fixture *f = make(1);
  cr_assert(xr_batchnorm_forward_cpu(&f->a) == XR_OK, "%s", xr_message());
  for (int c = 0; c < COLS; c++) {
    cr_assert_eq(f->y[c], f->bias[c]);
    cr_assert_float_eq(f->running_mean[c], 0.1f * f->x[c], 1e-6);
    cr_assert_eq(f->running_var[c], 1);
  }
  float dy[COLS] = {1, 2, 3}, dx[COLS] = {7, 7, 7};
  f->a.dy = dy;
  f->a.dx = dx;
  cr_assert(xr_batchnorm_backward_cpu(&f->a) == XR_OK, "%s", xr_message());
  for (int c = 0; c < COLS; c++) cr_assert_eq(dx[c], 0);
  drop(f);
}

Test(batchnorm, what_is_not_finite_does_not_stay) {
  fixture *f = make(ROWS);
  f->x[1] = INFINITY;
  f->x[5 * COLS + 2] = NAN;
  f->a.relu = true;
  cr_assert(xr_batchnorm_forward_cpu(&f->a) == XR_OK, "%s", xr_message());
  cr_assert(f->running_mean[0] != 0 && f->running_var[0] != 1);
  for (int c = 1; c < COLS; c++) {
    cr_assert(f->running_mean[c] == 0 && f->running_var[c] == 1);
    cr_assert(isnan(f->y[c]), "ReLU must not hide it");
  }
  drop(f);
}

Test(batchnorm, wrong_arguments_are_refused) {
  fixture *f = make(ROWS);
  f->a.rows = 0;
  cr_assert_eq(xr_batchnorm_forward_cpu(&f->a), XR_BAD_SHAPE);
  f->a.rows = ROWS;
  f->a.dtype = XR_I32;
  cr_assert_eq(xr_batchnorm_forward_cpu(&f->a), XR_UNSUPPORTED);
  f->a.dtype = XR_F32;
  f->a.training = false;
  cr_assert_eq(xr_batchnorm_backward_cpu(&f->a), XR_BAD_ARGUMENT);
  drop(f);
}

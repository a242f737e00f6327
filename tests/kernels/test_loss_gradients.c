/* Finite differences: the slope of each loss along random directions against the gradient it reports.
 *
 * L is smooth, so with the central difference D(h) = (L(x + h d) - L(x - h d)) / 2h:
 *   truncation   D(h) - L' = h^2 L''' / 6 + ..,  and D(2h) - D(h) = 3 h^2 L''' / 6 + ..: three times as much
 *   rounding     each L is f32: off by at most ROUNDING units of 2^-24 |L|, hence D(h) by ROUNDING 2^-24 |L| / h
 * The bound below is the sum of both. That it can fail is checked too: a gradient 1 % too long must miss it. */
#include <math.h>

#include "host/base/memory.h"
#include "host/base/random.h"
#include "kernels/loss/cross_entropy.h"
#include "kernels/loss/sdm.h"
#include "kernels/loss/weighted_sum.h"
#include "tests/support/kernel.h"

enum { ROUNDING = 8, MAX_COUNT = 512 };

typedef struct {
  int count;                                                            /* inputs of the loss */
  double h;                                                             /* step along a direction of length 1 */
  double (*loss)(const void *context, const float *x, float *gradient); /* gradient may be NULL */
  const void *context;
} problem;

static double length_of(const float *v, int count) {
  double squares = 0;
  for (int i = 0; i < count; i++) squares += (double)v[i] * (double)v[i];
  return sqrt(squares);
}

/* Central difference; the points are rounded to f32, so the step is measured along the direction that was really taken. */
static double difference(const problem *p, const float *x, const float *d, double h, const float *gradient, double *slope) {
  float ahead[MAX_COUNT], behind[MAX_COUNT];
  *slope = 0;
  for (int i = 0; i < p->count; i++) {
    ahead[i] = (float)((double)x[i] + h * (double)d[i]);
    behind[i] = (float)((double)x[i] - h * (double)d[i]);
    *slope += (double)gradient[i] * ((double)ahead[i] - (double)behind[i]) / (2 * h);
  }
  return (p->loss(p->context, ahead, NULL) - p->loss(p->context, behind, NULL)) / (2 * h);
}

static void check_gradient(const char *name, const problem *p, const float *x) {
  float gradient[MAX_COUNT], direction[MAX_COUNT];
  const double value = p->loss(p->context, x, gradient);
  cr_assert(p->count <= MAX_COUNT);
  for (uint64_t trial = 0; trial < 8; trial++) {
    xr_random random = xr_random_start(77, trial);
    /* the first direction is the gradient's own, where the slope is largest */
    for (int i = 0; i < p->count; i++) direction[i] = trial ? xr_random_normal(&random) : gradient[i];
    const double length = length_of(direction, p->count);
    for (int i = 0; i < p->count; i++) direction[i] = (float)((double)direction[i] / length);
    double slope, slope_twice;
    const double near = difference(p, x, direction, p->h, gradient, &slope);
    const double far = difference(p, x, direction, 2 * p->h, gradient, &slope_twice);
    const double allowed = fabs((far - slope_twice) - (near - slope)) + ROUNDING * 0x1p-24 * (fabs(value) + 1) / p->h;
    cr_assert(fabs(near - slope) <= allowed, "%s, direction %d: slope %.8g, gradient says %.8g, allowed difference %.2g", name, (int)trial,
              near, slope, allowed);
    if (trial == 0) cr_assert(fabs(near - 1.01 * slope) > allowed, "%s: the bound %.2g does not tell 1 %% of %.3g", name, allowed, slope);
  }
}

enum { ROWS = 7, CLASSES = 33 };

static double cross_entropy(const void *context, const float *x, float *gradient) {
  const float *smoothing = context;
  const int32_t labels[ROWS] = {0, 32, 5, -1, 7, 7, 31};
  float loss, row_loss[ROWS], unused[ROWS * CLASSES];
  const xr_cross_entropy a = {.rows = ROWS,
                              .classes = CLASSES,
                              .dtype = XR_F32,
                              .smoothing = *smoothing,
                              .logits = x,
                              .labels = labels,
                              .loss = &loss,
                              .row_loss = row_loss,
                              .gradient = gradient ? gradient : unused};
  cr_assert_eq(xr_cross_entropy_forward_cpu(&a), XR_OK);
  return (double)loss;
}

Test(loss_gradients, cross_entropy) {
  xr_blocks held = {.count = 0};
  const float *x = xr_random_block(&held, XR_F32, ROWS * CLASSES, 1), smoothing[2] = {0, 0.1f};
  for (int i = 0; i < 2; i++)
    check_gradient("cross_entropy", &(problem){.count = ROWS * CLASSES, .h = 0x1p-6, .loss = cross_entropy, .context = &smoothing[i]}, x);
  xr_release(&held);
}

enum { BATCH = 12 };

static double sdm(const void *context, const float *x, float *gradient) {
  const float *semi_weight = context;
  const int32_t labels[BATCH] = {0, 0, 1, 1, 1, 2, 0, 3, 3, 4, 5, 5}, image_id[BATCH] = {0, 1, 2, 2, 3, 4, 0, 5, 6, 7, 8, 8};
  float loss, unused[BATCH * BATCH];
  xr_sdm a = {.batch = BATCH,
              .tau = 0.1f,
              .semi_weight = *semi_weight,
              .similarity = x,
              .labels = labels,
              .image_id = image_id,
              .loss = &loss,
              .gradient = gradient ? gradient : unused};
  a.workspace = xr_block_alloc(xr_sdm_workspace(&a));
  cr_assert_eq(xr_sdm_forward_cpu(&a), XR_OK);
  xr_block_free(a.workspace);
  return (double)loss;
}

Test(loss_gradients, sdm) {
  xr_blocks held = {.count = 0};
  float *x = xr_random_block(&held, XR_F32, BATCH * BATCH, 2), semi_weight[2] = {1, 0.5f};
  for (int i = 0; i < BATCH * BATCH; i++) x[i] *= 0.3f; /* about the spread of cosines */
  for (int i = 0; i < 2; i++)
    check_gradient("sdm", &(problem){.count = BATCH * BATCH, .h = 0x1p-9, .loss = sdm, .context = &semi_weight[i]}, x);
  xr_release(&held);
}

static double weighted_sum(const void *context, const float *x, float *gradient) {
  float total, unused[3];
  float *out = gradient ? gradient : unused;
  const xr_weighted_sum a = {.terms = 3,
                             .weight = {1, 0.5f, -0.3f},
                             .loss = {x, x + 1, x + 2},
                             .total = &total,
                             .dtotal = context,
                             .dloss = {out, out + 1, out + 2}};
  cr_assert_eq(xr_weighted_sum_forward_cpu(&a), XR_OK);
  cr_assert_eq(xr_weighted_sum_backward_cpu(&a), XR_OK);
  return (double)total;
}

Test(loss_gradients, weighted_sum) {
  const float x[3] = {2, 0.7f, 5}, one = 1;
  check_gradient("weighted_sum", &(problem){.count = 3, .h = 0x1p-6, .loss = weighted_sum, .context = &one}, x);
}

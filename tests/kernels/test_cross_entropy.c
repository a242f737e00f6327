#include <math.h>

#include "kernels/loss/cross_entropy.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

static void run_case(const char *name, xr_dtype dtype) {
  xr_golden g = xr_golden_open("cross_entropy");
  g.name = name;
  xr_blocks held = {.count = 0};
  const int64_t rows = xr_golden_dim(&g, "logits", 0), classes = xr_golden_dim(&g, "logits", 1), count = rows * classes;
  const float upstream = (float)xr_golden_scalar(&g, "upstream");
  float loss = NAN;
  xr_cross_entropy a = {.rows = rows, .classes = classes, .dtype = dtype, .loss = &loss, .dloss = &upstream};
  a.smoothing = (float)xr_golden_scalar(&g, "smoothing");
  a.divisor = (float)xr_golden_scalar(&g, "divisor");
  a.logits = xr_hold(&held, xr_golden_load(&g, "logits", dtype));
  a.labels = xr_hold(&held, xr_golden_load(&g, "labels", XR_I32));
  a.row_loss = xr_hold(&held, xr_poisoned(XR_F32, rows));
  a.gradient = xr_hold(&held, xr_poisoned(dtype, count));
  cr_assert(xr_cross_entropy_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "loss", &loss, XR_F32, dtype);
  xr_golden_expect(&g, "row_loss", a.row_loss, XR_F32, dtype);
  xr_golden_expect(&g, "gradient", a.gradient, dtype, dtype);

  void *once = a.dlogits = xr_hold(&held, xr_poisoned(dtype, count));
  cr_assert(xr_cross_entropy_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "dlogits", once, dtype, dtype);
  void *twice = a.dlogits = memcpy(xr_hold(&held, xr_poisoned(dtype, count)), once, (size_t)count * xr_dtype_bytes(dtype));
  a.accumulate_dlogits = true;
  cr_assert(xr_cross_entropy_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_expect_doubled(once, twice, dtype, count, "dlogits");

  /* in place: gradient over logits, dlogits over gradient */
  void *place = xr_hold(&held, xr_golden_load(&g, "logits", dtype));
  a.logits = a.gradient = a.dlogits = place;
  a.accumulate_dlogits = false;
  cr_assert(xr_cross_entropy_forward_cpu(&a) == XR_OK && xr_cross_entropy_backward_cpu(&a) == XR_OK, "%s", xr_message());
  cr_assert(memcmp(place, once, (size_t)count * xr_dtype_bytes(dtype)) == 0);
  xr_release(&held);
  xr_golden_close(&g);
}

static const char *const cases[] = {"one", "small", "smooth", "divided", "ignored", "long"};

Test(cross_entropy, golden_f32) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(cases[i], XR_F32);
}

Test(cross_entropy, golden_bf16) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(cases[i], XR_BF16);
}

Test(cross_entropy, rows_left_out_give_exactly_zero) {
  const float logits[4] = {1, 2, 3, 4};
  const int32_t labels[2] = {-1, -1};
  float loss = NAN, row_loss[2] = {NAN, NAN}, gradient[4] = {NAN, NAN, NAN, NAN};
  xr_cross_entropy a = {.rows = 2, .classes = 2, .dtype = XR_F32, .logits = logits, .labels = labels};
  a.loss = &loss;
  a.row_loss = row_loss;
  a.gradient = gradient;
  for (int divisor = 0; divisor <= 7; divisor += 7) {
    a.divisor = (float)divisor;
    cr_assert_eq(xr_cross_entropy_forward_cpu(&a), XR_OK);
    cr_assert_eq(loss, 0);
    for (int i = 0; i < 4; i++) cr_assert_eq(gradient[i], 0);
    cr_assert(row_loss[0] == 0 && row_loss[1] == 0);
  }
}

/* A masked-language-model head: 49,408 classes. Truth in f64; the yardstick is the same program in f32 with the C library. */
Test(cross_entropy, as_many_classes_as_the_vocabulary) {
  enum { ROWS = 3, CLASSES = 49408 };
  const float e = 0.1f;
  const int32_t labels[ROWS] = {49407, 0, 20000};
  xr_blocks held = {.count = 0};
  float loss, row_loss[ROWS], *gradient = xr_hold(&held, xr_poisoned(XR_F32, ROWS * CLASSES));
  float *logits = xr_random_block(&held, XR_F32, ROWS * CLASSES, 11);
  for (int i = 0; i < ROWS * CLASSES; i++) logits[i] *= 5;
  const xr_cross_entropy a = {.rows = ROWS,
                              .classes = CLASSES,
                              .dtype = XR_F32,
                              .smoothing = e,
                              .logits = logits,
                              .labels = labels,
                              .loss = &loss,
                              .row_loss = row_loss,
                              .gradient = gradient};
  cr_assert(xr_cross_entropy_forward_cpu(&a) == XR_OK, "%s", xr_message());
  double total = 0, worst = 0, worst_naive = 0, largest = 0;
  for (int64_t r = 0; r < ROWS; r++) {
    const float *z = logits + r * CLASSES;
    double sum = 0, all = 0;
    float sum_naive = 0;
    for (int c = 0; c < CLASSES; c++) {
      sum += exp((double)z[c]);
      sum_naive += expf(z[c]);
      all += (double)z[c];
    }
    total += log(sum) - (1 - (double)e) * (double)z[labels[r]] - (double)e * all / CLASSES;
    for (int c = 0; c < CLASSES; c++) {
      const double target = (double)e / CLASSES + (c == labels[r] ? 1 - (double)e : 0), truth = (exp((double)z[c]) / sum - target) / ROWS;
      const float naive = (expf(z[c]) / sum_naive - (float)target) / ROWS;
      worst = fmax(worst, fabs((double)gradient[r * CLASSES + c] - truth));
      worst_naive = fmax(worst_naive, fabs((double)naive - truth));
      largest = fmax(largest, fabs(truth));
    }
  }
  cr_assert(worst <= 2 * worst_naive + largest * 0x1p-24, "gradient is off by %.3g, the naive one by %.3g", worst, worst_naive);
  cr_assert(fabs((double)loss - total / ROWS) <= 4 * 0x1p-24 * total / ROWS, "loss %.9g, expected %.9g", (double)loss, total / ROWS);
  xr_release(&held);
}

Test(cross_entropy, large_and_infinite_logits_stay_finite) {
  const float logits[6] = {1e4f, -1e4f, 0, 0, -INFINITY, 1};
  const int32_t labels[2] = {1, 2};
  float loss, row_loss[2], gradient[6];
  const xr_cross_entropy a = {.rows = 2,
                              .classes = 3,
                              .dtype = XR_F32,
                              .logits = logits,
                              .labels = labels,
                              .loss = &loss,
                              .row_loss = row_loss,
                              .gradient = gradient};
  cr_assert_eq(xr_cross_entropy_forward_cpu(&a), XR_OK);
  cr_assert_eq(row_loss[0], 2e4f);
  cr_assert_float_eq(row_loss[1], log(1 + exp(-1)), 1e-6);
  cr_assert(gradient[0] == 0.5f && gradient[1] == -0.5f && gradient[2] == 0 && gradient[4] == 0);
}

Test(cross_entropy, a_logit_that_is_not_a_number_reaches_the_loss) {
  const float logits[3] = {1, NAN, 2};
  const int32_t label = 0;
  float loss = 0, row_loss;
  const xr_cross_entropy a = {
      .rows = 1, .classes = 3, .dtype = XR_F32, .logits = logits, .labels = &label, .loss = &loss, .row_loss = &row_loss};
  cr_assert_eq(xr_cross_entropy_forward_cpu(&a), XR_OK); /* without a gradient: evaluation */
  cr_assert(isnan(loss));
}

Test(cross_entropy, same_for_any_threads) {
  enum { ROWS = 11, CLASSES = 3001 };
  xr_blocks held = {.count = 0};
  int32_t labels[ROWS];
  for (int i = 0; i < ROWS; i++) labels[i] = i % 4 ? i * 271 : -1;
  float *results = xr_hold(&held, xr_poisoned(XR_F32, 1 + ROWS + ROWS * CLASSES));
  xr_cross_entropy a = {.rows = ROWS, .classes = CLASSES, .dtype = XR_F32, .smoothing = 0.1f, .labels = labels};
  a.logits = xr_random_block(&held, XR_F32, ROWS * CLASSES, 1);
  a.loss = results;
  a.row_loss = results + 1;
  a.gradient = results + 1 + ROWS;
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_cross_entropy_forward_cpu(&a), results, (1 + ROWS + ROWS * CLASSES) * sizeof(float));
  xr_release(&held);
}

Test(cross_entropy, wrong_labels_and_arguments_are_refused) {
  const float logits[4] = {0};
  float loss = 9, row_loss[2] = {9, 9}, gradient[4] = {9, 9, 9, 9};
  xr_cross_entropy a = {
      .rows = 2, .classes = 2, .dtype = XR_F32, .logits = logits, .loss = &loss, .row_loss = row_loss, .gradient = gradient};
  for (int32_t bad = -2; bad <= 2; bad += 4) {
    const int32_t labels[2] = {1, bad};
    a.labels = labels;
    cr_assert_eq(xr_cross_entropy_forward_cpu(&a), XR_BAD_INPUT);
    cr_assert(strstr(xr_message(), "row 1 has the label ") && strstr(xr_message(), "classes are 0 to 1"), "%s", xr_message());
    cr_assert(loss == 9 && row_loss[0] == 9 && gradient[0] == 9);
  }
  a.smoothing = 1;
  cr_assert_eq(xr_cross_entropy_forward_cpu(&a), XR_BAD_ARGUMENT);
  a.classes = 0;
  cr_assert_eq(xr_cross_entropy_forward_cpu(&a), XR_BAD_SHAPE);
  a.dtype = XR_F16;
  cr_assert_eq(xr_cross_entropy_backward_cpu(&a), XR_UNSUPPORTED);
}

#include <math.h>
#include <stdio.h>

#include "kernels/loss/triplet/semantic_margin.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

static xr_margin_options golden_options(const xr_golden *g) {
  return (xr_margin_options){.kind = (xr_margin_kind)xr_golden_scalar(g, "kind"),
                             .reduction = (xr_margin_reduction)xr_golden_scalar(g, "reduction"),
                             .positives = (xr_margin_positives)xr_golden_scalar(g, "positives"),
                             .stretch = xr_golden_scalar(g, "stretch") != 0,
                             .margin = 0.375f,
                             .margin_min = 0.0625f,
                             .margin_max = 0.5f,
                             .tau = 0.125f,
                             .distance_scale = 8};
}

static void run_case(const char *name, bool has_image) {
  xr_golden g = xr_golden_open("semantic_margin");
  g.name = name;
  xr_blocks held = {.count = 0};
  const int64_t batch = xr_golden_dim(&g, "similarity", 0), count = batch * batch;
  const float upstream = 0.375f;
  float loss = NAN;
  xr_semantic_margin a = {.batch = batch, .options = golden_options(&g), .loss = &loss, .dloss = &upstream};
  a.similarity = xr_hold(&held, xr_golden_load(&g, "similarity", XR_F32));
  a.identity = xr_hold(&held, xr_golden_load(&g, "identity", XR_I32));
  if (has_image) a.image = xr_hold(&held, xr_golden_load(&g, "image", XR_I32));
  if (xr_margin_reads_semantic(a.options.kind)) a.semantic = xr_hold(&held, xr_golden_load(&g, "semantic", XR_F32));
  if (a.options.kind == XR_MARGIN_QUALITY) a.length = xr_hold(&held, xr_golden_load(&g, "length", XR_I32));
  a.gradient = xr_hold(&held, xr_poisoned(XR_F32, count));
  a.workspace = xr_hold(&held, xr_block_alloc(xr_semantic_margin_workspace(&a)));
  cr_assert(xr_semantic_margin_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "loss", &loss, XR_F32, XR_F32);
  xr_golden_expect(&g, "gradient", a.gradient, XR_F32, XR_F32);
  float *once = a.dsimilarity = xr_hold(&held, xr_poisoned(XR_F32, count));
  cr_assert(xr_semantic_margin_backward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int64_t i = 0; i < count; i++) cr_assert(once[i] == upstream * a.gradient[i], "%s: dsimilarity[%lld]", name, (long long)i);
  a.dsimilarity = memcpy(xr_hold(&held, xr_poisoned(XR_F32, count)), once, (size_t)count * sizeof(float));
  a.accumulate_dsimilarity = true;
  cr_assert(xr_semantic_margin_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_expect_doubled(once, a.dsimilarity, XR_F32, count, "dsimilarity");
  xr_release(&held);
  xr_golden_close(&g);
}

Test(semantic_margin, golden) {
  static const char *const kinds[] = {"neg_sem", "commonality", "quality", "pos_ratio", "fixed"};
  static const char *const reductions[] = {"hardest", "sum", "lse"};
  for (int kind = 0; kind < 5; kind++)
    for (int reduction = 0; reduction < 3; reduction++) {
      char name[40];
      snprintf(name, sizeof name, "%s_%s", kinds[kind], reductions[reduction]);
      run_case(name, true);
    }
  static const char *const pictured[] = {"one", "unstretched", "flat", "flat_quality", "odd"};
  for (size_t i = 0; i < sizeof pictured / sizeof *pictured; i++) run_case(pictured[i], true);
  static const char *const plain[] = {"asmr", "asmr_one", "two", "same", "distinct", "unstretched_common", "ties", "opposite"};
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) run_case(plain[i], false);
}

enum { BATCH = 130, COUNT = BATCH * BATCH };

typedef struct {
  xr_blocks held;
  int32_t identity[BATCH], image[BATCH], length[BATCH];
  float *results; /* loss, gradient */
  xr_semantic_margin a;
} setup;

static setup *make(xr_margin_kind kind) {
  setup *s = xr_block_alloc(sizeof *s);
  *s = (setup){.a = {.batch = BATCH}};
  for (int i = 0; i < BATCH; i++) {
    s->identity[i] = i * 7 % 33;
    s->image[i] = i / 2 * 2 + (i % 8 < 4); /* pairs that share an image, and others */
    s->length[i] = 3 + i * i % 75;
  }
  s->results = xr_hold(&s->held, xr_poisoned(XR_F32, 1 + COUNT));
  s->a.options = (xr_margin_options){.kind = kind,
                                     .reduction = XR_MARGIN_LSE,
                                     .positives = XR_MARGIN_ALL_SAME_PID_SOFT,
                                     .stretch = true,
                                     .margin = 0.5f,
                                     .margin_max = 0.5f,
                                     .tau = 0.5f,
                                     .distance_scale = 10};
  s->a.identity = s->identity;
  s->a.image = s->image;
  s->a.length = s->length;
  s->a.similarity = xr_random_block(&s->held, XR_F32, COUNT, 1);
  s->a.semantic = xr_random_block(&s->held, XR_F32, COUNT, 2);
  s->a.loss = s->results;
  s->a.gradient = s->results + 1;
  s->a.workspace = xr_hold(&s->held, xr_block_alloc(xr_semantic_margin_workspace(&s->a)));
  return s;
}

static void drop(setup *s) {
  xr_release(&s->held);
  xr_block_free(s);
}

Test(semantic_margin, same_for_any_threads) {
  for (int kind = 0; kind < XR_MARGIN_KINDS; kind++) {
    setup *s = make((xr_margin_kind)kind);
    XR_EXPECT_SAME_FOR_ANY_THREADS(xr_semantic_margin_forward_cpu(&s->a), s->results, (1 + COUNT) * sizeof(float));
    cr_assert(s->results[0] > 0, "kind %d", kind);
    drop(s);
  }
}

/* The larger a shift of S, the same: every form looks at differences. */
Test(semantic_margin, gradients_add_up_to_zero) {
  for (int kind = 0; kind < XR_MARGIN_KINDS; kind++)
    for (int reduction = 0; reduction < XR_MARGIN_REDUCTIONS; reduction++) {
      setup *s = make((xr_margin_kind)kind);
      s->a.options.reduction = (xr_margin_reduction)reduction;
      cr_assert(xr_semantic_margin_forward_cpu(&s->a) == XR_OK, "%s", xr_message());
      double sum = 0, size = 0;
      for (int64_t i = 0; i < COUNT; i++) {
        sum += (double)s->a.gradient[i];
        size += fabs((double)s->a.gradient[i]);
      }
      cr_assert(size > 0.1 && fabs(sum) < 1e-6 * size, "kind %d, reduction %d: %g of %g", kind, reduction, sum, size);
      drop(s);
    }
}

Test(semantic_margin, not_a_number_reaches_the_loss) {
  for (int semantic = 0; semantic < 2; semantic++)
    for (int reduction = 0; reduction < XR_MARGIN_REDUCTIONS; reduction++) {
      setup *s = make(XR_MARGIN_NEG_SEM);
      float *matrix = (float *)(uintptr_t)(semantic ? s->a.semantic : s->a.similarity);
      s->a.options.reduction = (xr_margin_reduction)reduction;
      matrix[20 * BATCH + 31] = NAN; /* not the first negative of either */
      cr_assert(xr_semantic_margin_forward_cpu(&s->a) == XR_OK, "%s", xr_message());
      cr_assert(isnan(s->a.loss[0]), "reduction %d", reduction);
      drop(s);
    }
}

static void expect_refused(xr_semantic_margin a, const char *message) {
  cr_assert_eq(xr_semantic_margin_forward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), message), "%s", xr_message());
}

Test(semantic_margin, wrong_arguments_are_refused) {
  xr_semantic_margin a = {.batch = 1, .options = {.kind = XR_MARGIN_FIXED}};
  a.options.margin = -1;
  expect_refused(a, "margin -1");
  a.options = (xr_margin_options){.kind = XR_MARGIN_FIXED, .margin_min = 0.5f, .margin_max = 0.25f};
  expect_refused(a, "margin_min 0.5, margin_max 0.25");
  a.options = (xr_margin_options){.kind = XR_MARGIN_FIXED, .reduction = XR_MARGIN_LSE};
  expect_refused(a, "tau 0 (legal: above 0)");
  a.options = (xr_margin_options){.kind = XR_MARGIN_FIXED, .positives = XR_MARGIN_ALL_SAME_PID_SOFT};
  expect_refused(a, "tau 0 (legal: above 0)");
  a.options = (xr_margin_options){.kind = XR_MARGIN_ASMR};
  expect_refused(a, "distance_scale 0");
  a.options = (xr_margin_options){.kind = XR_MARGIN_NEG_SEM};
  expect_refused(a, "needs the semantic cosines");
  a.options = (xr_margin_options){.kind = XR_MARGIN_QUALITY};
  expect_refused(a, "need the captions' lengths");
  a.options = (xr_margin_options){.kind = XR_MARGIN_KINDS};
  expect_refused(a, "is not one that is listed");
  a.batch = 0;
  cr_assert_eq(xr_semantic_margin_backward_cpu(&a), XR_BAD_SHAPE);
}

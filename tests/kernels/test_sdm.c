#include <math.h>

#include "kernels/loss/sdm.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

static void run_case(const char *name, bool images) {
  xr_golden g = xr_golden_open("sdm");
  g.name = name;
  xr_blocks held = {.count = 0};
  const int64_t batch = xr_golden_dim(&g, "similarity", 0), count = batch * batch;
  const float upstream = (float)xr_golden_scalar(&g, "upstream");
  float loss = NAN;
  xr_sdm a = {.batch = batch, .loss = &loss, .dloss = &upstream};
  a.tau = (float)xr_golden_scalar(&g, "tau");
  a.semi_weight = (float)xr_golden_scalar(&g, "semi_weight");
  a.similarity = xr_hold(&held, xr_golden_load(&g, "similarity", XR_F32));
  a.labels = xr_hold(&held, xr_golden_load(&g, "labels", XR_I32));
  a.image_id = images ? xr_hold(&held, xr_golden_load(&g, "image_id", XR_I32)) : NULL;
  a.gradient = xr_hold(&held, xr_poisoned(XR_F32, count));
  a.workspace = xr_hold(&held, xr_block_alloc(xr_sdm_workspace(&a)));
  cr_assert(xr_sdm_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "loss", &loss, XR_F32, XR_F32);
  xr_golden_expect(&g, "gradient", a.gradient, XR_F32, XR_F32);
  float *once = a.dsimilarity = xr_hold(&held, xr_poisoned(XR_F32, count));
  cr_assert(xr_sdm_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "dsimilarity", once, XR_F32, XR_F32);
  a.dsimilarity = memcpy(xr_hold(&held, xr_poisoned(XR_F32, count)), once, (size_t)count * sizeof(float));
  a.accumulate_dsimilarity = true;
  cr_assert(xr_sdm_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_expect_doubled(once, a.dsimilarity, XR_F32, count, "dsimilarity");
  xr_release(&held);
  xr_golden_close(&g);
}

Test(sdm, golden_one) { run_case("one", false); }
Test(sdm, golden_distinct) { run_case("distinct", false); }
Test(sdm, golden_groups) { run_case("groups", false); }
Test(sdm, golden_semi) { run_case("semi", true); }
Test(sdm, golden_warm) { run_case("warm", true); }

Test(sdm, same_for_any_threads) {
  enum { BATCH = 201, COUNT = BATCH * BATCH };
  xr_blocks held = {.count = 0};
  int32_t labels[BATCH], image_id[BATCH];
  for (int i = 0; i < BATCH; i++) {
    labels[i] = i / 4;
    image_id[i] = i / 2;
  }
  float *results = xr_hold(&held, xr_poisoned(XR_F32, 1 + COUNT));
  xr_sdm a = {.batch = BATCH, .tau = 1, .semi_weight = 0.5f, .labels = labels, .image_id = image_id};
  a.similarity = xr_random_block(&held, XR_F32, COUNT, 1);
  a.loss = results;
  a.gradient = results + 1;
  a.workspace = xr_hold(&held, xr_block_alloc(xr_sdm_workspace(&a)));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_sdm_forward_cpu(&a), results, (1 + COUNT) * sizeof(float));
  xr_release(&held);
}

Test(sdm, wrong_arguments_are_refused) {
  xr_sdm a = {.batch = 1, .tau = 0, .semi_weight = 1};
  cr_assert_eq(xr_sdm_forward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "tau 0 (legal: above 0)"), "%s", xr_message());
  a.tau = 1;
  a.semi_weight = 1.5f;
  cr_assert_eq(xr_sdm_forward_cpu(&a), XR_BAD_ARGUMENT);
  a.batch = 0;
  cr_assert_eq(xr_sdm_backward_cpu(&a), XR_BAD_SHAPE);
}

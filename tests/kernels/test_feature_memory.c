#include <math.h>

#include "kernels/loss/centre/feature_memory.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

static void run_case(const char *name) {
  xr_golden g = xr_golden_open("feature_memory");
  g.name = name;
  xr_blocks held = {.count = 0};
  xr_feature_memory a = {.batch = xr_golden_dim(&g, "x", 0), .width = xr_golden_dim(&g, "x", 1)};
  a.classes = xr_golden_dim(&g, "seen", 0);
  a.momentum = (float)xr_golden_scalar(&g, "momentum");
  a.x = xr_hold(&held, xr_golden_load(&g, "x", XR_F32));
  a.identity = xr_hold(&held, xr_golden_load(&g, "identity", XR_I32));
  a.bank = xr_hold(&held, xr_golden_load(&g, "bank", XR_F32));
  a.seen = xr_hold(&held, xr_golden_load(&g, "seen", XR_F32));
  a.y = xr_hold(&held, xr_poisoned(XR_F32, a.batch * a.width));
  a.workspace = xr_hold(&held, xr_block_alloc(xr_feature_memory_workspace(&a)));
  const float *before = xr_hold(&held, xr_golden_load(&g, "bank", XR_F32)), *seen = xr_hold(&held, xr_golden_load(&g, "seen", XR_F32));
  for (int64_t c = 0; c < a.classes; c++)
    if (seen[c] == 0) a.bank[c * a.width] = NAN; /* not to be read */
  cr_assert(xr_feature_memory_forward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int64_t i = 0; i < a.batch; i++) cr_assert_eq(a.seen[a.identity[i]], 1);
  for (int64_t c = 0; c < a.classes; c++)
    if (a.seen[c] == 0) a.bank[c * a.width] = before[c * a.width];
  xr_golden_expect(&g, "new_bank", a.bank, XR_F32, XR_F32);
  xr_golden_expect(&g, "y", a.y, XR_F32, XR_F32);
  xr_release(&held);
  xr_golden_close(&g);
}

Test(feature_memory, golden) {
  run_case("one");
  run_case("seen");
  run_case("mixed");
}

enum { BATCH = 67, WIDTH = 35, CLASSES = 40 };

Test(feature_memory, same_for_any_threads) {
  xr_blocks held = {.count = 0};
  int32_t identity[BATCH];
  for (int i = 0; i < BATCH; i++) identity[i] = i * i % CLASSES;
  float *results = xr_hold(&held, xr_poisoned(XR_F32, CLASSES + CLASSES * WIDTH + BATCH * WIDTH));
  xr_feature_memory a = {.batch = BATCH, .width = WIDTH, .classes = CLASSES, .identity = identity, .seen = results};
  a.bank = results + CLASSES; /* with momentum 0 each run gives the same */
  a.y = a.bank + CLASSES * WIDTH;
  a.x = xr_random_block(&held, XR_F32, BATCH * WIDTH, 1);
  a.workspace = xr_hold(&held, xr_block_alloc(xr_feature_memory_workspace(&a)));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_feature_memory_forward_cpu(&a), results, (CLASSES + CLASSES * WIDTH + BATCH * WIDTH) * sizeof(float));
  xr_release(&held);
}

Test(feature_memory, wrong_arguments_are_refused) {
  float value = 1, bank[2] = {5, 5}, seen[2] = {0};
  int32_t identity = 2, workspace[8];
  xr_feature_memory a = {.batch = 1, .width = 1, .classes = 2, .x = &value, .identity = &identity, .bank = bank, .seen = seen};
  a.y = &value;
  a.workspace = workspace;
  cr_assert_eq(xr_feature_memory_forward_cpu(&a), XR_BAD_INPUT);
  cr_assert(strstr(xr_message(), "sample 0 has identity 2, the bank has 0 to 1"), "%s", xr_message());
  cr_assert(bank[0] == 5 && bank[1] == 5 && seen[0] == 0, "nothing is written");
  a.momentum = 1;
  cr_assert_eq(xr_feature_memory_forward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "momentum 1"), "%s", xr_message());
  a.classes = 0;
  cr_assert_eq(xr_feature_memory_forward_cpu(&a), XR_BAD_SHAPE);
}

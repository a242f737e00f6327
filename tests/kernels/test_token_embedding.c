#include <stdio.h>

#include "kernels/embedding/token_embedding.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

static void run_case(const char *name, xr_dtype dtype) {
  xr_golden g = xr_golden_open("token_embedding");
  g.name = name;
  xr_blocks held = {.count = 0};
  const int64_t batch = xr_golden_dim(&g, "ids", 0), tokens = xr_golden_dim(&g, "ids", 1), vocabulary = xr_golden_dim(&g, "table", 0),
                width = xr_golden_dim(&g, "table", 1);
  xr_token_embedding a = {.batch = batch, .tokens = tokens, .vocabulary = vocabulary, .width = width, .dtype = dtype};
  a.ids = xr_hold(&held, xr_golden_load(&g, "ids", XR_I32));
  a.table = xr_hold(&held, xr_golden_load(&g, "table", dtype));
  a.position = xr_hold(&held, xr_golden_load(&g, "position", dtype));
  a.dy = xr_hold(&held, xr_golden_load(&g, "dy", dtype));
  a.y = xr_hold(&held, xr_poisoned(dtype, batch * tokens * width));
  a.dtable = xr_hold(&held, xr_poisoned(XR_F32, vocabulary * width));
  a.dposition = xr_hold(&held, xr_poisoned(XR_F32, tokens * width));
  a.workspace = xr_hold(&held, xr_block_alloc(xr_token_embedding_workspace(&a)));
  cr_assert(xr_token_embedding_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "y", a.y, dtype, dtype);
  cr_assert(xr_token_embedding_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "dtable", a.dtable, XR_F32, dtype);
  xr_golden_expect(&g, "dposition", a.dposition, XR_F32, dtype);

  const float *dtable = a.dtable, *dposition = a.dposition;
  float *dtable_twice = memcpy(xr_hold(&held, xr_poisoned(XR_F32, vocabulary * width)), dtable, (size_t)(vocabulary * width) * 4);
  float *dposition_twice = memcpy(xr_hold(&held, xr_poisoned(XR_F32, tokens * width)), dposition, (size_t)(tokens * width) * 4);
  a.dtable = dtable_twice;
  a.dposition = dposition_twice;
  a.accumulate_dtable = a.accumulate_dposition = true;
  cr_assert(xr_token_embedding_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_expect_doubled(dtable, dtable_twice, XR_F32, vocabulary * width, "dtable");
  xr_expect_doubled(dposition, dposition_twice, XR_F32, tokens * width, "dposition");
  xr_release(&held);
  xr_golden_close(&g);
}

static const char *const cases[] = {"1x1x1x1", "2x5x7x3", "3x4x50x33", "1x1x2x1030"};

Test(token_embedding, golden_f32) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(cases[i], XR_F32);
}

Test(token_embedding, golden_bf16) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(cases[i], XR_BF16);
}

Test(token_embedding, same_for_any_threads) {
  enum { BATCH = 13, TOKENS = 77, VOCABULARY = 301, WIDTH = 65 };
  xr_blocks held = {.count = 0};
  int32_t ids[BATCH * TOKENS];
  for (int i = 0; i < BATCH * TOKENS; i++) ids[i] = i % 77 > 20 ? 0 : i * 37 % VOCABULARY; /* padding makes one id frequent */
  xr_token_embedding a = {.batch = BATCH, .tokens = TOKENS, .vocabulary = VOCABULARY, .width = WIDTH, .dtype = XR_BF16, .ids = ids};
  a.table = xr_random_block(&held, XR_BF16, VOCABULARY * WIDTH, 1);
  a.position = xr_random_block(&held, XR_BF16, TOKENS * WIDTH, 2);
  a.dy = xr_random_block(&held, XR_BF16, BATCH * TOKENS * WIDTH, 3);
  a.y = xr_hold(&held, xr_poisoned(XR_BF16, BATCH * TOKENS * WIDTH));
  float *gradients = xr_hold(&held, xr_poisoned(XR_F32, (VOCABULARY + TOKENS) * WIDTH));
  a.dtable = gradients;
  a.dposition = gradients + VOCABULARY * WIDTH;
  a.workspace = xr_hold(&held, xr_block_alloc(xr_token_embedding_workspace(&a)));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_token_embedding_forward_cpu(&a), a.y, BATCH * TOKENS * WIDTH * sizeof(xr_bf16));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_token_embedding_backward_cpu(&a), gradients, (VOCABULARY + TOKENS) * WIDTH * sizeof(float));
  xr_release(&held);
}

Test(token_embedding, ids_outside_the_table_are_named_and_nothing_is_written) {
  const float table[2] = {1, 2}, position[3] = {0, 0, 0};
  float y[6] = {9, 9, 9, 9, 9, 9};
  xr_token_embedding a = {
      .batch = 2, .tokens = 3, .vocabulary = 2, .width = 1, .dtype = XR_F32, .table = table, .position = position, .y = y};
  for (int32_t bad = -1; bad <= 2; bad += 3) {
    const int32_t ids[6] = {0, 1, 0, 1, 0, bad};
    a.ids = ids;
    cr_assert_eq(xr_token_embedding_forward_cpu(&a), XR_BAD_INPUT);
    char expected[100];
    snprintf(expected, sizeof expected, "sample 1, token 2 has the id %d; the table's ids are 0 to 1", bad);
    cr_assert(strstr(xr_message(), expected), "%s", xr_message());
    cr_assert_eq(xr_token_embedding_backward_cpu(&a), XR_BAD_INPUT);
    for (int i = 0; i < 6; i++) cr_assert_eq(y[i], 9);
  }
}

Test(token_embedding, other_dtypes_and_shapes_are_refused) {
  xr_token_embedding a = {.batch = 1, .tokens = 1, .vocabulary = 1, .width = 1, .dtype = XR_F16};
  cr_assert_eq(xr_token_embedding_forward_cpu(&a), XR_UNSUPPORTED);
  a.dtype = XR_F32;
  a.width = 0;
  cr_assert_eq(xr_token_embedding_forward_cpu(&a), XR_BAD_SHAPE);
}

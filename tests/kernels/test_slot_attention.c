#include "kernels/embedding_set/slot_attention.h"

#include <stdio.h>

#include "tests/support/golden.h"
#include "tests/support/kernel.h"

/* An operation with memory for everything it reads and writes. */
typedef struct {
  xr_slot_attention a;
  xr_blocks blocks;
} problem;

static int64_t slot_elements(const xr_slot_attention *a) { return a->batch * a->slots * a->heads * a->head_dim; }
static int64_t token_elements(const xr_slot_attention *a) { return a->batch * a->tokens * a->row_stride; }

static void add_outputs(problem *p) {
  xr_slot_attention *a = &p->a;
  a->out = xr_hold(&p->blocks, xr_poisoned(a->dtype, slot_elements(a)));
  a->sums = xr_hold(&p->blocks, xr_poisoned(XR_F32, a->batch * a->heads * a->slots));
  a->dq = xr_hold(&p->blocks, xr_poisoned(a->dtype, slot_elements(a)));
  a->dk = xr_hold(&p->blocks, xr_poisoned(a->dtype, token_elements(a)));
  a->dv = xr_hold(&p->blocks, xr_poisoned(a->dtype, token_elements(a)));
}

static problem golden_problem(const xr_golden *g, xr_dtype dtype) {
  problem p = {0};
  xr_slot_attention *a = &p.a;
  char length[64];
  a->dtype = dtype;
  a->batch = xr_golden_dim(g, "q", 0);
  a->slots = xr_golden_dim(g, "q", 1);
  a->tokens = xr_golden_dim(g, "k", 1);
  a->heads = (int64_t)xr_golden_scalar(g, "heads");
  a->row_stride = xr_golden_dim(g, "q", 2);
  a->head_dim = a->row_stride / a->heads;
  a->q = xr_hold(&p.blocks, xr_golden_load(g, "q", dtype));
  a->k = xr_hold(&p.blocks, xr_golden_load(g, "k", dtype));
  a->v = xr_hold(&p.blocks, xr_golden_load(g, "v", dtype));
  a->dout = xr_hold(&p.blocks, xr_golden_load(g, "dout", dtype));
  snprintf(length, sizeof length, "%s.length", g->name);
  if (xr_safetensors_find(g->file, length)) a->length = xr_hold(&p.blocks, xr_golden_load(g, "length", XR_I32));
  add_outputs(&p);
  return p;
}

static void run(const xr_slot_attention *a) {
  cr_assert(xr_slot_attention_forward_cpu(a) == XR_OK, "%s", xr_message());
  cr_assert(xr_slot_attention_backward_cpu(a) == XR_OK, "%s", xr_message());
}

Test(slot_attention, golden) {
  const char *const names[] = {"one", "one_slot", "lengths", "wide_head", "not_a_vector", "most_slots", "most_tokens"};
  xr_golden g = xr_golden_open("slot_attention");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
      g.name = names[i];
      problem p = golden_problem(&g, dtype);
      run(&p.a);
      xr_golden_expect(&g, "out", p.a.out, dtype, dtype);
      xr_golden_expect(&g, "sums", p.a.sums, XR_F32, dtype);
      xr_golden_expect(&g, "dq", p.a.dq, dtype, dtype);
      xr_golden_expect(&g, "dk", p.a.dk, dtype, dtype);
      xr_golden_expect(&g, "dv", p.a.dv, dtype, dtype);
      xr_release(&p.blocks);
    }
  }
  xr_golden_close(&g);
}

/* Random inputs: keys and values are the halves of one packed tensor, as are their gradients. */
static problem random_problem(xr_slot_attention sizes) {
  problem p = {.a = sizes};
  xr_slot_attention *a = &p.a;
  const int64_t width = a->heads * a->head_dim;
  a->row_stride = 2 * width;
  a->q = xr_random_block(&p.blocks, a->dtype, slot_elements(a), 1);
  a->dout = xr_random_block(&p.blocks, a->dtype, slot_elements(a), 2);
  a->k = xr_random_block(&p.blocks, a->dtype, token_elements(a), 3);
  add_outputs(&p);
  a->v = (const char *)a->k + (size_t)width * xr_dtype_bytes(a->dtype);
  a->dv = (char *)a->dk + (size_t)width * xr_dtype_bytes(a->dtype);
  return p;
}

/* Every token has one vote, which the slots share: what reaches no slot would be lost. Values of 1 come out as 1. */
Test(slot_attention, slots_share_the_tokens) {
  problem p = random_problem((xr_slot_attention){.batch = 3, .slots = 5, .tokens = 11, .heads = 2, .head_dim = 7, .dtype = XR_F32});
  xr_slot_attention *a = &p.a;
  const int32_t length[3] = {11, 0, 4};
  float ones[3 * 11 * 28];
  for (size_t i = 0; i < sizeof ones / sizeof *ones; i++) ones[i] = 1;
  a->length = length;
  a->v = ones;
  cr_assert(xr_slot_attention_forward_cpu(a) == XR_OK, "%s", xr_message());
  for (int64_t row = 0; row < 3 * 2; row++) {
    float sum = 0;
    for (int64_t k = 0; k < 5; k++) sum += a->sums[row * 5 + k];
    cr_assert_float_eq(sum, (float)length[row / 2], 1e-5);
  }
  for (int64_t i = 0; i < slot_elements(a); i++) cr_assert_float_eq(((float *)a->out)[i], i / (5 * 14) == 1 ? 0 : 1, 1e-5);
  xr_release(&p.blocks);
}

/* Tokens that do not count change nothing, not even as NaN, and their gradients are 0. */
Test(slot_attention, tokens_beyond_the_length_are_not_read) {
  problem p = random_problem((xr_slot_attention){.batch = 2, .slots = 3, .tokens = 5, .heads = 1, .head_dim = 6, .dtype = XR_F32});
  xr_slot_attention *a = &p.a;
  const int32_t length[2] = {2, 0};
  a->length = length;
  memset((char *)a->k + 2 * 12 * sizeof(float), 0xff, 8 * 12 * sizeof(float));
  run(a);
  for (int64_t i = 0; i < slot_elements(a); i++) {
    cr_assert_eq(((float *)a->out)[i] == 0, i >= 18, "out[%lld]", (long long)i);
    cr_assert_eq(((float *)a->dq)[i] == 0, i >= 18, "dq[%lld]", (long long)i);
  }
  for (int64_t i = 0; i < token_elements(a); i++) cr_assert_eq(((float *)a->dk)[i] == 0, i >= 24, "dk and dv [%lld]", (long long)i);
  xr_release(&p.blocks);
}

Test(slot_attention, same_bytes_for_any_number_of_threads) {
  for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
    problem p = random_problem((xr_slot_attention){.batch = 5, .slots = 6, .tokens = 19, .heads = 3, .head_dim = 24, .dtype = dtype});
    const xr_slot_attention *a = &p.a;
    const size_t slots = (size_t)slot_elements(a) * xr_dtype_bytes(dtype), tokens = (size_t)token_elements(a) * xr_dtype_bytes(dtype);
    XR_EXPECT_SAME_FOR_ANY_THREADS(xr_slot_attention_forward_cpu(a), a->out, slots);
    XR_EXPECT_SAME_FOR_ANY_THREADS(xr_slot_attention_backward_cpu(a), a->dq, slots);
    XR_EXPECT_SAME_FOR_ANY_THREADS(xr_slot_attention_backward_cpu(a), a->dk, tokens);
    xr_release(&p.blocks);
  }
}

Test(slot_attention, gradients_accumulate) {
  for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
    const xr_slot_attention sizes = {.batch = 2, .slots = 4, .tokens = 6, .heads = 2, .head_dim = 5, .dtype = dtype};
    problem once = random_problem(sizes), twice = random_problem(sizes);
    run(&once.a);
    run(&twice.a);
    twice.a.accumulate_dq = twice.a.accumulate_dk = twice.a.accumulate_dv = true;
    run(&twice.a);
    xr_expect_doubled(once.a.dq, twice.a.dq, dtype, slot_elements(&once.a), "dq");
    xr_expect_doubled(once.a.dk, twice.a.dk, dtype, token_elements(&once.a), "dk and dv");
    xr_release(&once.blocks);
    xr_release(&twice.blocks);
  }
}

typedef struct {
  xr_slot_attention a;
  xr_status status;
  const char *message;
} refused;

Test(slot_attention, bad_arguments_are_refused) {
  const refused cases[] = {
      {{.slots = 17, .tokens = 1, .heads = 1, .head_dim = 1}, XR_BAD_SHAPE, "17 slots"},
      {{.slots = 0, .tokens = 1, .heads = 1, .head_dim = 1}, XR_BAD_SHAPE, "0 slots"},
      {{.slots = 1, .tokens = 601, .heads = 1, .head_dim = 1}, XR_BAD_SHAPE, "601 tokens"},
      {{.slots = 1, .tokens = 1, .heads = 17, .head_dim = 1}, XR_BAD_SHAPE, "17 heads of 1;"},
      {{.slots = 1, .tokens = 1, .heads = 1, .head_dim = 129}, XR_BAD_SHAPE, "1 heads of 129"},
      {{.slots = 1, .tokens = 1, .heads = 2, .head_dim = 4, .row_stride = 7}, XR_BAD_SHAPE, "7 elements apart"},
      {{.slots = 1, .tokens = 1, .heads = 1, .head_dim = 1, .row_stride = 1, .dtype = XR_I32}, XR_UNSUPPORTED, "dtype i32"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cr_assert_eq(xr_slot_attention_forward_cpu(&cases[i].a), cases[i].status);
    cr_assert_eq(xr_slot_attention_backward_cpu(&cases[i].a), cases[i].status);
    cr_assert(strstr(xr_message(), cases[i].message), "%s", xr_message());
  }
  problem p = random_problem((xr_slot_attention){.batch = 2, .slots = 2, .tokens = 3, .heads = 1, .head_dim = 4, .dtype = XR_F32});
  p.a.length = (const int32_t[]){3, 4};
  cr_assert_eq(xr_slot_attention_forward_cpu(&p.a), XR_BAD_INPUT);
  cr_assert(strstr(xr_message(), "length[1] is 4; 0 to tokens = 3"), "%s", xr_message());
  p.a.length = (const int32_t[]){-1, 3};
  cr_assert_eq(xr_slot_attention_backward_cpu(&p.a), XR_BAD_INPUT);
  xr_release(&p.blocks);
}

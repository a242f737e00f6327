#include "kernels/attention/multiscale_attention.h"

#include <math.h>
#include <stdio.h>

#include "kernels/attention/scale_gate.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

enum { MAX_S = XR_MULTISCALE_MAX_SCALES };

static bool has(const xr_golden *g, const char *tensor) {
  char name[64];
  snprintf(name, sizeof name, "%s.%s", g->name, tensor);
  return xr_safetensors_find(g->file, name) != NULL;
}

static const char *with_number(const char *stem, int64_t s) {
  static _Thread_local char name[4][32];
  static _Thread_local int turn;
  turn = (turn + 1) % 4;
  snprintf(name[turn], sizeof name[turn], "%s%lld", stem, (long long)s);
  return name[turn];
}

/* An operation with memory for everything it reads and writes. */
typedef struct {
  xr_multiscale_attention a;
  xr_blocks blocks;
} problem;

static void *poisoned(problem *p, xr_dtype dtype, int64_t count) { return xr_hold(&p->blocks, xr_poisoned(dtype, count)); }

/* Outputs, gradients and workspace, once the sizes and inputs are known. */
static void add_outputs(problem *p) {
  xr_multiscale_attention *a = &p->a;
  const int64_t width = a->heads * a->head_dim, rows = a->batch * a->scales * a->queries;
  a->per_scale = poisoned(p, a->dtype, rows * width);
  a->lse = poisoned(p, XR_F32, rows * a->heads);
  if (a->gate) {
    a->gates = poisoned(p, XR_F32, rows);
    a->fused = poisoned(p, a->dtype, a->batch * a->queries * width);
    a->dgate = poisoned(p, XR_F32, width);
  }
  a->dq = poisoned(p, a->dtype, a->queries * width);
  for (int64_t s = 0; s < a->scales; s++) {
    xr_attention_scale *c = &a->at[s];
    c->dk = poisoned(p, a->dtype, a->batch * c->batch_stride);
    c->dv = poisoned(p, a->dtype, a->batch * c->batch_stride);
    if (c->code) c->dcode = poisoned(p, XR_F32, width);
  }
  a->workspace = poisoned(p, XR_U8, (int64_t)xr_multiscale_attention_workspace(a));
}

static void *load(problem *p, const xr_golden *g, const char *tensor, xr_dtype dtype) {
  return has(g, tensor) ? xr_hold(&p->blocks, xr_golden_load(g, tensor, dtype)) : NULL;
}

static problem golden_problem(const xr_golden *g, xr_dtype dtype) {
  problem p = {0};
  xr_multiscale_attention *a = &p.a;
  a->dtype = dtype;
  a->heads = (int64_t)xr_golden_scalar(g, "heads");
  a->batch = xr_golden_dim(g, "k0", 0);
  a->queries = xr_golden_dim(g, "q", 0);
  a->head_dim = xr_golden_dim(g, "q", 1) / a->heads;
  a->q = load(&p, g, "q", dtype);
  a->gate = load(&p, g, "gate", XR_F32);
  a->dfused = load(&p, g, "dfused", dtype);
  a->dper_scale = load(&p, g, "dper_scale", dtype);
  for (; a->scales < MAX_S && has(g, with_number("k", a->scales)); a->scales++) {
    xr_attention_scale *c = &a->at[a->scales];
    c->keys = xr_golden_dim(g, with_number("k", a->scales), 1);
    c->row_stride = a->heads * a->head_dim;
    c->batch_stride = c->keys * c->row_stride;
    c->k = load(&p, g, with_number("k", a->scales), dtype);
    c->v = load(&p, g, with_number("v", a->scales), dtype);
    c->code = load(&p, g, with_number("code", a->scales), XR_F32);
    c->key_length = load(&p, g, with_number("key_length", a->scales), XR_I32);
  }
  add_outputs(&p);
  return p;
}

static void run(const xr_multiscale_attention *a) {
  cr_assert(xr_multiscale_attention_forward_cpu(a) == XR_OK, "%s", xr_message());
  cr_assert(xr_multiscale_attention_backward_cpu(a) == XR_OK, "%s", xr_message());
}

static void expect_golden(const xr_golden *g, const xr_multiscale_attention *a) {
  xr_golden_expect(g, "per_scale", a->per_scale, a->dtype, a->dtype);
  if (has(g, "lse")) xr_golden_expect(g, "lse", a->lse, XR_F32, a->dtype);
  if (a->gate) {
    xr_golden_expect(g, "gates", a->gates, XR_F32, a->dtype);
    xr_golden_expect(g, "fused", a->fused, a->dtype, a->dtype);
    xr_golden_expect(g, "dgate", a->dgate, XR_F32, a->dtype);
  }
  xr_golden_expect(g, "dq", a->dq, a->dtype, a->dtype);
  for (int64_t s = 0; s < a->scales; s++) {
    const xr_attention_scale *c = &a->at[s];
    xr_golden_expect(g, with_number("dk", s), c->dk, a->dtype, a->dtype);
    xr_golden_expect(g, with_number("dv", s), c->dv, a->dtype, a->dtype);
    if (c->code) xr_golden_expect(g, with_number("dcode", s), c->dcode, XR_F32, a->dtype);
    for (int64_t i = 0; i < a->batch * a->heads * a->queries && c->key_length; i++)
      cr_assert_eq(a->lse[s * a->batch * a->heads * a->queries + i] == -INFINITY, c->key_length[i / (a->heads * a->queries)] == 0);
  }
}

Test(multiscale_attention, golden) {
  const char *const names[] = {"one", "odd", "per_scale", "lengths", "no_code", "text", "largest_head", "many_keys"};
  xr_golden g = xr_golden_open("multiscale_attention");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
      g.name = names[i];
      problem p = golden_problem(&g, dtype);
      run(&p.a);
      expect_golden(&g, &p.a);
      xr_release(&p.blocks);
    }
  }
  xr_golden_close(&g);
}

/* Random inputs: keys and values are the halves of one packed tensor; every scale has a code, and `gated` a gate. */
static problem random_problem(int64_t batch, int64_t scales, int64_t queries, int64_t heads, int64_t head_dim, xr_dtype dtype, bool gated) {
  problem p = {.a = {.batch = batch, .scales = scales, .queries = queries, .heads = heads, .head_dim = head_dim, .dtype = dtype}};
  xr_multiscale_attention *a = &p.a;
  const int64_t width = heads * head_dim;
  a->q = xr_random_block(&p.blocks, dtype, queries * width, 1);
  if (gated) {
    a->gate = xr_random_block(&p.blocks, XR_F32, width, 2);
    a->dfused = xr_random_block(&p.blocks, dtype, batch * queries * width, 3);
  } else {
    a->dper_scale = xr_random_block(&p.blocks, dtype, batch * scales * queries * width, 4);
  }
  for (int64_t s = 0; s < scales; s++) {
    xr_attention_scale *c = &a->at[s];
    c->keys = 5 + 7 * s;
    c->row_stride = 2 * width;
    c->batch_stride = c->keys * c->row_stride;
    c->k = xr_random_block(&p.blocks, dtype, batch * c->batch_stride, 10 + (uint64_t)s);
    c->v = (const char *)c->k + (size_t)width * xr_dtype_bytes(dtype);
    c->code = xr_random_block(&p.blocks, XR_F32, width, 20 + (uint64_t)s);
  }
  add_outputs(&p);
  for (int64_t s = 0; s < scales; s++) a->at[s].dv = (char *)a->at[s].dk + (size_t)width * xr_dtype_bytes(dtype);
  return p;
}

static float value_at(const void *base, xr_dtype dtype, int64_t i) {
  return dtype == XR_F32 ? ((const float *)base)[i] : xr_bf16_to_f32(((const xr_bf16 *)base)[i]);
}

/* The fused results are those of the two operations one after the other: bit for bit forward, and to rounding backward. */
Test(multiscale_attention, fused_is_attention_then_gate) {
  problem fused = random_problem(3, 3, 5, 2, 8, XR_F32, true), plain = random_problem(3, 3, 5, 2, 8, XR_F32, false);
  run(&fused.a);
  xr_multiscale_attention *a = &plain.a;
  cr_assert(xr_multiscale_attention_forward_cpu(a) == XR_OK, "%s", xr_message());
  const int64_t width = 16, rows = 3 * 3 * 5;
  cr_assert_arr_eq(a->per_scale, fused.a.per_scale, (size_t)(rows * width) * sizeof(float));
  float *logits = poisoned(&plain, XR_F32, rows), *gates = poisoned(&plain, XR_F32, rows), *dlogits = poisoned(&plain, XR_F32, rows),
        *out = poisoned(&plain, XR_F32, 3 * 5 * width), *dz = poisoned(&plain, XR_F32, rows * width);
  for (int64_t row = 0; row < rows; row++) {
    double sum = 0;
    for (int64_t i = 0; i < width; i++) sum += (double)fused.a.gate[i] * (double)((float *)a->per_scale)[row * width + i];
    logits[row] = (float)sum;
  }
  xr_scale_gate gate = {.batch = 3,
                        .scales = 3,
                        .queries = 5,
                        .width = width,
                        .dtype = XR_F32,
                        .z = a->per_scale,
                        .logits = logits,
                        .gates = gates,
                        .out = out,
                        .dout = fused.a.dfused,
                        .dz = dz,
                        .dlogits = dlogits};
  cr_assert(xr_scale_gate_forward_cpu(&gate) == XR_OK && xr_scale_gate_backward_cpu(&gate) == XR_OK, "%s", xr_message());
  for (int64_t i = 0; i < 3 * 5 * width; i++) cr_assert_float_eq(out[i], ((float *)fused.a.fused)[i], 1e-5);
  for (int64_t i = 0; i < rows * width; i++) dz[i] += dlogits[i / width] * fused.a.gate[i % width];
  a->dper_scale = dz;
  cr_assert(xr_multiscale_attention_backward_cpu(a) == XR_OK, "%s", xr_message());
  for (int64_t i = 0; i < 5 * width; i++) cr_assert_float_eq(((float *)a->dq)[i], ((float *)fused.a.dq)[i], 1e-4);
  for (int64_t i = 0; i < width; i++) cr_assert_float_eq(a->at[1].dcode[i], fused.a.at[1].dcode[i], 1e-4);
  xr_release(&fused.blocks);
  xr_release(&plain.blocks);
}

Test(multiscale_attention, same_bytes_for_any_number_of_threads) {
  for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
    problem p = random_problem(5, 3, 6, 3, 24, dtype, true);
    const xr_multiscale_attention *a = &p.a;
    const size_t bytes = xr_dtype_bytes(dtype);
    XR_EXPECT_SAME_FOR_ANY_THREADS(xr_multiscale_attention_forward_cpu(a), a->fused, 5 * 6 * 72 * bytes);
    XR_EXPECT_SAME_FOR_ANY_THREADS(xr_multiscale_attention_backward_cpu(a), a->dq, 6 * 72 * bytes);
    XR_EXPECT_SAME_FOR_ANY_THREADS(xr_multiscale_attention_backward_cpu(a), a->dgate, 72 * sizeof(float));
    XR_EXPECT_SAME_FOR_ANY_THREADS(xr_multiscale_attention_backward_cpu(a), a->at[2].dcode, 72 * sizeof(float));
    XR_EXPECT_SAME_FOR_ANY_THREADS(xr_multiscale_attention_backward_cpu(a), a->at[2].dk, 5 * 19 * 144 * bytes);
    xr_release(&p.blocks);
  }
}

/* Gradients that are added to; dq of more than one scale is rounded at each scale in bf16. */
Test(multiscale_attention, gradients_accumulate) {
  for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
    problem once = random_problem(2, 2, 3, 2, 6, dtype, true), twice = random_problem(2, 2, 3, 2, 6, dtype, true);
    run(&once.a);
    run(&twice.a);
    twice.a.accumulate_dq = twice.a.accumulate_dgate = true;
    for (int s = 0; s < 2; s++) twice.a.at[s].accumulate_dk = twice.a.at[s].accumulate_dv = twice.a.at[s].accumulate_dcode = true;
    run(&twice.a);
    for (int s = 0; s < 2; s++) {
      xr_expect_doubled(once.a.at[s].dk, twice.a.at[s].dk, dtype, 2 * once.a.at[s].batch_stride, "dk and dv");
      xr_expect_doubled(once.a.at[s].dcode, twice.a.at[s].dcode, XR_F32, 12, "dcode");
    }
    xr_expect_doubled(once.a.dgate, twice.a.dgate, XR_F32, 12, "dgate");
    for (int64_t i = 0; i < 3 * 12; i++) {
      const double one = (double)value_at(once.a.dq, dtype, i), two = (double)value_at(twice.a.dq, dtype, i);
      cr_assert_float_eq(two, 2 * one, dtype == XR_F32 ? 1e-5 : 0x1p-6 * fabs(one) + 0.02, "dq[%lld]: %g, twice %g", (long long)i, one,
                         two);
    }
    xr_release(&once.blocks);
    xr_release(&twice.blocks);
  }
}

Test(multiscale_attention, an_empty_batch_has_gradients_of_0) {
  problem p = random_problem(0, 2, 3, 2, 6, XR_F32, true);
  run(&p.a);
  for (int i = 0; i < 36; i++) cr_assert_eq(((float *)p.a.dq)[i], 0);
  for (int i = 0; i < 12; i++) cr_assert(p.a.dgate[i] == 0 && p.a.at[1].dcode[i] == 0);
  xr_release(&p.blocks);
}

Test(multiscale_attention, bad_arguments_are_refused) {
  problem p = random_problem(2, 2, 3, 2, 4, XR_F32, true);
  const int32_t lengths[2] = {5, 13};
  xr_multiscale_attention a = p.a;
  a.at[1].key_length = lengths;
  cr_assert_eq(xr_multiscale_attention_forward_cpu(&a), XR_BAD_INPUT);
  cr_assert(strstr(xr_message(), "key_length[1] of scale 1 is 13; 0 to keys = 12"), "%s", xr_message());
  a = p.a;
  a.queries = 17;
  cr_assert_eq(xr_multiscale_attention_forward_cpu(&a), XR_BAD_SHAPE);
  a = p.a;
  a.scales = 5;
  cr_assert_eq(xr_multiscale_attention_forward_cpu(&a), XR_BAD_SHAPE);
  a = p.a;
  a.head_dim = 129;
  cr_assert_eq(xr_multiscale_attention_forward_cpu(&a), XR_BAD_SHAPE);
  a = p.a;
  a.at[1].keys = 1025;
  cr_assert_eq(xr_multiscale_attention_forward_cpu(&a), XR_BAD_SHAPE);
  a = p.a;
  a.at[0].row_stride = 7;
  cr_assert_eq(xr_multiscale_attention_backward_cpu(&a), XR_BAD_SHAPE);
  a = p.a;
  a.dtype = XR_F64;
  cr_assert_eq(xr_multiscale_attention_backward_cpu(&a), XR_UNSUPPORTED);
  a = p.a;
  a.dfused = NULL;
  cr_assert_eq(xr_multiscale_attention_backward_cpu(&a), XR_BAD_ARGUMENT);
  xr_release(&p.blocks);
}

/* ---- the gate alone */
static xr_scale_gate gate_problem(xr_blocks *blocks, const xr_golden *g, xr_dtype dtype) {
  xr_scale_gate a = {.batch = xr_golden_dim(g, "z", 0),
                     .scales = xr_golden_dim(g, "z", 1),
                     .queries = xr_golden_dim(g, "z", 2),
                     .width = xr_golden_dim(g, "z", 3),
                     .dtype = dtype};
  const int64_t rows = a.batch * a.scales * a.queries;
  a.z = xr_hold(blocks, xr_golden_load(g, "z", dtype));
  a.logits = xr_hold(blocks, xr_golden_load(g, "logits", XR_F32));
  a.dout = xr_hold(blocks, xr_golden_load(g, "dout", dtype));
  a.gates = xr_hold(blocks, xr_poisoned(XR_F32, rows));
  a.out = xr_hold(blocks, xr_poisoned(dtype, a.batch * a.queries * a.width));
  a.dz = xr_hold(blocks, xr_poisoned(dtype, rows * a.width));
  a.dlogits = xr_hold(blocks, xr_poisoned(XR_F32, rows));
  return a;
}

Test(scale_gate, golden) {
  const char *const names[] = {"one", "odd", "wide", "many"};
  xr_golden g = xr_golden_open("scale_gate");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
      xr_blocks blocks = {0};
      g.name = names[i];
      xr_scale_gate a = gate_problem(&blocks, &g, dtype);
      cr_assert(xr_scale_gate_forward_cpu(&a) == XR_OK && xr_scale_gate_backward_cpu(&a) == XR_OK, "%s", xr_message());
      xr_golden_expect(&g, "gates", a.gates, XR_F32, dtype);
      xr_golden_expect(&g, "out", a.out, dtype, dtype);
      xr_golden_expect(&g, "dz", a.dz, dtype, dtype);
      xr_golden_expect(&g, "dlogits", a.dlogits, XR_F32, dtype);
      xr_release(&blocks);
    }
  }
  xr_golden_close(&g);
}

Test(scale_gate, gradients_accumulate_and_bad_arguments_are_refused) {
  xr_blocks blocks = {0};
  xr_golden g = xr_golden_open("scale_gate");
  g.name = "odd";
  xr_scale_gate once = gate_problem(&blocks, &g, XR_F32), twice = gate_problem(&blocks, &g, XR_F32);
  cr_assert(xr_scale_gate_forward_cpu(&once) == XR_OK && xr_scale_gate_backward_cpu(&once) == XR_OK, "%s", xr_message());
  twice.gates = once.gates;
  cr_assert_eq(xr_scale_gate_backward_cpu(&twice), XR_OK);
  twice.accumulate_dz = twice.accumulate_dlogits = true;
  cr_assert_eq(xr_scale_gate_backward_cpu(&twice), XR_OK);
  xr_expect_doubled(once.dz, twice.dz, XR_F32, 2 * 3 * 5 * 13, "dz");
  xr_expect_doubled(once.dlogits, twice.dlogits, XR_F32, 2 * 3 * 5, "dlogits");
  once.scales = 33;
  cr_assert_eq(xr_scale_gate_forward_cpu(&once), XR_BAD_SHAPE);
  once.scales = 3;
  once.dtype = XR_I32;
  cr_assert_eq(xr_scale_gate_backward_cpu(&once), XR_UNSUPPORTED);
  xr_release(&blocks);
  xr_golden_close(&g);
}

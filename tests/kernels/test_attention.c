#include "kernels/attention/attention.h"

#include <criterion/criterion.h>
#include <math.h>

#include "host/base/memory.h"
#include "tests/support/golden.h"
#include "tests/support/threads.h"

static const struct {
  const char *name;
  bool causal, lengths, lse;
  float scale;
} cases[] = {{"one", false, false, true, 0},           {"odd", false, false, true, 0},        {"causal", true, false, true, 0},
             {"causal_wide", true, false, true, 0},    {"causal_tall", true, false, true, 0}, {"lengths", false, true, false, 0},
             {"causal_lengths", true, true, false, 0}, {"shared", false, true, true, 0.5f},   {"largest_head", false, false, true, 0},
             {"blocks", false, false, true, 0}};

enum { CASES = sizeof cases / sizeof *cases };

/* A tensor [batch, tokens, width] that lies at column `start` of rows of `row` elements: dense when row = width. */
typedef struct {
  void *block;
  int64_t batch, tokens, width, row, start;
} strided;

static size_t element(xr_dtype dtype) { return xr_dtype_bytes(dtype); }

static void *column(const strided *t, xr_dtype dtype) { return (char *)t->block + (size_t)t->start * element(dtype); }

static strided spread(void *dense, int64_t batch, int64_t tokens, int64_t width, bool packed, xr_dtype dtype) {
  strided t = {NULL, batch, tokens, width, packed ? 2 * width + 3 : width, packed ? width / 2 + 1 : 0};
  t.block = xr_poisoned(dtype, batch * tokens * t.row);
  for (int64_t i = 0; i < batch * tokens && dense; i++)
    memcpy((char *)column(&t, dtype) + (size_t)(i * t.row) * element(dtype), (char *)dense + (size_t)(i * width) * element(dtype),
           (size_t)width * element(dtype));
  xr_block_free(dense);
  return t;
}

/* Back to a dense block; what lies between the rows must be untouched. */
static void *gather(strided t, xr_dtype dtype) {
  const size_t bytes = element(dtype);
  unsigned char *dense = xr_poisoned(dtype, t.batch * t.tokens * t.width), *from = t.block;
  for (int64_t i = 0; i < t.batch * t.tokens; i++) {
    for (int64_t j = 0; j < t.row; j++) {
      const unsigned char *at = from + (size_t)(i * t.row + j) * bytes;
      if (j >= t.start && j < t.start + t.width)
        memcpy(dense + (size_t)(i * t.width + j - t.start) * bytes, at, bytes);
      else
        cr_assert(at[0] == 0xff && at[1] == 0xff, "written between the rows");
    }
  }
  xr_block_free(t.block);
  return dense;
}

static xr_attention_stride stride_of(const strided *t, bool shared) {
  return (xr_attention_stride){.row = t->row, .batch = shared ? 0 : t->tokens * t->row};
}

static void expect(const xr_golden *g, const char *name, strided t, xr_dtype dtype) {
  void *dense = gather(t, dtype);
  xr_golden_expect(g, name, dense, dtype, dtype);
  xr_block_free(dense);
}

static void run_golden(int index, xr_dtype dtype, bool packed) {
  xr_golden g = xr_golden_open("attention");
  g.name = cases[index].name;
  xr_attention a = {.batch = xr_golden_dim(&g, "k", 0),
                    .heads = xr_golden_dim(&g, "k", 2),
                    .head_dim = xr_golden_dim(&g, "k", 3),
                    .query_count = xr_golden_dim(&g, "q", 1),
                    .key_count = xr_golden_dim(&g, "k", 1),
                    .dtype = dtype,
                    .causal = cases[index].causal,
                    .scale = cases[index].scale};
  const int64_t q_batch = xr_golden_dim(&g, "q", 0), width = a.heads * a.head_dim;
  const bool shared = q_batch != a.batch;
  int32_t *lengths = cases[index].lengths ? xr_golden_load(&g, "key_length", XR_I32) : NULL;
  strided q = spread(xr_golden_load(&g, "q", dtype), q_batch, a.query_count, width, packed, dtype),
          k = spread(xr_golden_load(&g, "k", dtype), a.batch, a.key_count, width, packed, dtype),
          v = spread(xr_golden_load(&g, "v", dtype), a.batch, a.key_count, width, packed, dtype),
          dout = spread(xr_golden_load(&g, "dout", dtype), a.batch, a.query_count, width, packed, dtype),
          out = spread(NULL, a.batch, a.query_count, width, packed, dtype), dq = spread(NULL, q_batch, a.query_count, width, packed, dtype),
          dk = spread(NULL, a.batch, a.key_count, width, packed, dtype), dv = spread(NULL, a.batch, a.key_count, width, packed, dtype);
  a.key_length = lengths;
  a.q = column(&q, dtype);
  a.k = column(&k, dtype);
  a.v = column(&v, dtype);
  a.out = column(&out, dtype);
  a.q_stride = stride_of(&q, shared);
  a.k_stride = stride_of(&k, false);
  a.v_stride = stride_of(&v, false);
  a.out_stride = stride_of(&out, false);
  a.lse = xr_poisoned(XR_F32, a.batch * a.heads * a.query_count);
  a.workspace = xr_poisoned(XR_U8, (int64_t)xr_attention_workspace(&a));
  cr_assert(xr_attention_forward_cpu(&a) == XR_OK, "%s", xr_message());
  if (cases[index].lse) xr_golden_expect(&g, "lse", a.lse, XR_F32, dtype);
  for (int64_t i = 0; lengths && i < a.batch * a.heads * a.query_count; i++)
    cr_assert_eq(a.lse[i] == -INFINITY, lengths[i / (a.heads * a.query_count)] == 0);
  a.dout = column(&dout, dtype);
  a.dq = column(&dq, dtype);
  a.dk = column(&dk, dtype);
  a.dv = column(&dv, dtype);
  cr_assert(xr_attention_backward_cpu(&a) == XR_OK, "%s", xr_message());
  expect(&g, "out", out, dtype);
  expect(&g, "dq", dq, dtype);
  expect(&g, "dk", dk, dtype);
  expect(&g, "dv", dv, dtype);
  void *blocks[] = {q.block, k.block, v.block, dout.block, a.lse, a.workspace, lengths};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) xr_block_free(blocks[i]);
  xr_golden_close(&g);
}

Test(attention, golden_f32) {
  for (int i = 0; i < CASES; i++) run_golden(i, XR_F32, false);
}

Test(attention, golden_bf16) {
  for (int i = 0; i < CASES; i++) run_golden(i, XR_BF16, false);
}

Test(attention, golden_of_strided_tensors) {
  for (int i = 0; i < CASES; i++) {
    run_golden(i, XR_F32, true);
    run_golden(i, XR_BF16, true);
  }
}

/* One packed [B, N, 3 D] tensor of random numbers and everything that is made from it. */
typedef struct {
  xr_attention a;
  void *qkv, *dout, *out, *dqkv;
  float *lse;
  int64_t out_elements, qkv_elements;
} packed;

static packed packed_new(int64_t batch, int64_t heads, int64_t head_dim, int64_t tokens, bool causal, xr_dtype dtype) {
  const int64_t width = heads * head_dim;
  packed p = {.out_elements = batch * tokens * width, .qkv_elements = batch * tokens * 3 * width};
  p.qkv = xr_random_values(dtype, p.qkv_elements, 1);
  p.dout = xr_random_values(dtype, p.out_elements, 2);
  p.out = xr_poisoned(dtype, p.out_elements);
  p.dqkv = xr_poisoned(dtype, p.qkv_elements);
  p.lse = xr_poisoned(XR_F32, batch * heads * tokens);
  const xr_attention_stride in = {3 * width, tokens * 3 * width}, out = {width, tokens * width};
  const size_t bytes = (size_t)width * element(dtype);
  char *q = p.qkv, *dq = p.dqkv;
  p.a = (xr_attention){.batch = batch,
                       .heads = heads,
                       .head_dim = head_dim,
                       .query_count = tokens,
                       .key_count = tokens,
                       .dtype = dtype,
                       .causal = causal,
                       .q = q,
                       .k = q + bytes,
                       .v = q + 2 * bytes,
                       .out = p.out,
                       .q_stride = in,
                       .k_stride = in,
                       .v_stride = in,
                       .out_stride = out,
                       .lse = p.lse,
                       .dout = p.dout,
                       .dq = dq,
                       .dk = dq + bytes,
                       .dv = dq + 2 * bytes};
  p.a.workspace = xr_poisoned(XR_U8, (int64_t)xr_attention_workspace(&p.a));
  return p;
}

static void packed_free(packed *p) {
  void *blocks[] = {p->qkv, p->dout, p->out, p->dqkv, p->lse, p->a.workspace};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) xr_block_free(blocks[i]);
}

static void packed_run(packed *p) {
  cr_assert(xr_attention_forward_cpu(&p->a) == XR_OK && xr_attention_backward_cpu(&p->a) == XR_OK, "%s", xr_message());
}

Test(attention, same_bytes_for_any_number_of_threads) {
  for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
    packed p[3];
    for (int threads = 1; threads <= 3; threads++) {
      packed *one = &p[threads - 1];
      *one = packed_new(5, 3, 24, 50, true, dtype);
      xr_set_threads(threads);
      packed_run(one);
      cr_assert_arr_eq(one->out, p[0].out, (size_t)one->out_elements * element(dtype), "out, %d threads", threads);
      cr_assert_arr_eq(one->dqkv, p[0].dqkv, (size_t)one->qkv_elements * element(dtype), "gradients, %d threads", threads);
    }
    for (int i = 0; i < 3; i++) packed_free(&p[i]);
  }
}

static float value_at(const void *base, xr_dtype dtype, int64_t i) {
  return dtype == XR_F32 ? ((const float *)base)[i] : xr_bf16_to_f32(((const xr_bf16 *)base)[i]);
}

Test(attention, gradients_accumulate) {
  for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
    packed once = packed_new(2, 2, 6, 11, false, dtype), twice = packed_new(2, 2, 6, 11, false, dtype);
    packed_run(&once);
    packed_run(&twice);
    twice.a.accumulate_dq = twice.a.accumulate_dk = twice.a.accumulate_dv = true;
    packed_run(&twice);
    for (int64_t i = 0; i < once.qkv_elements; i++) {
      const double one = (double)value_at(once.dqkv, dtype, i), two = (double)value_at(twice.dqkv, dtype, i);
      cr_assert_float_eq(two, 2 * one, dtype == XR_F32 ? 1e-5 : 0x1p-6 * fabs(one) + 1e-5, "gradient %lld: %g, twice %g", (long long)i, one,
                         two);
    }
    packed_free(&once);
    packed_free(&twice);
  }
}

Test(attention, bad_arguments_are_refused) {
  packed p = packed_new(2, 2, 4, 3, false, XR_F32);
  const int32_t lengths[2] = {3, 4};
  xr_attention a = p.a;
  a.key_length = lengths;
  cr_assert_eq(xr_attention_forward_cpu(&a), XR_BAD_INPUT);
  cr_assert(strstr(xr_message(), "key_length[1] is 4"), "%s", xr_message());
  a = p.a;
  a.head_dim = 129;
  cr_assert_eq(xr_attention_forward_cpu(&a), XR_BAD_SHAPE);
  a = p.a;
  a.key_count = 1025;
  cr_assert_eq(xr_attention_forward_cpu(&a), XR_BAD_SHAPE);
  a = p.a;
  a.k_stride.row = 7;
  cr_assert_eq(xr_attention_forward_cpu(&a), XR_BAD_SHAPE);
  a = p.a;
  a.k_stride.batch = 0;
  cr_assert_eq(xr_attention_backward_cpu(&a), XR_UNSUPPORTED);
  a = p.a;
  a.dtype = XR_F64;
  cr_assert_eq(xr_attention_backward_cpu(&a), XR_UNSUPPORTED);
  packed_free(&p);
}

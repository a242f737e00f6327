#include "kernels/embedding_set/slot_attention.h"
#include "tests/kernels/check.h"

/* flags */
enum {
  LENGTHS = 1,
  PACKED = 2, /* keys and values are the halves of one tensor */
  ACCUMULATE = 4,
  ODD_ROWS = 8,  /* rows are one element further apart than they are long */
  EDGES = 16,    /* lengths 0, 1, N, N - 1 in turn */
  TOO_LONG = 32, /* sample 1 has an illegal length */
  NEGATIVE = 64
};

static void *gradient(check_run *run, const char *name, const xr_slot_attention *a, int64_t count, bool accumulate) {
  void *d = accumulate ? check_inout(run, name, a->dtype, count, CHECK_NORMAL) : check_out(run, name, a->dtype, count);
  check_factor(run, name, 2); /* as attention's: G - m and u - s sum u cancel where one slot has nearly all of a token */
  return d;
}

static void add_lengths(check_run *run, xr_slot_attention *a, int64_t flags) {
  enum { MOST = 16 };
  const int32_t tokens = (int32_t)a->tokens, edges[4] = {0, 1, tokens, tokens - 1};
  int32_t length[MOST];
  if (flags & LENGTHS) a->length = check_in_ids(run, "length", a->batch, 0, tokens + 1);
  if (!(flags & (EDGES | TOO_LONG | NEGATIVE))) return;
  for (int64_t b = 0; b < a->batch; b++) length[b] = edges[b % 4];
  if (flags & (TOO_LONG | NEGATIVE)) length[1] = !check_on_device(run) ? tokens : flags & TOO_LONG ? tokens + 1 : -1;
  a->length = check_in_bytes(run, "length", length, (size_t)a->batch * sizeof *length);
}

/* On a device nobody looks at lengths first: what the header says of illegal ones, written out for the CPU. */
static void spoil(const xr_slot_attention *a, int64_t b) {
  const size_t width = (size_t)(a->heads * a->head_dim) * xr_dtype_bytes(a->dtype), slots = (size_t)a->slots * width;
  const size_t stride = (size_t)a->row_stride * xr_dtype_bytes(a->dtype);
  memset((char *)a->out + (size_t)b * slots, 0xff, slots);
  memset((char *)a->dq + (size_t)b * slots, 0xff, slots);
  memset(a->sums + b * a->heads * a->slots, 0xff, (size_t)(a->heads * a->slots) * sizeof(float));
  for (int64_t n = b * a->tokens; n < (b + 1) * a->tokens; n++) {
    memset((char *)a->dk + (size_t)n * stride, 0xff, width);
    memset((char *)a->dv + (size_t)n * stride, 0xff, width);
  }
}

static xr_status slot_attention(check_run *run) {
  const int64_t flags = check_size(run, 5);
  xr_slot_attention a = {.batch = check_size(run, 0),
                         .slots = check_size(run, 1),
                         .tokens = check_size(run, 2),
                         .heads = check_size(run, 3),
                         .head_dim = check_size(run, 4),
                         .dtype = check_dtype(run)};
  const int64_t width = a.heads * a.head_dim, slots = a.batch * a.slots * width;
  a.row_stride = (flags & PACKED ? 2 : 1) * width + (flags & ODD_ROWS ? 1 : 0);
  const int64_t tokens = a.batch * a.tokens * a.row_stride;
  const size_t skip = (size_t)width * xr_dtype_bytes(a.dtype);
  add_lengths(run, &a, flags);
  a.q = check_in(run, "q", a.dtype, slots, CHECK_NORMAL);
  a.k = check_in(run, "k", a.dtype, tokens, CHECK_NORMAL);
  a.v = flags & PACKED ? (const char *)a.k + skip : check_in(run, "v", a.dtype, tokens, CHECK_NORMAL);
  a.dout = check_in(run, "dout", a.dtype, slots, CHECK_NORMAL);
  a.out = check_out(run, "out", a.dtype, slots);
  a.sums = check_out(run, "sums", XR_F32, a.batch * a.heads * a.slots);
  a.accumulate_dq = a.accumulate_dk = a.accumulate_dv = flags & ACCUMULATE;
  a.dq = gradient(run, "dq", &a, slots, flags & ACCUMULATE);
  a.dk = gradient(run, "dk", &a, tokens, flags & ACCUMULATE);
  a.dv = flags & PACKED ? (char *)a.dk + skip : gradient(run, "dv", &a, tokens, flags & ACCUMULATE);
  XR_TRY(CHECK_CALL(run, xr_slot_attention_forward, &a));
  XR_TRY(CHECK_CALL(run, xr_slot_attention_backward, &a));
  if (flags & (TOO_LONG | NEGATIVE) && !check_on_device(run)) spoil(&a, 1);
  return XR_OK;
}

static const check_case slot_cases[] = {
    {{1, 1, 1, 1, 1, 0}, .golden = "one"},
    {{2, 1, 7, 2, 3, LENGTHS}, .golden = "one_slot"},
    {{2, 3, 7, 3, 3, 0}},
    {{4, 4, 9, 2, 4, LENGTHS}, .golden = "lengths"},
    {{1, 2, 2, 1, 128, 0}, .golden = "wide_head"},
    {{1, 3, 4, 1, 33, 0}, .golden = "not_a_vector"},
    {{2, 16, 9, 1, 6, LENGTHS}, .golden = "most_slots"},
    {{1, 2, 600, 1, 1, 0}, .golden = "most_tokens"},
    {{2, 4, 192, 4, 128, PACKED}}, /* the paper's size */
    {{4, 4, 77, 4, 128, PACKED | EDGES | ACCUMULATE}},
    {{4, 6, 33, 2, 64, PACKED | EDGES}},
    {{4, 8, 31, 3, 64, EDGES | ACCUMULATE}},
    {{4, 8, 16, 1, 127, LENGTHS}},
    {{4, 9, 65, 2, 60, PACKED | LENGTHS | ACCUMULATE}},
    {{3, 16, 20, 16, 32, PACKED | LENGTHS}},
    {{1, 16, 600, 1, 128, PACKED}},
    {{1, 3, 600, 2, 63, PACKED | ACCUMULATE}},
    {{2, 4, 64, 2, 68, PACKED | ODD_ROWS | LENGTHS}},
    {{2, 5, 9, 2, 16, ODD_ROWS}},
    {{3, 4, 40, 2, 72, PACKED | TOO_LONG}},
    {{3, 12, 5, 1, 20, NEGATIVE | ACCUMULATE}},
    {{0, 4, 5, 2, 8, 0}},
};

static const check_op ops[] = {
    {"slot_attention", slot_attention, "batch slots tokens heads head_dim flags", CHECK_FLOATS, CHECK_CASES(slot_cases),
     .golden = "slot_attention"},
};
CHECK_OPS(ops)

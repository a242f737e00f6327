#include "kernels/attention/attention.h"
#include "tests/kernels/check.h"

/* flags */
enum {
  CAUSAL = 1,
  LENGTHS = 2, /* the golden file's, or random */
  STEPS = 4,   /* lengths 0, all, 1 and what lies between */
  SHARED = 8,  /* one set of queries */
  PACKED = 16, /* q, k and v as columns of one tensor */
  ODD = 32,    /* rows that start at no multiple of 16 bytes */
  ACCUMULATE = 64,
  HALF = 128 /* scale 0.5 */
};

enum { ODD_COLUMNS = 3, MOST_SAMPLES = 8 };

static const int32_t *lengths_of(check_run *run, int64_t batch, int64_t keys, int64_t flags) {
  if (flags & LENGTHS) return check_in_ids(run, "key_length", batch, 0, (int32_t)keys + 1);
  if (!(flags & STEPS)) return NULL;
  float lengths[MOST_SAMPLES];
  for (int64_t b = 0; b < batch; b++) lengths[b] = (float)(b == 0 ? 0 : b == 1 ? keys : b == 2 ? 1 : b * keys / batch);
  return check_in_values(run, "key_length", XR_I32, batch, lengths);
}

/* A gradient: plain, or added to values that are there. */
static void *gradient(check_run *run, const char *name, int64_t count, int64_t flags) {
  return flags & ACCUMULATE ? check_inout(run, name, check_dtype(run), count, CHECK_NORMAL) : check_out(run, name, check_dtype(run), count);
}

static void *column(const void *base, int64_t elements, xr_dtype dtype) { return (char *)base + (size_t)elements * xr_dtype_bytes(dtype); }

/* bf16: the device has what the CPU's kernel, the measure, has not: P, dS and the `out` in rowsum(dout out) are rounded to bf16. (The plain
 * bf16 program, with which the golden cases compare, does so too, and rounds S and dP as well.)
 * f32: dP - rowsum(P dP) cancels where a row of P is nearly one key's; a change of inputs, which moves both alike, does not show that. */
static void loosen(check_run *run, int64_t flags) {
  const char *const gradients[] = {"dq", "dk", "dv"};
  for (int i = 0; i < (flags & PACKED ? 1 : 3); i++) check_factor(run, flags & PACKED ? "dqkv" : gradients[i], 2);
}

/* Whole numbers up to 4: numbers 30 times the others would make rows of P one key's, and the rounding of scores would hide the rest. */
static xr_status attention(check_run *run) {
  const int64_t batch = check_size(run, 0), heads = check_size(run, 1), dim = check_size(run, 2), queries = check_size(run, 3),
                keys = check_size(run, 4), flags = check_size(run, 5), width = heads * dim, odd = flags & ODD ? ODD_COLUMNS : 0;
  const int64_t q_batch = flags & SHARED ? 1 : batch, in_row = (flags & PACKED ? 3 * width : width) + odd, out_row = width + odd;
  const xr_dtype dtype = check_dtype(run);
  xr_attention a = {.batch = batch,
                    .heads = heads,
                    .head_dim = dim,
                    .query_count = queries,
                    .key_count = keys,
                    .dtype = dtype,
                    .causal = flags & CAUSAL,
                    .scale = flags & HALF ? 0.5f : 0,
                    .q_stride = {in_row, flags & SHARED ? 0 : queries * in_row},
                    .k_stride = {in_row, keys * in_row},
                    .v_stride = {in_row, keys * in_row},
                    .out_stride = {out_row, queries * out_row},
                    .accumulate_dq = flags & ACCUMULATE,
                    .accumulate_dk = flags & ACCUMULATE,
                    .accumulate_dv = flags & ACCUMULATE};
  a.key_length = lengths_of(run, batch, keys, flags);
  a.q = check_in(run, flags & PACKED ? "qkv" : "q", dtype, q_batch * queries * in_row, CHECK_WHOLE);
  a.k = flags & PACKED ? column(a.q, width, dtype) : check_in(run, "k", dtype, batch * keys * in_row, CHECK_WHOLE);
  a.v = flags & PACKED ? column(a.q, 2 * width, dtype) : check_in(run, "v", dtype, batch * keys * in_row, CHECK_WHOLE);
  a.out = check_out(run, "out", dtype, batch * queries * out_row);
  a.lse = check_out(run, "lse", XR_F32, batch * heads * queries);
  a.workspace = check_workspace(run, xr_attention_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_attention_forward, &a));

  a.dout = check_in(run, "dout", dtype, batch * queries * out_row, CHECK_WHOLE);
  a.dq = gradient(run, flags & PACKED ? "dqkv" : "dq", q_batch * queries * in_row, flags);
  a.dk = flags & PACKED ? column(a.dq, width, dtype) : gradient(run, "dk", batch * keys * in_row, flags);
  a.dv = flags & PACKED ? column(a.dq, 2 * width, dtype) : gradient(run, "dv", batch * keys * in_row, flags);
  loosen(run, flags);
  return CHECK_CALL(run, xr_attention_backward, &a);
}

/* Head sizes of each instance and its padding; queries and keys around a strip (16) and a tile (32, 64); every flag with each. */
static const check_case attention_cases[] = {
    {{1, 1, 1, 1, 1}, .golden = "one"},
    {{2, 2, 5, 23, 25}, .golden = "odd"},
    {{2, 2, 8, 17, 17, CAUSAL}, .golden = "causal"},
    {{2, 2, 7, 9, 15, CAUSAL}, .golden = "causal_wide"},
    {{2, 2, 6, 15, 9, CAUSAL}, .golden = "causal_tall"},
    {{4, 2, 7, 6, 11, LENGTHS}, .golden = "lengths"},
    {{3, 1, 8, 10, 10, CAUSAL | LENGTHS}, .golden = "causal_lengths"},
    {{4, 2, 8, 6, 21, LENGTHS | SHARED | HALF}, .golden = "shared"},
    {{1, 1, 128, 12, 13}, .golden = "largest_head"},
    {{1, 1, 2, 200, 20}, .golden = "blocks"},
    {{0, 2, 8, 3, 3}},
    {{2, 2, 8, 0, 3}},
    {{2, 2, 8, 0, 3, SHARED | ACCUMULATE}},
    {{2, 2, 32, 15, 16}},
    {{2, 1, 32, 16, 17, ODD}},
    {{1, 2, 32, 31, 33, CAUSAL}},
    {{1, 1, 32, 49, 49, PACKED | ACCUMULATE}},
    {{2, 1, 33, 63, 65, STEPS}},
    {{1, 1, 40, 64, 64, CAUSAL | ODD}},
    {{1, 2, 64, 65, 63, ACCUMULATE | ODD}},
    {{2, 2, 64, 77, 77, CAUSAL | PACKED}},
    {{6, 1, 64, 20, 70, STEPS}},
    {{6, 1, 64, 40, 70, STEPS | CAUSAL | ACCUMULATE}},
    {{1, 2, 64, 193, 193, PACKED}},
    {{1, 1, 64, 260, 40, CAUSAL}},
    {{5, 2, 64, 3, 97, SHARED | STEPS}},
    {{3, 2, 32, 19, 40, SHARED | ACCUMULATE | ODD | CAUSAL}},
    {{1, 1, 65, 33, 47, CAUSAL}},
    {{1, 1, 128, 70, 129, ACCUMULATE}},
    {{4, 1, 128, 50, 50, CAUSAL | STEPS | PACKED}},
    {{1, 1, 64, 600, 600}},
    {{1, 1, 16, 33, 1024, LENGTHS}},
};

static const check_op ops[] = {
    {"attention", attention, "batch heads head_dim queries keys flags", CHECK_FLOATS, CHECK_CASES(attention_cases), .golden = "attention"},
};
CHECK_OPS(ops)

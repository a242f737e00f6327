#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/base/random.h"
#include "kernels/attention/multiscale_attention.h"
#include "kernels/attention/scale_gate.h"
#include "tests/kernels/check.h"

/* ---- multiscale_attention */

/* flags */
enum {
  GATE = 1,
  RESULTS = 2, /* a gradient reaches per_scale */
  CODE = 4,
  LENGTHS = 8,
  ACCUMULATE = 16,
  PACKED = 32,   /* keys and values are the halves of one tensor */
  ODD_ROWS = 64, /* rows are one element further apart than they are long */
  STORED = 128   /* the gate is in the golden file */
};

/* Keys of each scale. */
enum { ONE, ODD, FALLING, TWO, MIXED, TEXT_LIKE, LARGE_HEAD, MANY, IMAGE, TEXT, WARP, EDGES, GRID, MOST, LONG };
static const int64_t key_sets[][XR_MULTISCALE_MAX_SCALES] = {
    [ONE] = {1},
    [ODD] = {7, 9},
    [FALLING] = {20, 11, 5},
    [TWO] = {11, 6},
    [MIXED] = {33, 8, 13},
    [TEXT_LIKE] = {29, 29, 29, 29},
    [LARGE_HEAD] = {24, 7},
    [MANY] = {600, 193},
    [IMAGE] = {193, 193, 193},
    [TEXT] = {77, 77, 77},
    [WARP] = {31, 32, 33},
    [EDGES] = {63, 64, 65, 1},
    [GRID] = {192, 48, 12},
    [MOST] = {1024, 2},
    [LONG] = {600, 64, 1, 65},
};

static const char *numbered(char name[48], const char *stem, int64_t s) {
  snprintf(name, 48, "%s%lld", stem, (long long)s);
  return name;
}

static void *out(check_run *run, const char *name, xr_dtype dtype, int64_t count, bool accumulate) {
  return accumulate ? check_inout(run, name, dtype, count, CHECK_NORMAL) : check_out(run, name, dtype, count);
}

/* A vector for which <vector, row> of `width` standard normal numbers is one too: gates are then neither all equal nor 0 and 1. */
static float *gate_vector(check_run *run, int64_t width) {
  float *values = malloc((size_t)(width ? width : 1) * sizeof *values);
  xr_random random = xr_random_start(12, (uint64_t)width);
  for (int64_t i = 0; i < width; i++) values[i] = xr_random_normal(&random) / sqrtf((float)width);
  float *gate = check_in_values(run, "gate", XR_F32, width, values);
  free(values);
  return gate;
}

static void add_keys(check_run *run, xr_multiscale_attention *a, int64_t s, int64_t flags) {
  char name[48];
  xr_attention_scale *c = &a->at[s];
  const int64_t width = a->heads * a->head_dim;
  c->row_stride = (flags & PACKED ? 2 : 1) * width + (flags & ODD_ROWS ? 1 : 0);
  c->batch_stride = c->keys * c->row_stride;
  const int64_t count = a->batch * c->batch_stride;
  c->k = check_in(run, numbered(name, "k", s), a->dtype, count, CHECK_NORMAL);
  c->v = flags & PACKED ? (const char *)c->k + (size_t)width * xr_dtype_bytes(a->dtype)
                        : check_in(run, numbered(name, "v", s), a->dtype, count, CHECK_NORMAL);
  if (flags & CODE) c->code = check_in(run, numbered(name, "code", s), XR_F32, width, CHECK_NORMAL);
  if (flags & LENGTHS) c->key_length = check_in_ids(run, numbered(name, "key_length", s), a->batch, 0, (int32_t)c->keys + 1);
}

static void add_key_gradients(check_run *run, xr_multiscale_attention *a, int64_t s, int64_t flags) {
  char name[48];
  xr_attention_scale *c = &a->at[s];
  const int64_t width = a->heads * a->head_dim, count = a->batch * c->batch_stride;
  c->accumulate_dk = c->accumulate_dv = c->accumulate_dcode = flags & ACCUMULATE;
  c->dk = out(run, numbered(name, "dk", s), a->dtype, count, flags & ACCUMULATE);
  /* as attention's: dP - rowsum(P dP) cancels where a row of P is nearly one key's; behind a gate in bf16, see dgate */
  check_factor(run, name, flags & GATE && a->dtype == XR_BF16 ? 8 : 2);
  c->dv = flags & PACKED ? (char *)c->dk + (size_t)width * xr_dtype_bytes(a->dtype)
                         : out(run, numbered(name, "dv", s), a->dtype, count, flags & ACCUMULATE);
  if (flags & CODE) c->dcode = out(run, numbered(name, "dcode", s), XR_F32, width, flags & ACCUMULATE);
}

static xr_status multiscale_attention(check_run *run) {
  const int64_t flags = check_size(run, 6), *keys = key_sets[check_size(run, 5)];
  xr_multiscale_attention a = {.batch = check_size(run, 0),
                               .scales = check_size(run, 1),
                               .queries = check_size(run, 2),
                               .heads = check_size(run, 3),
                               .head_dim = check_size(run, 4),
                               .dtype = check_dtype(run)};
  const int64_t width = a.heads * a.head_dim, rows = a.batch * a.scales * a.queries;
  a.q = check_in(run, "q", a.dtype, a.queries * width, CHECK_NORMAL);
  if (flags & GATE) a.gate = flags & STORED ? check_in(run, "gate", XR_F32, width, CHECK_NORMAL) : gate_vector(run, width);
  for (int64_t s = 0; s < a.scales; s++) {
    a.at[s].keys = keys[s];
    add_keys(run, &a, s, flags);
  }
  a.per_scale = check_out(run, "per_scale", a.dtype, rows * width);
  a.lse = check_out(run, "lse", XR_F32, rows * a.heads);
  if (flags & GATE) {
    a.gates = check_out(run, "gates", XR_F32, rows);
    a.fused = check_out(run, "fused", a.dtype, a.batch * a.queries * width);
  }
  a.workspace = check_workspace(run, xr_multiscale_attention_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_multiscale_attention_forward, &a));

  if (flags & GATE) a.dfused = check_in(run, "dfused", a.dtype, a.batch * a.queries * width, CHECK_NORMAL);
  if (flags & RESULTS) a.dper_scale = check_in(run, "dper_scale", a.dtype, rows * width, CHECK_NORMAL);
  a.accumulate_dq = a.accumulate_dgate = flags & ACCUMULATE;
  a.dq = out(run, "dq", a.dtype, a.queries * width, flags & ACCUMULATE);
  if (flags & GATE) a.dgate = out(run, "dgate", XR_F32, width, flags & ACCUMULATE);
  /* differences of scales' <dfused, A>, between values 30 times the others: what bf16 takes off an A does not cancel */
  if (flags & GATE && a.dtype == XR_BF16) check_factor(run, "dgate", 8);
  for (int64_t s = 0; s < a.scales; s++) add_key_gradients(run, &a, s, flags);
  return CHECK_CALL(run, xr_multiscale_attention_backward, &a);
}

static const check_case multiscale_cases[] = {
    {{1, 1, 1, 1, 1, ONE, RESULTS}, .golden = "one"},
    {{2, 2, 3, 3, 5, ODD, GATE | CODE | STORED}, .golden = "odd"},
    {{2, 3, 8, 2, 10, FALLING, RESULTS | CODE}, .golden = "per_scale"},
    {{4, 2, 5, 2, 8, TWO, GATE | RESULTS | CODE | LENGTHS | STORED}, .golden = "lengths"},
    {{3, 3, 7, 2, 6, MIXED, GATE | LENGTHS | STORED}, .golden = "no_code"},
    {{3, 4, 8, 2, 16, TEXT_LIKE, GATE | CODE | LENGTHS | STORED}, .golden = "text"},
    {{1, 2, 16, 1, 128, LARGE_HEAD, GATE | CODE | STORED}, .golden = "largest_head"},
    {{1, 2, 2, 1, 4, MANY, GATE | RESULTS | CODE | STORED}, .golden = "many_keys"},
    {{2, 3, 8, 8, 64, IMAGE, GATE | PACKED}}, /* the paper's size */
    {{3, 3, 8, 8, 64, TEXT, RESULTS | LENGTHS | PACKED}},
    {{2, 1, 1, 2, 64, MANY, GATE | PACKED | CODE}},
    {{2, 4, 16, 2, 64, EDGES, GATE | RESULTS | CODE | LENGTHS | ACCUMULATE | PACKED}},
    {{3, 3, 9, 2, 64, WARP, GATE | LENGTHS | ACCUMULATE}},
    {{2, 3, 4, 3, 64, WARP, RESULTS | CODE | ODD_ROWS}},
    {{2, 3, 8, 2, 63, FALLING, GATE | CODE | LENGTHS | PACKED}},
    {{2, 3, 8, 1, 60, GRID, GATE | CODE | PACKED | ODD_ROWS}},
    {{2, 2, 3, 3, 65, ODD, GATE | CODE | ACCUMULATE}},
    {{2, 2, 8, 2, 128, MIXED, GATE | CODE | LENGTHS | PACKED}},
    {{1, 2, 16, 2, 127, LARGE_HEAD, RESULTS | LENGTHS}},
    {{2, 2, 16, 2, 72, TWO, GATE | CODE | PACKED | ACCUMULATE}},
    {{1, 2, 16, 1, 8, MOST, GATE | CODE}},
    {{1, 4, 16, 8, 64, LONG, GATE | CODE | PACKED}},
    {{9, 2, 2, 1, 3, TWO, GATE | LENGTHS | CODE}},
    {{0, 2, 3, 2, 4, TWO, GATE | CODE}},
    {{0, 2, 3, 2, 4, TWO, RESULTS | ACCUMULATE}},
};

/* ---- scale_gate: flags ACCUMULATE, and */
enum { NO_DZ = 1, NO_DLOGITS = 2, IN_PLACE = 4 /* gates over logits */ };

static xr_status scale_gate(check_run *run) {
  const int64_t flags = check_size(run, 4);
  xr_scale_gate a = {.batch = check_size(run, 0),
                     .scales = check_size(run, 1),
                     .queries = check_size(run, 2),
                     .width = check_size(run, 3),
                     .dtype = check_dtype(run)};
  const int64_t rows = a.batch * a.scales * a.queries;
  a.z = check_in(run, "z", a.dtype, rows * a.width, CHECK_NORMAL);
  if (flags & IN_PLACE) {
    a.gates = check_inout(run, "gates", XR_F32, rows, CHECK_NORMAL);
    a.logits = a.gates;
  } else {
    a.logits = check_in(run, "logits", XR_F32, rows, CHECK_NORMAL);
    a.gates = check_out(run, "gates", XR_F32, rows);
  }
  a.out = check_out(run, "out", a.dtype, a.batch * a.queries * a.width);
  XR_TRY(CHECK_CALL(run, xr_scale_gate_forward, &a));
  a.dout = check_in(run, "dout", a.dtype, a.batch * a.queries * a.width, CHECK_NORMAL);
  a.accumulate_dz = a.accumulate_dlogits = flags & ACCUMULATE;
  if (!(flags & NO_DZ)) a.dz = out(run, "dz", a.dtype, rows * a.width, flags & ACCUMULATE);
  if (!(flags & NO_DLOGITS)) a.dlogits = out(run, "dlogits", XR_F32, rows, flags & ACCUMULATE);
  return CHECK_CALL(run, xr_scale_gate_backward, &a);
}

static const check_case gate_cases[] = {
    {{1, 1, 1, 1, 0}, .golden = "one"},
    {{2, 3, 5, 13, 0}, .golden = "odd"},
    {{2, 4, 2, 130, 0}, .golden = "wide"},
    {{1, 32, 3, 8, 0}, .golden = "many"},
    {{8, 3, 8, 512, 0}},
    {{3, 2, 3, 127, ACCUMULATE}},
    {{3, 2, 3, 128, NO_DZ | IN_PLACE}},
    {{2, 4, 1, 132, NO_DLOGITS | ACCUMULATE}},
    {{1, 31, 2, 8192, IN_PLACE}},
    {{0, 3, 8, 16, 0}},
    {{2, 3, 0, 16, 0}},
};

static const check_op ops[] = {
    {"multiscale_attention", multiscale_attention, "batch scales queries heads head_dim keys flags", CHECK_FLOATS,
     CHECK_CASES(multiscale_cases), .golden = "multiscale_attention"},
    {"scale_gate", scale_gate, "batch scales queries width flags", CHECK_FLOATS, CHECK_CASES(gate_cases), .golden = "scale_gate"},
};
CHECK_OPS(ops)

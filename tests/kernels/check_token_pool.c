#include <string.h>

#include "kernels/attention/attention_row.h"
#include "kernels/embedding_set/token_pool.h"
#include "kernels/embedding_set/token_weights.h"
#include "tests/kernels/check.h"

/* lengths: 0: NULL; 1: from the golden file or at random; 2: sample 1 has an illegal one. */
static const int32_t *lengths_of(check_run *run, int64_t how, int64_t batch, int64_t tokens) {
  const int32_t some[3] = {(int32_t)tokens, check_on_device(run) ? (int32_t)tokens + 1 : 0, 1};
  if (how == 1) return check_in_ids(run, "length", batch, 0, (int32_t)tokens + 1);
  return how == 2 ? check_in_bytes(run, "length", some, sizeof some) : NULL;
}

/* On a device nobody looks at lengths first: the results of sample 1 of 3 become NaN, as the headers say. */
static void spoil(const check_run *run, int64_t how, float *values, int64_t sample) {
  if (how == 2 && !check_on_device(run)) memset(values + sample, 0xff, (size_t)sample * sizeof *values);
}

static xr_status token_weights(check_run *run) {
  const int64_t batch = check_size(run, 0), tokens = check_size(run, 1), set = check_size(run, 2), how = check_size(run, 4);
  const bool add = check_size(run, 5);
  xr_token_weights a = {.batch = batch, .tokens = tokens, .set = set, .kind = (xr_token_weights_kind)check_size(run, 3)};
  const int64_t columns = set + (a.kind == XR_WEIGHTS_SHARES);
  a.accumulate_dlogits = add;
  a.length = lengths_of(run, how, batch, tokens);
  a.logits = check_in(run, "logits", XR_F32, batch * tokens * columns, CHECK_NORMAL);
  a.weights = check_out(run, "weights", XR_F32, batch * tokens * set);
  a.dweights = check_in(run, "dweights", XR_F32, batch * tokens * set, CHECK_NORMAL);
  a.dlogits = add ? check_inout(run, "dlogits", XR_F32, batch * tokens * columns, CHECK_NORMAL)
                  : check_out(run, "dlogits", XR_F32, batch * tokens * columns);
  XR_TRY(CHECK_CALL(run, xr_token_weights_forward, &a));
  XR_TRY(CHECK_CALL(run, xr_token_weights_backward, &a));
  spoil(run, how, a.weights, tokens * set);
  spoil(run, how, a.dlogits, tokens * columns);
  return XR_OK;
}

static const check_case weights_cases[] = {
    {{4, 11, 3, XR_WEIGHTS_SOFTMAX, 0, 0}, .golden = "softmax"},
    {{4, 11, 3, XR_WEIGHTS_SOFTMAX, 1, 0}, .golden = "softmax_lengths"},
    {{4, 11, 3, XR_WEIGHTS_SHARES, 0, 0}, .golden = "shares"},
    {{4, 11, 3, XR_WEIGHTS_SHARES, 1, 0}, .golden = "shares_lengths"},
    {{1, 1, 1, XR_WEIGHTS_SOFTMAX, 0, 0}},
    {{2, 5, 1, XR_WEIGHTS_SHARES, 0, 1}},
    {{3, 193, 16, XR_WEIGHTS_SHARES, 1, 1}},
    {{2, 1024, 4, XR_WEIGHTS_SOFTMAX, 1, 1}},
    {{3, 9, 5, XR_WEIGHTS_SOFTMAX, 2, 0}},
    {{3, 9, 5, XR_WEIGHTS_SHARES, 2, 0}},
    {{0, 9, 5, XR_WEIGHTS_SHARES, 0, 0}},
};

static xr_status rank_weights(check_run *run) {
  const int64_t batch = check_size(run, 0), tokens = check_size(run, 1), set = check_size(run, 2), how = check_size(run, 4);
  xr_rank_weights a = {.batch = batch, .tokens = tokens, .set = set, .ratio = (float)check_size(run, 3) / 100};
  a.length = lengths_of(run, how, batch, tokens);
  a.score = check_in(run, "score", XR_F32, batch * tokens, CHECK_WHOLE); /* with equal ones */
  a.weights = check_out(run, "weights", XR_F32, batch * tokens * set);
  if (how != 2) check_exact(run, "weights");
  XR_TRY(CHECK_CALL(run, xr_rank_weights_forward, &a));
  spoil(run, how, a.weights, tokens * set);
  return XR_OK;
}

static const check_case rank_cases[] = {
    {{4, 11, 3, 50, 0}, .golden = "ranks"},
    {{4, 11, 4, 25, 1}, .golden = "ranks_lengths"},
    {{1, 1, 16, 1, 0}},
    {{3, 192, 4, 10, 0}},
    {{5, 75, 6, 20, 1}},
    {{2, 1024, 8, 100, 1}},
    {{3, 9, 5, 50, 2}},
    {{0, 9, 5, 50, 0}},
};

static xr_status token_pool(check_run *run) {
  const int64_t batch = check_size(run, 0), tokens = check_size(run, 1), set = check_size(run, 2), width = check_size(run, 3);
  const bool add = check_size(run, 4);
  const xr_dtype dtype = check_dtype(run);
  const int64_t x = batch * tokens * width, w = batch * tokens * set;
  xr_token_pool a = {.batch = batch, .tokens = tokens, .set = set, .width = width, .dtype = dtype};
  a.accumulate_dx = a.accumulate_dweights = add;
  a.x = check_in(run, "x", dtype, x, CHECK_NORMAL);
  a.weights = check_in(run, "weights", XR_F32, w, CHECK_UNIT);
  a.y = check_out(run, "y", dtype, batch * set * width);
  a.dy = check_in(run, "dy", dtype, batch * set * width, CHECK_NORMAL);
  a.dx = add ? check_inout(run, "dx", dtype, x, CHECK_NORMAL) : check_out(run, "dx", dtype, x);
  a.dweights = add ? check_inout(run, "dweights", XR_F32, w, CHECK_NORMAL) : check_out(run, "dweights", XR_F32, w);
  XR_TRY(CHECK_CALL(run, xr_token_pool_forward, &a));
  return CHECK_CALL(run, xr_token_pool_backward, &a);
}

static const check_case pool_cases[] = {
    {{3, 7, 4, 33, 0}, .golden = "pool"},
    {{1, 1, 1, 1, 0}, .golden = "pool_one"},
    {{2, 192, 4, 512, 0}},
    {{2, 75, 16, 520, 1}},
    {{3, 5, 3, 1031, 1}},
    {{2, 0, 4, 8, 0}},
    {{0, 3, 4, 8, 0}},
};

/* index: 0: NULL; 1: from the golden file or at random; 2: sample 1 has an illegal one. */
static xr_status attention_row(check_run *run) {
  const int64_t batch = check_size(run, 0), tokens = check_size(run, 1), heads = check_size(run, 2), depth = check_size(run, 3);
  const int64_t how = check_size(run, 4);
  const xr_dtype dtype = check_dtype(run);
  const int32_t some[3] = {0, check_on_device(run) ? (int32_t)tokens : 0, 1};
  xr_attention_row a = {.batch = batch, .tokens = tokens, .heads = heads, .head_dim = depth, .dtype = dtype};
  a.qkv = check_in(run, "qkv", dtype, batch * tokens * 3 * heads * depth, CHECK_NORMAL);
  if (how == 1) a.index = check_in_ids(run, "index", batch, 0, (int32_t)tokens);
  if (how == 2) a.index = check_in_bytes(run, "index", some, sizeof some);
  a.row = check_out(run, "row", XR_F32, batch * tokens);
  XR_TRY(CHECK_CALL(run, xr_attention_row_forward, &a));
  spoil(run, how, a.row, tokens);
  return XR_OK;
}

static const check_case row_cases[] = {
    {{2, 9, 2, 5, 0}, .golden = "row_first"},
    {{3, 7, 1, 8, 1}, .golden = "row_at"},
    {{2, 193, 12, 64, 0}},
    {{3, 77, 8, 64, 1}},
    {{1, 1, 1, 1, 0}},
    {{1, 1024, 1, 128, 1}},
    {{3, 5, 2, 3, 2}},
    {{0, 5, 2, 3, 0}},
};

static const check_op ops[] = {
    {"token_weights", token_weights, "batch tokens set kind lengths accumulate", CHECK_F32, CHECK_CASES(weights_cases),
     .golden = "token_pool"},
    {"rank_weights", rank_weights, "batch tokens set percent lengths", CHECK_F32, CHECK_CASES(rank_cases), .golden = "token_pool"},
    {"token_pool", token_pool, "batch tokens set width accumulate", CHECK_FLOATS, CHECK_CASES(pool_cases), .golden = "token_pool"},
    {"attention_row", attention_row, "batch tokens heads head_dim index", CHECK_FLOATS, CHECK_CASES(row_cases), .golden = "token_pool"},
};
CHECK_OPS(ops)

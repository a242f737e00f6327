#include "kernels/loss/match_pairs.h"
#include "tests/kernels/check.h"

/* `identities` is how many there are to draw from; `whole` cosines have many equals. */
static xr_status match_pairs(check_run *run) {
  static const xr_seed seed = {0x123456789ABCD, 0x100000007};
  const int64_t batch = check_size(run, 0);
  xr_match_pairs a = {.batch = batch, .node = 12345678901, .negative = (xr_match_negative)check_size(run, 2), .tau = 0.0625f};
  a.seed = check_in_bytes(run, "seed", &seed, sizeof seed);
  a.similarity = check_in(run, "similarity", XR_F32, batch * batch, check_size(run, 3) ? CHECK_WHOLE : CHECK_UNIT);
  a.identity = check_in_ids(run, "identity", batch, 0, (int32_t)check_size(run, 1));
  a.image = check_out(run, "image", XR_I32, 3 * batch);
  a.text = check_out(run, "text", XR_I32, 3 * batch);
  a.label = check_out(run, "label", XR_I32, 3 * batch);
  return CHECK_CALL(run, xr_match_pairs_forward, &a);
}

/* Around a warp's 32 candidates and a block's 8 samples. */
static const check_case cases[] = {
    {{1, 1, XR_MATCH_HARD, 0}},    {{2, 2, XR_MATCH_DRAWN, 0}},  {{5, 1, XR_MATCH_DRAWN, 0}},    {{7, 3, XR_MATCH_HARD, 1}},
    {{9, 2, XR_MATCH_DRAWN, 1}},   {{31, 8, XR_MATCH_HARD, 0}},  {{32, 8, XR_MATCH_DRAWN, 0}},   {{33, 8, XR_MATCH_HARD, 1}},
    {{64, 16, XR_MATCH_DRAWN, 0}}, {{130, 2, XR_MATCH_HARD, 0}}, {{130, 33, XR_MATCH_DRAWN, 0}},
};

static const check_op ops[] = {{"match_pairs", match_pairs, "batch identities negative whole", CHECK_F32, CHECK_CASES(cases)}};
CHECK_OPS(ops)

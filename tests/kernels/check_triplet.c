#include "kernels/loss/triplet/semi_positive_triplet.h"
#include "tests/kernels/check.h"

/* flags */
enum { ACCUMULATE = 1, IN_PLACE = 2, FIXED = 4, LATER = 8, NOW = 16 };

static const xr_seed seed = {0x123456789ABCD, 0x100000007}; /* as in the oracle */

/* `identities` and `images` are how many there are to draw from. */
static xr_status semi_positive_triplet(check_run *run) {
  const int64_t batch = check_size(run, 0), flags = check_size(run, 7), n = batch * batch;
  xr_semi_positive_triplet a = {.batch = batch, .node = 12345678901};
  a.options = (xr_triplet_options){.kind = (xr_triplet_kind)check_size(run, 3),
                                   .semi = (xr_semi_mining)check_size(run, 4),
                                   .negative = (xr_negative_mining)check_size(run, 5),
                                   .margin = (float)check_size(run, 6) / 16,
                                   .beta = 0.125f,
                                   .gamma = 0.25f,
                                   .order_margin = 0.0625f,
                                   .tau = 0.0625f,
                                   .adaptive_from = flags & FIXED ? -1 : 0};
  if (flags & (LATER | NOW)) a.options.adaptive_from = (int64_t)seed.counter + (flags & LATER ? 1 : 0);
  a.seed = check_in_bytes(run, "seed", &seed, sizeof seed);
  a.similarity = check_in(run, "similarity", XR_F32, n, CHECK_UNIT);
  a.identity = check_in_ids(run, "identity", batch, 0, (int32_t)check_size(run, 1));
  a.image = check_in_ids(run, "image", batch, 0, (int32_t)check_size(run, 2));
  a.loss = check_out(run, "loss", XR_F32, 1);
  a.gradient = check_out(run, "gradient", XR_F32, n);
  a.workspace = check_workspace(run, xr_semi_positive_triplet_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_semi_positive_triplet_forward, &a));
  a.dloss = check_in(run, "upstream", XR_F32, 1, CHECK_POSITIVE);
  a.accumulate_dsimilarity = flags & ACCUMULATE;
  a.dsimilarity = flags & IN_PLACE     ? a.gradient
                  : flags & ACCUMULATE ? check_inout(run, "dsimilarity", XR_F32, n, CHECK_NORMAL)
                                       : check_out(run, "dsimilarity", XR_F32, n);
  return CHECK_CALL(run, xr_semi_positive_triplet_backward, &a);
}

enum { THREE = XR_TRIPLET_THREE_TIER, SSAN = XR_TRIPLET_SSAN_CR, SOFT = XR_TRIPLET_SOFT };
enum { HARD, MEAN, RANDOM, SEMI_HARD = 1 };

/* Around a warp's 32 candidates and a block's 256 columns. With two images for many samples most partners are equivalents. */
static const check_case cases[] = {
    {{1, 1, 1, THREE, MEAN, HARD, 3, 0}, .golden = "one"},
    {{2, 1, 1, THREE, MEAN, HARD, 3, 0}, .golden = "two"},
    {{5, 1, 1, THREE, MEAN, HARD, 3, 0}, .golden = "same"},
    {{5, 1, 1, THREE, MEAN, HARD, 3, 0}, .golden = "distinct"},
    {{16, 1, 1, THREE, MEAN, HARD, 3, 0}, .golden = "four"},
    {{16, 1, 1, THREE, MEAN, HARD, 3, 0}, .golden = "mixed"},
    {{16, 1, 1, THREE, MEAN, HARD, 3, FIXED}, .golden = "fixed_margin"},
    {{16, 1, 1, THREE, MEAN, HARD, 3, LATER}, .golden = "later"},
    {{16, 1, 1, THREE, MEAN, HARD, 3, NOW}, .golden = "now"},
    {{16, 1, 1, THREE, HARD, SEMI_HARD, 8, 0}, .golden = "semi_hard_hard"},
    {{16, 1, 1, THREE, RANDOM, RANDOM, 3, 0}, .golden = "random"},
    {{16, 1, 1, SSAN, RANDOM, SEMI_HARD, 6, 0}, .golden = "ssan_cr"},
    {{16, 1, 1, SOFT, MEAN, HARD, 3, 0}, .golden = "soft"},
    {{8, 1, 1, THREE, HARD, HARD, 8, 0}, .golden = "ties"},
    {{8, 1, 1, THREE, MEAN, HARD, 8, 0}, .golden = "opposite"},
    {{27, 1, 1, THREE, RANDOM, SEMI_HARD, 4, 0}, .golden = "odd"},
    {{2, 2, 2, SOFT, HARD, HARD, 3, ACCUMULATE}},
    {{31, 8, 31, THREE, HARD, HARD, 3, ACCUMULATE}},
    {{32, 8, 2, THREE, RANDOM, RANDOM, 3, IN_PLACE}},
    {{33, 8, 33, SSAN, RANDOM, SEMI_HARD, 8, 0}},
    {{64, 16, 64, THREE, MEAN, HARD, 3, IN_PLACE}},
    {{64, 16, 64, SOFT, MEAN, HARD, 3, 0}},
    {{64, 1, 64, THREE, MEAN, HARD, 3, 0}},
    {{130, 33, 100, THREE, HARD, SEMI_HARD, 3, 0}},
    {{130, 33, 100, SOFT, RANDOM, HARD, 3, FIXED}},
    {{130, 5, 130, THREE, RANDOM, RANDOM, 3, ACCUMULATE}},
    {{257, 65, 257, THREE, MEAN, HARD, 3, 0}},
    {{300, 3, 300, SSAN, RANDOM, SEMI_HARD, 3, 0}},
};

static const check_op ops[] = {{"semi_positive_triplet", semi_positive_triplet,
                                "batch identities images kind semi negative margin*16 flags", CHECK_F32, CHECK_CASES(cases),
                                .golden = "semi_positive_triplet"}};
CHECK_OPS(ops)

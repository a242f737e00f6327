#include "kernels/loss/triplet/semantic_margin.h"
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

/* ---- semantic_margin */
enum { STRETCH = 4, IMAGES = 8 };

/* Similarities and cosines are drawn from 0 to 1; lengths are as the captions'. */
static xr_status semantic_margin(check_run *run) {
  const int64_t batch = check_size(run, 0), flags = check_size(run, 5), n = batch * batch;
  xr_semantic_margin a = {.batch = batch};
  a.options = (xr_margin_options){.kind = (xr_margin_kind)check_size(run, 2),
                                  .reduction = (xr_margin_reduction)check_size(run, 3),
                                  .positives = (xr_margin_positives)check_size(run, 4),
                                  .stretch = flags & STRETCH,
                                  .margin = 0.375f,
                                  .margin_min = 0.0625f,
                                  .margin_max = 0.5f,
                                  .tau = 0.125f,
                                  .distance_scale = 8};
  a.similarity = check_in(run, "similarity", XR_F32, n, CHECK_UNIT);
  a.identity = check_in_ids(run, "identity", batch, 0, (int32_t)check_size(run, 1));
  if (flags & IMAGES) a.image = check_in_ids(run, "image", batch, 0, (int32_t)batch);
  if (xr_margin_reads_semantic(a.options.kind)) a.semantic = check_in(run, "semantic", XR_F32, n, CHECK_UNIT);
  if (a.options.kind == XR_MARGIN_QUALITY) a.length = check_in_ids(run, "length", batch, 3, 78);
  a.loss = check_out(run, "loss", XR_F32, 1);
  a.gradient = check_out(run, "gradient", XR_F32, n);
  a.workspace = check_workspace(run, xr_semantic_margin_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_semantic_margin_forward, &a));
  a.dloss = check_in(run, "upstream", XR_F32, 1, CHECK_POSITIVE);
  a.accumulate_dsimilarity = flags & ACCUMULATE;
  a.dsimilarity = flags & IN_PLACE     ? a.gradient
                  : flags & ACCUMULATE ? check_inout(run, "dsimilarity", XR_F32, n, CHECK_NORMAL)
                                       : check_out(run, "dsimilarity", XR_F32, n);
  return CHECK_CALL(run, xr_semantic_margin_backward, &a);
}

enum { NEG_SEM, COMMON, QUALITY, RATIO, MARGIN, ASMR };
enum { HARDEST, SUM, LSE };
enum { PAIRED, SAME, WEIGHED };

static const check_case margin_cases[] = {
    {{9, 1, NEG_SEM, HARDEST, PAIRED, STRETCH | IMAGES}, .golden = "neg_sem_hardest"},
    {{9, 1, NEG_SEM, SUM, SAME, STRETCH | IMAGES}, .golden = "neg_sem_sum"},
    {{9, 1, NEG_SEM, LSE, WEIGHED, STRETCH | IMAGES}, .golden = "neg_sem_lse"},
    {{9, 1, COMMON, HARDEST, SAME, STRETCH | IMAGES}, .golden = "commonality_hardest"},
    {{9, 1, COMMON, SUM, WEIGHED, STRETCH | IMAGES}, .golden = "commonality_sum"},
    {{9, 1, COMMON, LSE, PAIRED, STRETCH | IMAGES}, .golden = "commonality_lse"},
    {{9, 1, QUALITY, HARDEST, WEIGHED, IMAGES}, .golden = "quality_hardest"},
    {{9, 1, QUALITY, SUM, PAIRED, IMAGES}, .golden = "quality_sum"},
    {{9, 1, QUALITY, LSE, SAME, IMAGES}, .golden = "quality_lse"},
    {{9, 1, RATIO, HARDEST, PAIRED, IMAGES}, .golden = "pos_ratio_hardest"},
    {{9, 1, RATIO, SUM, SAME, IMAGES}, .golden = "pos_ratio_sum"},
    {{9, 1, RATIO, LSE, WEIGHED, IMAGES}, .golden = "pos_ratio_lse"},
    {{9, 1, MARGIN, HARDEST, SAME, IMAGES}, .golden = "fixed_hardest"},
    {{9, 1, MARGIN, SUM, WEIGHED, IMAGES}, .golden = "fixed_sum"},
    {{9, 1, MARGIN, LSE, PAIRED, IMAGES}, .golden = "fixed_lse"},
    {{9, 1, ASMR}, .golden = "asmr"},
    {{1, 1, ASMR}, .golden = "asmr_one"},
    {{1, 1, NEG_SEM, HARDEST, PAIRED, STRETCH | IMAGES}, .golden = "one"},
    {{2, 1, NEG_SEM, HARDEST, PAIRED, STRETCH}, .golden = "two"},
    {{4, 1, NEG_SEM, LSE, WEIGHED, STRETCH}, .golden = "same"},
    {{5, 1, RATIO, HARDEST, SAME, 0}, .golden = "distinct"},
    {{9, 1, NEG_SEM, HARDEST, SAME, IMAGES}, .golden = "unstretched"},
    {{9, 1, COMMON, HARDEST, PAIRED, 0}, .golden = "unstretched_common"},
    {{9, 1, NEG_SEM, SUM, PAIRED, STRETCH | IMAGES}, .golden = "flat"},
    {{9, 1, QUALITY, HARDEST, PAIRED, IMAGES}, .golden = "flat_quality"},
    {{8, 1, MARGIN, HARDEST, PAIRED, 0}, .golden = "ties"},
    {{8, 1, RATIO, HARDEST, PAIRED, 0}, .golden = "opposite"},
    {{19, 1, NEG_SEM, SUM, WEIGHED, STRETCH | IMAGES}, .golden = "odd"},
    /* around a warp's 32 candidates and a block's 256 columns */
    {{31, 8, NEG_SEM, LSE, SAME, STRETCH | ACCUMULATE}},
    {{32, 8, COMMON, LSE, WEIGHED, IN_PLACE}},
    {{33, 2, NEG_SEM, SUM, WEIGHED, STRETCH | IMAGES}},
    {{64, 16, NEG_SEM, HARDEST, PAIRED, STRETCH}},
    {{64, 16, NEG_SEM, LSE, PAIRED, 0}},
    {{64, 1, NEG_SEM, SUM, SAME, STRETCH}},
    {{66, 16, ASMR, 0, 0, ACCUMULATE}},
    {{130, 33, COMMON, SUM, SAME, STRETCH | IMAGES}},
    {{130, 5, QUALITY, LSE, WEIGHED, ACCUMULATE}},
    {{130, 33, RATIO, LSE, SAME, IMAGES}},
    {{257, 65, NEG_SEM, LSE, WEIGHED, STRETCH | IMAGES}},
    {{260, 3, COMMON, HARDEST, WEIGHED, STRETCH}},
    {{260, 300, COMMON, LSE, PAIRED, STRETCH}},
    {{300, 75, MARGIN, HARDEST, SAME, IN_PLACE}},
    {{300, 75, ASMR, 0, 0, IN_PLACE}},
};

static const check_op ops[] = {{"semi_positive_triplet", semi_positive_triplet,
                                "batch identities images kind semi negative margin*16 flags", CHECK_F32, CHECK_CASES(cases),
                                .golden = "semi_positive_triplet"},
                               {"semantic_margin", semantic_margin, "batch identities kind reduction positives flags", CHECK_F32,
                                CHECK_CASES(margin_cases), .golden = "semantic_margin"}};
CHECK_OPS(ops)

#include <math.h>

#include "kernels/loss/centre/centre_alignment.h"
#include "kernels/loss/centre/centre_memory.h"
#include "kernels/loss/centre/feature_memory.h"
#include "tests/kernels/check.h"

/* flags */
enum { ACCUMULATE = 1, STOP = 2, SKIP = 4 /* one set asks for no gradient */, BAD = 8 };
enum { MOST = 1024 /* samples */ };

static const char *const set_name[] = {"a", "b", "c"}, *const gradient_name[] = {"da", "db", "dc"};

/* Margin and weight are given in sixteenths; the margin serves hetero_hinge and L_sep. A golden case brings its own identities. */
static xr_status centre_alignment(check_run *run) {
  const int64_t batch = check_size(run, 0), width = check_size(run, 1), flags = check_size(run, 7), n = batch * width;
  const float margin = (float)check_size(run, 5) / 16;
  xr_centre_alignment a = {.batch = batch, .width = width, .sets = (int)check_size(run, 2)};
  a.options = (xr_centre_options){.kind = (xr_centre_kind)check_size(run, 4),
                                  .margin = margin,
                                  .tau = 0.125f,
                                  .separation_weight = (float)check_size(run, 6) / 16,
                                  .separation_margin = margin,
                                  .stop_gradient_combined = flags & STOP};
  for (int set = 0; set < a.sets; set++) a.x[set] = check_in(run, set_name[set], XR_F32, n, CHECK_NORMAL);
  a.identity = check_in_ids(run, "identity", batch, -3, (int32_t)check_size(run, 3) - 3);
  a.loss = check_out(run, "loss", XR_F32, 1);
  a.mean_count = check_out(run, "mean_count", XR_F32, 1);
  a.segment = check_out(run, "segment", XR_I32, batch);
  a.gradient = check_out(run, "gradient", XR_F32, a.sets * n);
  a.workspace = check_workspace(run, xr_centre_alignment_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_centre_alignment_forward, &a));
  a.dloss = check_in(run, "upstream", XR_F32, 1, CHECK_POSITIVE);
  for (int set = 0; set < a.sets; set++) {
    if (set == 1 && flags & SKIP) continue;
    a.accumulate_dx[set] = flags & ACCUMULATE && set != 1;
    a.dx[set] = a.accumulate_dx[set] ? check_inout(run, gradient_name[set], XR_F32, n, CHECK_NORMAL)
                                     : check_out(run, gradient_name[set], XR_F32, n);
  }
  return CHECK_CALL(run, xr_centre_alignment_backward, &a);
}

enum { L2 = XR_CENTRE_L2, COSINE = XR_CENTRE_COSINE, HINGE = XR_CENTRE_HETERO_HINGE, SDM = XR_CENTRE_SDM, TRIPLET = XR_CENTRE_TRIPLET };

/* Around warps of samples and of centres, tiles of 32 centres and of 32 features, 256 threads' columns. */
static const check_case alignment_cases[] = {
    {{1, 7, 3, 1, L2, 3, 0, 0}, .golden = "one"},
    {{1, 1, 3, 1, SDM, 3, 8, 0}, .golden = "one_separated"},
    {{4, 7, 3, 1, TRIPLET, 3, 0, 0}, .golden = "same"},
    {{2, 7, 2, 1, L2, 3, 8, 0}, .golden = "two"},
    {{8, 7, 3, 1, L2, 3, 0, 0}, .golden = "l2"},
    {{5, 65, 2, 1, L2, 3, 0, 0}, .golden = "wide"},
    {{12, 7, 3, 1, COSINE, 3, 0, 0}, .golden = "cosine"},
    {{8, 5, 3, 1, COSINE, 3, 8, 0}, .golden = "cosine_separated"},
    {{8, 7, 3, 1, HINGE, 8, 0, 0}, .golden = "hinge"},
    {{8, 7, 3, 1, SDM, 3, 0, 0}, .golden = "sdm"},
    {{8, 7, 3, 1, SDM, 3, 12, STOP}, .golden = "sdm_separated"},
    {{12, 7, 3, 1, TRIPLET, 3, 0, 0}, .golden = "triplet"},
    {{8, 7, 2, 1, TRIPLET, 3, 8, 0}, .golden = "triplet_two"},
    {{8, 5, 3, 1, L2, 3, 8, STOP}, .golden = "stop"},
    {{6, 4, 3, 1, TRIPLET, 24, 0, 0}, .golden = "ties"},
    {{5, 64, 3, 2, L2, 3, 0, ACCUMULATE}},
    {{33, 1, 2, 20, HINGE, 16, 0, SKIP}},
    {{64, 512, 3, 16, L2, 3, 0, 0}},
    {{64, 512, 3, 16, SDM, 3, 4, 0}},
    {{64, 64, 3, 1, TRIPLET, 3, 0, SKIP}},
    {{64, 7, 2, 4000, SDM, 3, 0, ACCUMULATE}},
    {{66, 300, 2, 30, COSINE, 3, 4, ACCUMULATE}},
    {{130, 33, 3, 33, TRIPLET, 3, 0, STOP}},
    {{130, 129, 3, 60, SDM, 3, 8, SKIP}},
    {{300, 9, 2, 1000, L2, 3, 8, 0}},
    {{1024, 4, 3, 300, L2, 3, 0, 0}},
};

static const char *const bank_name[] = {"new_a", "new_b", "new_c"};

/* BAD: the first two samples have identities that no bank has. The CPU refuses them; a device has to make NaN of what they reach and to
 * take in the others. The truth is made by hand from the others alone. */
static xr_status centre_memory(check_run *run) {
  const int64_t batch = check_size(run, 0), width = check_size(run, 1), flags = check_size(run, 4), n = batch * width;
  const int64_t skip = flags & BAD && !check_on_device(run) ? 2 : 0;
  xr_centre_memory a = {.batch = batch - skip, .width = width, .classes = check_size(run, 3), .sets = (int)check_size(run, 2)};
  a.momentum = 0.875f;
  a.stop_gradient_combined = flags & STOP;
  int32_t identity[MOST];
  for (int64_t i = 0; i < batch; i++) identity[i] = (int32_t)(i * i % a.classes);
  if (flags & BAD) {
    identity[0] = -1;
    identity[1] = (int32_t)a.classes;
  }
  a.identity = (const int32_t *)check_in_bytes(run, "identity", identity, (size_t)batch * sizeof *identity) + skip;
  a.seen = check_inout(run, "seen", XR_F32, a.classes, CHECK_UNIT); /* below 0.5: never */
  a.loss = check_out(run, "loss", XR_F32, 1);
  for (int set = 0; set < a.sets; set++) {
    a.x[set] = (const float *)check_in(run, set_name[set], XR_F32, n, CHECK_NORMAL) + skip * width;
    a.bank[set] = check_inout(run, bank_name[set], XR_F32, a.classes * width, CHECK_NORMAL);
  }
  a.workspace = check_workspace(run, xr_centre_memory_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_centre_memory_forward, &a));

  const float upstream = 0.75f * (float)a.batch / (float)batch;
  a.dloss = check_in_values(run, "upstream", XR_F32, 1, &upstream);
  for (int set = 0; set < a.sets; set++) {
    if (set == 1 && flags & SKIP) continue;
    a.accumulate_dx[set] = flags & ACCUMULATE && set != 1;
    a.dx[set] = a.accumulate_dx[set] ? check_inout(run, gradient_name[set], XR_F32, n, CHECK_NORMAL)
                                     : check_out(run, gradient_name[set], XR_F32, n);
    a.dx[set] += skip * width; /* by hand: the rows before stay NaN */
  }
  XR_TRY(CHECK_CALL(run, xr_centre_memory_backward, &a));
  if (skip) a.loss[0] = NAN;
  return XR_OK;
}

static const check_case memory_cases[] = {
    {{1, 1, 3, 1, 0}},       {{2, 7, 2, 3, SKIP}},   {{5, 64, 3, 2, ACCUMULATE}},
    {{16, 257, 3, 5, STOP}}, {{64, 512, 3, 40, 0}},  {{130, 7, 2, 1, ACCUMULATE}},
    {{9, 8, 3, 4, BAD}},     {{66, 33, 2, 50, BAD}}, {{300, 3, 3, 11003, STOP}},
};

/* BAD as above. */
static xr_status feature_memory(check_run *run) {
  const int64_t batch = check_size(run, 0), width = check_size(run, 1), flags = check_size(run, 3);
  const int64_t skip = flags & BAD && !check_on_device(run) ? 2 : 0;
  xr_feature_memory a = {.batch = batch - skip, .width = width, .classes = check_size(run, 2), .momentum = 0.875f};
  int32_t identity[MOST];
  for (int64_t i = 0; i < batch; i++) identity[i] = (int32_t)(i * i % a.classes);
  if (flags & BAD) {
    identity[0] = -1;
    identity[1] = (int32_t)a.classes;
  }
  a.identity = (const int32_t *)check_in_bytes(run, "identity", identity, (size_t)batch * sizeof *identity) + skip;
  a.x = (const float *)check_in(run, "x", XR_F32, batch * width, CHECK_NORMAL) + skip * width;
  a.seen = check_inout(run, "seen", XR_F32, a.classes, CHECK_UNIT); /* below 0.5: never */
  a.bank = check_inout(run, "bank", XR_F32, a.classes * width, CHECK_NORMAL);
  a.y = (float *)check_out(run, "y", XR_F32, batch * width) + skip * width; /* by hand: the rows before stay NaN */
  a.workspace = check_workspace(run, xr_feature_memory_workspace(&a));
  return CHECK_CALL(run, xr_feature_memory_forward, &a);
}

static const check_case feature_cases[] = {{{1, 1, 3, 0}},   {{2, 7, 3, 0}},   {{16, 257, 5, 0}},    {{64, 512, 40, 0}},
                                           {{130, 7, 1, 0}}, {{9, 8, 4, BAD}}, {{66, 300, 50, BAD}}, {{300, 3, 11003, 0}}};

static const check_op ops[] = {{"centre_alignment", centre_alignment, "batch width sets identities kind margin*16 weight*16 flags",
                                CHECK_F32, CHECK_CASES(alignment_cases), .golden = "centre_alignment"},
                               {"centre_memory", centre_memory, "batch width sets classes flags", CHECK_F32, CHECK_CASES(memory_cases)},
                               {"feature_memory", feature_memory, "batch width classes flags", CHECK_F32, CHECK_CASES(feature_cases)}};
CHECK_OPS(ops)

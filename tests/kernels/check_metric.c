#include <math.h>

#include "kernels/loss/centre/centre_mining.h"
#include "kernels/loss/centre/modality_memory.h"
#include "kernels/loss/triplet/weighted_regularized_triplet.h"
#include "tests/kernels/check.h"

/* flags */
enum { ACCUMULATE = 1, IN_PLACE = 2, AGW = 4, SQUARE = 8, BAD = 16 };
enum { MOST = 1024 /* samples */ };

static float *gradient_out(check_run *run, int64_t flags, int64_t count, float *gradient) {
  return flags & IN_PLACE     ? gradient
         : flags & ACCUMULATE ? check_inout(run, "dx", XR_F32, count, CHECK_NORMAL)
                              : check_out(run, "dx", XR_F32, count);
}

static xr_status wrt(check_run *run) {
  const int64_t batch = check_size(run, 0), width = check_size(run, 1), flags = check_size(run, 3);
  xr_weighted_regularized_triplet a = {.batch = batch, .width = width};
  a.options = (xr_wrt_options){.agw = flags & AGW, .square = flags & SQUARE, .gamma = 0.5f, .clamp = 10};
  a.x = check_in(run, "x", XR_F32, batch * width, (check_fill)check_size(run, 4));
  a.identity = check_in_ids(run, "identity", batch, -3, (int32_t)check_size(run, 2) - 3);
  a.loss = check_out(run, "loss", XR_F32, 1);
  a.gradient = check_out(run, "gradient", XR_F32, batch * width);
  a.workspace = check_workspace(run, xr_weighted_regularized_triplet_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_weighted_regularized_triplet_forward, &a));
  a.dloss = check_in(run, "upstream", XR_F32, 1, CHECK_POSITIVE);
  a.accumulate_dx = flags & ACCUMULATE;
  a.dx = gradient_out(run, flags, batch * width, a.gradient);
  return CHECK_CALL(run, xr_weighted_regularized_triplet_backward, &a);
}

/* Around a warp's 32 candidates, a block's 8 pairs and 256 columns or factors; with zeros and whole numbers rows are equal. */
static const check_case wrt_cases[] = {
    {{1, 1, 1, 0, CHECK_NORMAL}},
    {{1, 5, 1, AGW, CHECK_NORMAL}},
    {{2, 4, 1, 0, CHECK_UNIT}},
    {{5, 7, 50, 0, CHECK_UNIT}},
    {{9, 3, 2, IN_PLACE, CHECK_WHOLE}},
    {{9, 4, 3, AGW, CHECK_WHOLE}},
    {{8, 40, 2, ACCUMULATE, CHECK_ZERO}},
    {{8, 40, 2, AGW, CHECK_ZERO}},
    {{31, 33, 8, ACCUMULATE, CHECK_UNIT}},
    {{32, 256, 8, SQUARE, CHECK_UNIT}},
    {{33, 257, 1, 0, CHECK_UNIT}},
    {{64, 512, 8, 0, CHECK_UNIT}},
    {{64, 300, 8, AGW | IN_PLACE, CHECK_UNIT}},
    {{65, 20, 16, SQUARE | AGW, CHECK_UNIT}},
    {{257, 6, 64, 0, CHECK_UNIT}},
    {{300, 12, 3, SQUARE | ACCUMULATE, CHECK_UNIT}},
};

/* Margins and weights that leave some hinges active and others not. */
static xr_status centre_mining(check_run *run) {
  const int64_t batch = check_size(run, 0), width = check_size(run, 2), flags = check_size(run, 5);
  xr_centre_mining a = {.batch = batch, .visible = check_size(run, 1), .width = width};
  const float length = sqrtf((float)width); /* of typical distances */
  a.options = (xr_mining_options){.kind = (xr_mining_kind)check_size(run, 4),
                                  .pull = 0.75f,
                                  .mine = 0.5f,
                                  .push = 2,
                                  .rho = 0.25f * length,
                                  .hinge_margin = 0.0625f * (float)width,
                                  .sample_margin = 0.3125f * length,
                                  .centre_margin = 0.28125f * length,
                                  .mmd = {flags & SQUARE ? XR_MMD_GAUSS : XR_MMD_LAPLACE, 0.25f}};
  a.x = check_in(run, "x", XR_F32, batch * width, (check_fill)check_size(run, 6));
  a.identity = check_in_ids(run, "identity", batch, -3, (int32_t)check_size(run, 3) - 3);
  a.loss = check_out(run, "loss", XR_F32, 1);
  a.gradient = check_out(run, "gradient", XR_F32, batch * width);
  a.workspace = check_workspace(run, xr_centre_mining_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_centre_mining_forward, &a));
  a.dloss = check_in(run, "upstream", XR_F32, 1, CHECK_POSITIVE);
  a.accumulate_dx = flags & ACCUMULATE;
  a.dx = gradient_out(run, flags, batch * width, a.gradient);
  return CHECK_CALL(run, xr_centre_mining_backward, &a);
}

enum { ICM = XR_MINING_ICM, HC = XR_MINING_HC, CLUSTER = XR_MINING_CENTRE_CLUSTER };
enum { MSEL = XR_MINING_MSEL, DCL = XR_MINING_DCL, MMD = XR_MINING_MMD };

/* One modality missing, one identity, one sample; then around warps, blocks and columns. */
#define DEGENERATE(kind)                                                                                                \
  {{1, 1, 3, 1, kind, 0, CHECK_UNIT}}, {{6, 0, 5, 2, kind, 0, CHECK_UNIT}}, {{6, 6, 5, 2, kind, IN_PLACE, CHECK_UNIT}}, \
      {{9, 4, 7, 1, kind, 0, CHECK_UNIT}}, {{2, 1, 8, 1, kind, 0, CHECK_UNIT}}, {                                       \
    { 12, 6, 4, 3, kind, ACCUMULATE, CHECK_ZERO }                                                                       \
  }
static const check_case mining_cases[] = {
    DEGENERATE(ICM),
    DEGENERATE(HC),
    DEGENERATE(CLUSTER),
    DEGENERATE(MSEL),
    DEGENERATE(DCL),
    DEGENERATE(MMD),
    {{16, 8, 33, 3, ICM, 0, CHECK_UNIT}},
    {{64, 32, 512, 8, ICM, 0, CHECK_UNIT}},
    {{65, 20, 257, 20, ICM, ACCUMULATE, CHECK_UNIT}},
    {{300, 150, 5, 40, ICM, IN_PLACE, CHECK_UNIT}},
    {{120, 60, 3, 100, ICM, 0, CHECK_NORMAL}},
    {{64, 32, 256, 8, HC, IN_PLACE, CHECK_UNIT}},
    {{130, 100, 9, 30, HC, 0, CHECK_UNIT}},
    {{64, 32, 300, 8, CLUSTER, 0, CHECK_UNIT}},
    {{130, 40, 9, 30, CLUSTER, ACCUMULATE, CHECK_UNIT}},
    {{64, 32, 128, 8, MSEL, 0, CHECK_UNIT}},
    {{131, 60, 9, 50, MSEL, IN_PLACE, CHECK_UNIT}},
    {{64, 32, 128, 8, DCL, 0, CHECK_UNIT}},
    {{131, 60, 9, 30, DCL, 0, CHECK_UNIT}},
    {{64, 32, 128, 8, MMD, 0, CHECK_UNIT}},
    {{131, 60, 9, 30, MMD, SQUARE | ACCUMULATE, CHECK_UNIT}},
};

/* BAD: the first two samples have identities that no bank has. The CPU refuses them; a device has to make NaN of the loss and the gradients
 * and to take in the others. The truth is made by hand from the others alone. */
static xr_status modality_memory(check_run *run) {
  const int64_t batch = check_size(run, 0), width = check_size(run, 2), flags = check_size(run, 4);
  const int64_t skip = flags & BAD && !check_on_device(run) ? 2 : 0;
  xr_modality_memory a = {.batch = batch - skip, .visible = check_size(run, 1) - skip, .width = width, .classes = check_size(run, 3)};
  a.momentum = 0.875f;
  int32_t identity[MOST];
  for (int64_t i = 0; i < batch; i++) identity[i] = (int32_t)(i * i % a.classes);
  if (flags & BAD) {
    identity[0] = -1;
    identity[1] = (int32_t)a.classes;
  }
  a.identity = (const int32_t *)check_in_bytes(run, "identity", identity, (size_t)batch * sizeof *identity) + skip;
  a.x = (const float *)check_in(run, "x", XR_F32, batch * width, CHECK_NORMAL) + skip * width;
  a.bank[0] = check_inout(run, "visible", XR_F32, a.classes * width, CHECK_NORMAL);
  a.bank[1] = check_inout(run, "infrared", XR_F32, a.classes * width, CHECK_NORMAL);
  a.seen = check_inout(run, "seen", XR_F32, 2 * a.classes, CHECK_UNIT); /* below 0.5: never */
  a.loss = check_out(run, "loss", XR_F32, 1);
  a.scale = check_out(run, "scale", XR_F32, 1);
  a.workspace = check_workspace(run, xr_modality_memory_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_modality_memory_forward, &a));
  if (skip) a.loss[0] = a.scale[0] = NAN;
  a.dloss = check_in(run, "upstream", XR_F32, 1, CHECK_POSITIVE);
  a.accumulate_dx = flags & ACCUMULATE;
  a.dx = gradient_out(run, flags, batch * width, NULL);
  if (skip) return XR_OK; /* by hand: the gradients stay NaN */
  return CHECK_CALL(run, xr_modality_memory_backward, &a);
}

static const check_case memory_cases[] = {
    {{1, 1, 1, 3, 0}},       {{1, 0, 4, 1, 0}},       {{2, 1, 7, 3, ACCUMULATE}},    {{16, 9, 257, 5, 0}},
    {{64, 32, 512, 40, 0}},  {{130, 130, 7, 60, 0}},  {{130, 50, 8, 1, ACCUMULATE}}, {{9, 4, 8, 4, BAD}},
    {{66, 33, 33, 50, BAD}}, {{300, 150, 3, 395, 0}},
};

static const check_op ops[] = {
    {"weighted_regularized_triplet", wrt, "batch width identities flags fill", CHECK_F32, CHECK_CASES(wrt_cases)},
    {"centre_mining", centre_mining, "batch visible width identities kind flags fill", CHECK_F32, CHECK_CASES(mining_cases)},
    {"modality_memory", modality_memory, "batch visible width classes flags", CHECK_F32, CHECK_CASES(memory_cases)}};
CHECK_OPS(ops)

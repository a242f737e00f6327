#include "kernels/embedding_set/set_similarity.h"
#include "kernels/loss/mmd.h"
#include "kernels/loss/set_spread.h"
#include "tests/kernels/check.h"

/* flags */
enum { ACCUMULATE = 1, IN_PLACE = 2, TIES = 4 /* whole numbers */, EXACT = 8 /* the gradient, which only moves upstream's values */ };

static xr_status set_similarity(check_run *run) {
  const int64_t flags = check_size(run, 6);
  xr_set_similarity a = {.a_sets = check_size(run, 0), .b_sets = check_size(run, 1), .a_size = check_size(run, 2)};
  a.b_size = check_size(run, 3);
  a.options = (xr_set_similarity_options){(xr_set_kind)check_size(run, 4), (float)check_size(run, 5)};
  const int64_t cosines = a.a_sets * a.a_size * a.b_sets * a.b_size, pairs = a.a_sets * a.b_sets;
  const check_fill fill = flags & TIES ? CHECK_WHOLE : CHECK_UNIT;
  float *cosine = flags & IN_PLACE ? check_inout(run, "cosine", XR_F32, cosines, fill) : check_in(run, "cosine", XR_F32, cosines, fill);
  a.cosine = cosine;
  a.similarity = check_out(run, "similarity", XR_F32, pairs);
  XR_TRY(CHECK_CALL(run, xr_set_similarity_forward, &a));
  a.dsimilarity = check_in(run, "upstream", XR_F32, pairs, CHECK_NORMAL);
  a.accumulate_dcosine = flags & ACCUMULATE;
  a.dcosine = flags & IN_PLACE     ? cosine
              : flags & ACCUMULATE ? check_inout(run, "dcosine", XR_F32, cosines, CHECK_NORMAL)
                                   : check_out(run, "dcosine", XR_F32, cosines);
  if (flags & EXACT) check_exact(run, flags & IN_PLACE ? "cosine" : "dcosine");
  return CHECK_CALL(run, xr_set_similarity_backward, &a);
}

enum { SMOOTH = XR_SET_SMOOTH_CHAMFER, CHAMFER = XR_SET_CHAMFER, MIL = XR_SET_MIL, AVERAGE = XR_SET_AVERAGE };
enum { OPTIMAL = XR_SET_OPTIMAL, ALIGNED = XR_SET_ALIGNED };

/* Around the 256, 128, 64, 32 and 16 pairs that a block of threads takes for sets of 1, 2, 4, 8 and 16. */
static const check_case similarity_cases[] = {
    {{1, 1, 1, 1, SMOOTH, 16, 0}},
    {{3, 257, 1, 1, SMOOTH, 16, ACCUMULATE}},
    {{2, 129, 2, 1, SMOOTH, 16, 0}},
    {{5, 63, 4, 4, SMOOTH, 16, 0}},
    {{2, 65, 4, 4, SMOOTH, 16, IN_PLACE}},
    {{3, 64, 3, 4, SMOOTH, 1, ACCUMULATE}},
    {{2, 33, 8, 5, SMOOTH, 16, 0}},
    {{2, 17, 16, 16, SMOOTH, 16, 0}},
    {{3, 16, 16, 1, SMOOTH, 100, 0}},
    {{3, 20, 1, 16, SMOOTH, 16, IN_PLACE}},
    {{0, 3, 4, 4, SMOOTH, 16, 0}},
    {{3, 0, 4, 4, SMOOTH, 16, 0}},
    {{1, 1, 1, 1, CHAMFER, 0, 0}},
    {{5, 65, 4, 4, CHAMFER, 0, 0}},
    {{3, 65, 4, 4, CHAMFER, 0, TIES | EXACT}},
    {{3, 31, 5, 8, CHAMFER, 0, ACCUMULATE}},
    {{2, 17, 16, 16, CHAMFER, 0, TIES | EXACT}},
    {{3, 257, 1, 1, MIL, 0, EXACT}},
    {{3, 65, 4, 3, MIL, 0, TIES | EXACT}},
    {{3, 65, 3, 4, MIL, 0, TIES | EXACT | IN_PLACE}},
    {{2, 17, 16, 9, MIL, 0, TIES | EXACT}},
    {{3, 130, 2, 2, AVERAGE, 0, EXACT}},
    {{3, 33, 7, 3, AVERAGE, 0, ACCUMULATE}},
    {{2, 17, 16, 16, AVERAGE, 0, EXACT}},
    {{3, 257, 1, 1, OPTIMAL, 0, EXACT}},
    {{3, 65, 4, 4, OPTIMAL, 0, EXACT}},
    {{3, 65, 4, 4, OPTIMAL, 0, TIES | EXACT}},
    {{3, 33, 4, 8, OPTIMAL, 0, TIES | EXACT}},
    {{3, 33, 8, 2, OPTIMAL, 0, TIES | EXACT | IN_PLACE}},
    {{2, 9, 7, 3, OPTIMAL, 0, ACCUMULATE}},
    {{2, 17, 16, 16, OPTIMAL, 0, TIES | EXACT}},
    {{2, 17, 16, 16, OPTIMAL, 0, EXACT}},
    {{3, 65, 4, 4, ALIGNED, 0, EXACT}},
    {{2, 17, 16, 16, ALIGNED, 0, EXACT}},
    {{3, 40, 5, 5, ALIGNED, 0, ACCUMULATE}},
};

static xr_status mmd(check_run *run) {
  const int64_t flags = check_size(run, 5), fill = check_size(run, 6);
  xr_mmd a = {.rows = {check_size(run, 0), check_size(run, 1)}, .width = check_size(run, 2)};
  a.options = (xr_mmd_options){(xr_mmd_kernel)check_size(run, 3), (float)check_size(run, 4) / 64};
  static const char *const names[2][3] = {{"x", "x gradient", "dx"}, {"y", "y gradient", "dy"}};
  for (int side = 0; side < 2; side++) {
    a.x[side] = check_in(run, names[side][0], XR_F32, a.rows[side] * a.width, (check_fill)fill);
    a.gradient[side] = check_out(run, names[side][1], XR_F32, a.rows[side] * a.width);
  }
  a.loss = check_out(run, "loss", XR_F32, 1);
  a.workspace = check_workspace(run, xr_mmd_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_mmd_forward, &a));
  a.dloss = check_in(run, "upstream", XR_F32, 1, CHECK_POSITIVE);
  for (int side = 0; side < 2; side++) {
    const int64_t count = a.rows[side] * a.width;
    a.accumulate_dx[side] = flags & ACCUMULATE && side == 0;
    a.dx[side] = a.accumulate_dx[side] ? check_inout(run, names[side][2], XR_F32, count, CHECK_NORMAL)
                 : flags & IN_PLACE    ? a.gradient[side]
                                       : check_out(run, names[side][2], XR_F32, count);
  }
  return CHECK_CALL(run, xr_mmd_backward, &a);
}

enum { LAPLACE = XR_MMD_LAPLACE, GAUSS = XR_MMD_GAUSS };

/* Around the tiles of 64 rows (32 on the CPU) and the chunks of 32 columns. With zeros and with few whole numbers rows are equal. */
static const check_case mmd_cases[] = {
    {{1, 1, 1, LAPLACE, 32, 0, CHECK_NORMAL}},      {{2, 1, 5, LAPLACE, 32, 0, CHECK_UNIT}},
    {{3, 2, 33, GAUSS, 4, ACCUMULATE, CHECK_UNIT}}, {{31, 32, 31, LAPLACE, 32, ACCUMULATE, CHECK_UNIT}},
    {{32, 32, 64, GAUSS, 1, IN_PLACE, CHECK_UNIT}}, {{33, 65, 65, LAPLACE, 32, 0, CHECK_UNIT}},
    {{70, 59, 17, GAUSS, 1, 0, CHECK_WHOLE}},       {{65, 64, 3, LAPLACE, 32, IN_PLACE, CHECK_WHOLE}},
    {{9, 7, 40, LAPLACE, 32, 0, CHECK_ZERO}},       {{9, 7, 40, GAUSS, 32, 0, CHECK_ZERO}},
    {{40, 130, 20, LAPLACE, 8, 0, CHECK_NORMAL}},   {{5, 150, 300, LAPLACE, 4, 0, CHECK_NORMAL}},
};

static xr_status set_spread(check_run *run) {
  const int64_t flags = check_size(run, 4);
  xr_set_spread a = {.batch = check_size(run, 0), .size = check_size(run, 1), .width = check_size(run, 2)};
  a.kind = (xr_spread_kind)check_size(run, 3);
  const int64_t count = a.batch * a.size * a.width;
  a.x = check_in(run, "x", XR_F32, count, (check_fill)check_size(run, 5));
  a.loss = check_out(run, "loss", XR_F32, 1);
  a.workspace = check_workspace(run, xr_set_spread_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_set_spread_forward, &a));
  a.dloss = check_in(run, "upstream", XR_F32, 1, CHECK_POSITIVE);
  a.accumulate_dx = flags & ACCUMULATE;
  a.dx = flags & ACCUMULATE ? check_inout(run, "dx", XR_F32, count, CHECK_NORMAL) : check_out(run, "dx", XR_F32, count);
  return CHECK_CALL(run, xr_set_spread_backward, &a);
}

enum { UNIFORMITY = XR_SPREAD_UNIFORMITY, DIVERSITY = XR_SPREAD_DIVERSITY, COSINE = XR_SPREAD_COSINE };

static const check_case spread_cases[] = {
    {{1, 1, 1, UNIFORMITY, 0, CHECK_NORMAL}},      {{3, 1, 40, DIVERSITY, ACCUMULATE, CHECK_NORMAL}},
    {{2, 2, 1, UNIFORMITY, 0, CHECK_UNIT}},        {{3, 3, 31, UNIFORMITY, ACCUMULATE, CHECK_UNIT}},
    {{5, 4, 33, UNIFORMITY, 0, CHECK_UNIT}},       {{2, 16, 20, UNIFORMITY, 0, CHECK_UNIT}},
    {{2, 2, 1, DIVERSITY, 0, CHECK_NORMAL}},       {{300, 4, 7, DIVERSITY, 0, CHECK_NORMAL}},
    {{3, 5, 300, DIVERSITY, 0, CHECK_UNIT}},       {{2, 16, 257, DIVERSITY, ACCUMULATE, CHECK_NORMAL}},
    {{4, 4, 9, DIVERSITY, 0, CHECK_ZERO}},         {{2, 2, 1, COSINE, 0, CHECK_NORMAL}},
    {{3, 7, 260, COSINE, ACCUMULATE, CHECK_UNIT}}, {{2, 16, 31, COSINE, 0, CHECK_NORMAL}},
};

static const check_op ops[] = {
    {"set_similarity", set_similarity, "a_sets b_sets a_size b_size kind sharpness flags", CHECK_F32, CHECK_CASES(similarity_cases)},
    {"mmd", mmd, "x_rows y_rows width kernel gamma*64 flags fill", CHECK_F32, CHECK_CASES(mmd_cases)},
    {"set_spread", set_spread, "sets size width kind flags fill", CHECK_F32, CHECK_CASES(spread_cases)},
};
CHECK_OPS(ops)

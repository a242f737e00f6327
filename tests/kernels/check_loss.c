#include <math.h>

#include "kernels/loss/cross_entropy.h"
#include "kernels/loss/sdm.h"
#include "kernels/loss/weighted_sum.h"
#include "tests/kernels/check.h"

/* flags */
enum { IGNORE = 1, DIVISOR = 2, ACCUMULATE = 4, IN_PLACE = 8, LOSS_ONLY = 16, IMAGES = 32 };

/* Smoothing is given in thousandths; DIVISOR divides by 8, IGNORE draws labels of -1, too. */
static xr_status cross_entropy(check_run *run) {
  const int64_t rows = check_size(run, 0), classes = check_size(run, 1), flags = check_size(run, 3), n = rows * classes;
  const xr_dtype dtype = check_dtype(run);
  xr_cross_entropy a = {.rows = rows, .classes = classes, .dtype = dtype, .smoothing = (float)check_size(run, 2) / 1000};
  a.divisor = flags & DIVISOR ? 8.0f : 0;
  a.labels = check_in_ids(run, "labels", rows, flags & IGNORE ? -1 : 0, (int32_t)classes);
  a.loss = check_out(run, "loss", XR_F32, 1);
  a.row_loss = check_out(run, "row_loss", XR_F32, rows);
  if (flags & IN_PLACE) {
    a.logits = a.gradient = a.dlogits = check_inout(run, "dlogits", dtype, n, CHECK_NORMAL);
  } else {
    a.logits = check_in(run, "logits", dtype, n, CHECK_NORMAL);
    a.gradient = flags & LOSS_ONLY ? NULL : check_out(run, "gradient", dtype, n);
  }
  XR_TRY(CHECK_CALL(run, xr_cross_entropy_forward, &a));
  if (flags & LOSS_ONLY) return XR_OK;

  a.dloss = check_in(run, "upstream", XR_F32, 1, CHECK_POSITIVE);
  a.accumulate_dlogits = flags & ACCUMULATE;
  if (!(flags & IN_PLACE))
    a.dlogits = flags & ACCUMULATE ? check_inout(run, "dlogits", dtype, n, CHECK_NORMAL) : check_out(run, "dlogits", dtype, n);
  return CHECK_CALL(run, xr_cross_entropy_backward, &a);
}

/* Rows of few and of many threads (above 4,096 classes), whole 16-byte pieces or not, in shared memory or too long for it. */
static const check_case cross_entropy_cases[] = {
    {{1, 1, 0, 0}, .golden = "one"},
    {{3, 5, 0, 0}, .golden = "small"},
    {{4, 33, 100, 0}, .golden = "smooth"},
    {{3, 10, 0, DIVISOR}, .golden = "divided"},
    {{2, 6, 200, 0}, .golden = "ignored"},
    {{2, 1500, 100, 0}, .golden = "long"},
    {{0, 7, 0, 0}},
    {{7, 1, 100, IGNORE}},
    {{9, 2, 0, IGNORE | ACCUMULATE}},
    {{9, 8, 100, IN_PLACE}},
    {{300, 3, 0, IGNORE}}, /* more rows to count than threads */
    {{5, 1021, 0, LOSS_ONLY}},
    {{6, 1031, 100, IN_PLACE | DIVISOR}},
    {{3, 4096, 0, ACCUMULATE}},
    {{3, 4099, 100, IN_PLACE}},
    {{4, 11003, 0, IGNORE}},
    {{2, 11003, 100, ACCUMULATE | IN_PLACE}},
    {{1, 49408, 100, 0}},
    {{2, 60001, 0, IN_PLACE}},
    {{1, 120001, 100, LOSS_ONLY}},
    {{2, 120001, 100, IN_PLACE}},
    {{1100, 17, 0, IGNORE}}, /* more row losses than threads */
};

/* Labels that no class has, in the first two rows. The CPU refuses them; a device has to make NaN of what they reach and no more. The
 * truth is made by hand from rows that are left out. */
static xr_status bad_labels(check_run *run) {
  enum { ROWS = 4 };
  const int64_t classes = check_size(run, 0), n = ROWS * classes;
  const xr_dtype dtype = check_dtype(run);
  const bool device = check_on_device(run);
  const int32_t labels[ROWS] = {device ? (int32_t)classes : -1, device ? -2 : -1, 0, -1};
  xr_cross_entropy a = {.rows = ROWS, .classes = classes, .dtype = dtype, .divisor = 2};
  a.labels = check_in_bytes(run, "labels", labels, sizeof labels);
  a.logits = check_in(run, "logits", dtype, n, CHECK_NORMAL);
  a.loss = check_out(run, "loss", XR_F32, 1);
  a.row_loss = check_out(run, "row_loss", XR_F32, ROWS);
  a.gradient = check_out(run, "gradient", dtype, n);
  XR_TRY(CHECK_CALL(run, xr_cross_entropy_forward, &a));
  if (device) return XR_OK;
  a.loss[0] = a.row_loss[0] = a.row_loss[1] = NAN;
  memset(a.gradient, 0xff, (size_t)(2 * classes) * xr_dtype_bytes(dtype)); /* NaN in either dtype */
  return XR_OK;
}

static const check_case bad_label_cases[] = {{{1}}, {{7}}, {{64}}, {{5000}}};

/* tau and semi_weight are given in thousandths. */
static xr_status sdm(check_run *run) {
  const int64_t batch = check_size(run, 0), flags = check_size(run, 3), n = batch * batch;
  xr_sdm a = {.batch = batch, .tau = (float)check_size(run, 1) / 1000, .semi_weight = (float)check_size(run, 2) / 1000};
  a.similarity = check_in(run, "similarity", XR_F32, n, CHECK_UNIT);
  a.labels = check_in_ids(run, "labels", batch, 0, (int32_t)(batch / 3 + 1));
  a.image_id = flags & IMAGES ? check_in_ids(run, "image_id", batch, 0, 2) : NULL;
  a.loss = check_out(run, "loss", XR_F32, 1);
  a.gradient = check_out(run, "gradient", XR_F32, n);
  a.workspace = check_workspace(run, xr_sdm_workspace(&a));
  XR_TRY(CHECK_CALL(run, xr_sdm_forward, &a));
  a.dloss = check_in(run, "upstream", XR_F32, 1, CHECK_POSITIVE);
  a.accumulate_dsimilarity = flags & ACCUMULATE;
  a.dsimilarity = flags & IN_PLACE     ? a.gradient
                  : flags & ACCUMULATE ? check_inout(run, "dsimilarity", XR_F32, n, CHECK_NORMAL)
                                       : check_out(run, "dsimilarity", XR_F32, n);
  check_factor(run, "loss", 8); /* all three are what is left of logarithms of about 1 to 18, rounded to f32 */
  check_factor(run, "gradient", 8);
  if (!(flags & IN_PLACE)) check_factor(run, "dsimilarity", 8);
  return CHECK_CALL(run, xr_sdm_backward, &a);
}

/* Around the tile of 64; beyond 32 tiles a lane puts several together. */
static const check_case sdm_cases[] = {
    {{1, 20, 1000, 0}, .golden = "one"},
    {{5, 20, 1000, 0}, .golden = "distinct"},
    {{12, 20, 1000, 0}, .golden = "groups"},
    {{12, 20, 500, IMAGES}, .golden = "semi"},
    {{67, 100, 250, IMAGES}, .golden = "warm"},
    {{2, 1000, 1000, IMAGES}},
    {{63, 20, 500, IMAGES | ACCUMULATE}},
    {{64, 20, 1000, 0}},
    {{64, 1000, 500, IMAGES | IN_PLACE}},
    {{65, 50, 250, IMAGES}},
    {{130, 20, 1000, 0}},
    {{257, 1000, 1000, ACCUMULATE}},
    {{2049, 20, 500, IMAGES}},
};

/* The second term is the first one again: its gradient is added to. */
static xr_status weighted_sum(check_run *run) {
  const int terms = (int)check_size(run, 0);
  const float values[XR_MAX_LOSSES] = {3, -1.5f, 8, 1e-3f, 7, 0, -2, 100, 5, 4, 3, 2, 1, 0.5f, 0.25f, 9};
  const float *loss = check_in_values(run, "losses", XR_F32, terms, values);
  float *dloss = check_inout(run, "dlosses", XR_F32, terms, CHECK_NORMAL);
  xr_weighted_sum a = {.terms = terms, .total = check_out(run, "total", XR_F32, 1)};
  for (int i = 0; i < terms; i++) {
    const int of = i == 1 ? 0 : i;
    a.weight[i] = 1.0f / (float)(i + 1);
    a.loss[i] = loss + of;
    a.dloss[i] = i == 3 ? NULL : dloss + of;
    a.accumulate_dloss[i] = i % 2;
  }
  XR_TRY(CHECK_CALL(run, xr_weighted_sum_forward, &a));
  a.dtotal = check_in(run, "dtotal", XR_F32, 1, CHECK_POSITIVE);
  return CHECK_CALL(run, xr_weighted_sum_backward, &a);
}

static const check_case weighted_sum_cases[] = {{{1}}, {{2}}, {{5}}, {{16}}};

static const check_op ops[] = {
    {"cross_entropy", cross_entropy, "rows classes smoothing/1000 flags", CHECK_FLOATS, CHECK_CASES(cross_entropy_cases),
     .golden = "cross_entropy"},
    {"cross_entropy_bad_labels", bad_labels, "classes", CHECK_FLOATS, CHECK_CASES(bad_label_cases)},
    {"sdm", sdm, "batch tau/1000 semi_weight/1000 flags", CHECK_F32, CHECK_CASES(sdm_cases), .golden = "sdm"},
    {"weighted_sum", weighted_sum, "terms", CHECK_F32, CHECK_CASES(weighted_sum_cases)},
};
CHECK_OPS(ops)

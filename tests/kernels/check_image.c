#include "kernels/image/augment.h"
#include "kernels/linear/patchify.h"
#include "tests/kernels/check.h"

static xr_status patchify(check_run *run) {
  const xr_dtype dtype = check_dtype(run);
  xr_patchify a = {.batch = check_size(run, 0),
                   .height = check_size(run, 1),
                   .width = check_size(run, 2),
                   .patch = check_size(run, 3),
                   .stride = check_size(run, 4),
                   .dtype = dtype};
  a.x = check_in(run, "x", dtype, a.batch * a.height * a.width * XR_IMAGE_CHANNELS, CHECK_NORMAL);
  a.y = check_out(run, "y", dtype, a.batch * xr_patchify_rows(&a) * xr_patchify_cols(&a) * XR_IMAGE_CHANNELS * a.patch * a.patch);
  check_exact(run, "y"); /* a copy */
  return CHECK_CALL(run, xr_patchify_forward, &a);
}

static const check_case patchify_cases[] = {
    {{1, 1, 1, 1, 1}},     {{2, 5, 7, 3, 2}},    {{3, 5, 5, 5, 1}},  {{2, 48, 32, 16, 16}},
    {{2, 33, 40, 16, 12}}, {{1, 24, 24, 16, 8}}, {{2, 9, 12, 4, 4}}, {{0, 8, 8, 4, 4}},
};

/* decisions: 0: NULL; 1: flips, crops beyond each edge, rectangles inside and across the edges. */
static xr_status augment(check_run *run) {
  static const xr_augment_decision decisions[] = {
      {.flip = 1},
      {.crop_x = 3, .crop_y = -2, .erase_x = 1, .erase_y = 1, .erase_width = 3, .erase_height = 2},
      {.flip = 1, .crop_x = -5, .crop_y = 4, .erase_x = 2, .erase_y = 0, .erase_width = 100, .erase_height = 3},
      {.crop_x = 1000, .crop_y = 1},
      {.crop_x = -1, .crop_y = -1000, .erase_x = 0, .erase_y = 5, .erase_width = 0, .erase_height = 9},
      {.erase_x = 0, .erase_y = 0, .erase_width = 2, .erase_height = 1000},
  };
  enum { MOST = 6 * 96 * 64 * 3 };
  static uint8_t pixels[MOST];
  const int64_t n = check_size(run, 0) * check_size(run, 1) * check_size(run, 2) * 3;
  for (int64_t i = 0; i < n; i++) pixels[i] = (uint8_t)(i * 37 + i / 256);
  xr_augment a = {.count = check_size(run, 0),
                  .height = (int32_t)check_size(run, 1),
                  .width = (int32_t)check_size(run, 2),
                  .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                  .std = {0.26862954f, 0.26130258f, 0.27577711f},
                  .fill = {0.1f, -0.2f, 0.3f},
                  .dtype = check_dtype(run)};
  a.pixels = check_in_bytes(run, "pixels", pixels, (size_t)n);
  if (check_size(run, 3)) a.decisions = check_in_bytes(run, "decisions", decisions, (size_t)a.count * sizeof *decisions);
  a.out = check_out(run, "out", a.dtype, n);
  if (a.dtype == XR_F32) check_exact(run, "out");
  return CHECK_CALL(run, xr_augment_forward, &a);
}

static const check_case augment_cases[] = {
    {{1, 1, 1, 0}}, {{1, 16, 16, 0}}, {{6, 16, 9, 1}}, {{6, 7, 8, 1}}, {{6, 96, 64, 1}}, {{3, 5, 33, 1}}, {{0, 4, 4, 1}},
};

static const check_op ops[] = {
    {"patchify", patchify, "batch height width patch stride", CHECK_FLOATS, CHECK_CASES(patchify_cases)},
    {"augment", augment, "count height width decisions", CHECK_FLOATS, CHECK_CASES(augment_cases)},
};
CHECK_OPS(ops)

#include <math.h>

#include "host/base/memory.h"
#include "host/data/augment.h"
#include "tests/data/scratch.h"
#include "tests/support/golden.h"

/* Runs the kernel on a golden case and compares with torchvision's f32 results, bit for bit (rounded once more for bf16). */
static void expect_exact(const char *name, bool decided, xr_dtype dtype) {
  xr_golden g = xr_golden_open("augment");
  g.name = name;
  const xr_stored_tensor *pixels = xr_golden_tensor(&g, "pixels"), *expected = xr_golden_tensor(&g, "out");
  xr_augment a = {.count = pixels->dim[0], .height = (int32_t)pixels->dim[1], .width = (int32_t)pixels->dim[2], .dtype = dtype};
  xr_augment_decision decisions[16] = {0};
  const int64_t values = xr_stored_elements(expected);
  cr_assert(values == xr_stored_elements(pixels) && a.count <= 16);
  if (decided) {
    const xr_stored_tensor *rows = xr_golden_tensor(&g, "decisions"); /* flip, crop_x, crop_y, erase x, y, width, height */
    cr_assert(rows->dim[0] == a.count && rows->dim[1] == 7 && sizeof decisions[0] == 7 * sizeof(int32_t));
    memcpy(decisions, rows->data, rows->bytes);
    a.decisions = decisions;
  }
  memcpy(a.mean, xr_clip_mean, sizeof a.mean);
  memcpy(a.std, xr_clip_std, sizeof a.std);
  memcpy(a.fill, xr_clip_mean, sizeof a.fill);
  a.pixels = pixels->data;
  a.out = xr_poisoned(dtype, values);
  cr_assert(xr_augment_forward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int64_t i = 0; i < values; i++) {
    float truth;
    memcpy(&truth, (const char *)expected->data + (size_t)i * sizeof truth, sizeof truth);
    const float got = dtype == XR_F32 ? ((float *)a.out)[i] : xr_bf16_to_f32(((xr_bf16 *)a.out)[i]);
    const float rounded = dtype == XR_F32 ? truth : xr_bf16_to_f32(xr_f32_to_bf16(truth));
    cr_assert(memcmp(&got, &rounded, sizeof got) == 0, "%s (%s): value %lld is %.9g, torchvision has %.9g", name, xr_dtype_name(dtype),
              (long long)i, (double)got, (double)rounded);
  }
  xr_block_free(a.out);
  xr_golden_close(&g);
}

Test(augment, equals_torchvision_to_the_bit) {
  expect_exact("exact", true, XR_F32);
  expect_exact("exact", true, XR_BF16);
  expect_exact("every_value", false, XR_F32);
  expect_exact("every_value", false, XR_BF16);
}

Test(augment, shapes_that_are_refused) {
  uint8_t pixels[3] = {0};
  float out[3];
  xr_augment a = {.count = 1, .height = 1, .width = 1, .std = {1, 1, 1}, .pixels = pixels, .out = out};
  cr_assert_eq(xr_augment_forward_cpu(&a), XR_OK);
  a.width = 3000;
  cr_assert_eq(xr_augment_forward_cpu(&a), XR_BAD_SHAPE);
  a.width = 1;
  a.dtype = XR_I32;
  cr_assert_eq(xr_augment_forward_cpu(&a), XR_UNSUPPORTED);
  a.dtype = XR_F32;
  a.std[1] = 0;
  cr_assert_eq(xr_augment_forward_cpu(&a), XR_BAD_ARGUMENT);
}

/* The drawn rectangles have torchvision's distribution: each mean over 100,000 draws within 5 standard errors of the difference. */
static void expect_erase_statistics(int32_t height, int32_t width) {
  char name[32];
  snprintf(name, sizeof name, "erase_%dx%d", height, width);
  xr_golden g = xr_golden_open("augment");
  g.name = name;
  static const char *const what[] = {"found", "height", "width", "y", "x", "area"};
  double mean[6], deviation[6], sum[6] = {0}, draws = xr_golden_scalar(&g, "draws");
  memcpy(mean, xr_golden_tensor(&g, "mean")->data, sizeof mean);
  memcpy(deviation, xr_golden_tensor(&g, "deviation")->data, sizeof deviation);
  xr_augment_options options = xr_augment_irra;
  options.erase = 1;
  enum { DRAWS = 100000 };
  for (uint64_t i = 0; i < DRAWS; i++) {
    const xr_augment_decision d = xr_augment_decide(&options, height, width, 1, 0, i);
    const bool found = d.erase_width || d.erase_height;
    cr_assert(d.erase_x >= 0 && d.erase_y >= 0 && d.erase_x + d.erase_width <= width && d.erase_y + d.erase_height <= height);
    if (found) cr_assert(d.erase_height < height && d.erase_width < width);
    const double row[] = {found, d.erase_height, d.erase_width, d.erase_y, d.erase_x, (double)d.erase_height * d.erase_width};
    for (int k = 0; k < 6; k++) sum[k] += row[k];
  }
  for (int k = 0; k < 6; k++) {
    const double error = deviation[k] * sqrt(1 / draws + 1.0 / DRAWS);
    cr_assert(fabs(sum[k] / DRAWS - mean[k]) <= 5 * error, "%s: mean %s %.5f, torchvision %.5f, standard error %.5f", name, what[k],
              sum[k] / DRAWS, mean[k], error);
  }
  xr_golden_close(&g);
}

Test(augment, erased_rectangles_are_torchvisions) {
  expect_erase_statistics(384, 128);
  expect_erase_statistics(12, 4);
}

Test(augment, flips_and_crops_are_uniform) {
  enum { DRAWS = 84000 };
  xr_augment_options options = xr_augment_irra;
  int flips = 0, erased = 0, x[21] = {0}, y[21] = {0};
  for (uint64_t i = 0; i < DRAWS; i++) {
    const xr_augment_decision d = xr_augment_decide(&options, 384, 128, 7, 2, i);
    cr_assert(d.crop_x >= -10 && d.crop_x <= 10 && d.crop_y >= -10 && d.crop_y <= 10 && (d.flip == 0 || d.flip == 1));
    flips += d.flip;
    erased += d.erase_width > 0;
    x[d.crop_x + 10]++;
    y[d.crop_y + 10]++;
  }
  cr_assert(fabs(flips - DRAWS * 0.5) < 5 * sqrt(DRAWS * 0.25));
  cr_assert(fabs(erased - DRAWS * 0.5) < 5 * sqrt(DRAWS * 0.25));
  for (int i = 0; i < 21; i++) {
    cr_assert(fabs(x[i] - DRAWS / 21.0) < 5 * sqrt(DRAWS / 21.0), "crop_x %d: %d times", i - 10, x[i]);
    cr_assert(fabs(y[i] - DRAWS / 21.0) < 5 * sqrt(DRAWS / 21.0), "crop_y %d: %d times", i - 10, y[i]);
  }
}

static bool same(xr_augment_decision a, xr_augment_decision b) { return memcmp(&a, &b, sizeof a) == 0; }

Test(augment, decisions_depend_on_seed_epoch_and_position_only) {
  const xr_augment_options *all = &xr_augment_irra;
  int seeds = 0, epochs = 0, positions = 0;
  for (uint64_t i = 0; i < 100; i++) {
    const xr_augment_decision d = xr_augment_decide(all, 64, 32, 1, 5, i);
    cr_assert(same(d, xr_augment_decide(all, 64, 32, 1, 5, i)));
    seeds += same(d, xr_augment_decide(all, 64, 32, 2, 5, i));
    epochs += same(d, xr_augment_decide(all, 64, 32, 1, 6, i));
    positions += same(d, xr_augment_decide(all, 64, 32, 1, 5, i + 1));
  }
  cr_assert(seeds < 5 && epochs < 5 && positions < 5);
}

Test(augment, each_part_can_be_switched_off) {
  for (uint64_t i = 0; i < 200; i++) {
    const xr_augment_decision all = xr_augment_decide(&xr_augment_irra, 64, 32, 1, 0, i);
    xr_augment_decision expected;
    xr_augment_options options = xr_augment_irra;
    options.flip = 0;
    expected = all;
    expected.flip = 0;
    cr_assert(same(xr_augment_decide(&options, 64, 32, 1, 0, i), expected));
    options = xr_augment_irra;
    options.pad = 0;
    expected = all;
    expected.crop_x = expected.crop_y = 0;
    cr_assert(same(xr_augment_decide(&options, 64, 32, 1, 0, i), expected));
    options = xr_augment_irra;
    options.erase = 0;
    expected = all;
    expected.erase_x = expected.erase_y = expected.erase_width = expected.erase_height = 0;
    cr_assert(same(xr_augment_decide(&options, 64, 32, 1, 0, i), expected));
    cr_assert(same(xr_augment_decide(&(xr_augment_options){0}, 64, 32, 1, 0, i), (xr_augment_decision){0}));
  }
}

Test(augment, options_that_cannot_work) {
  static const struct {
    xr_augment_options options;
    const char *message;
  } cases[] = {
      {{.flip = 1.5f}, "flip is a probability"},
      {{.erase = -1}, "erase is a probability"},
      {{.pad = -1}, "pad by 0 to"},
      {{.erase = 1, .min_area = 0.5f, .max_area = 0.4f, .min_aspect = 1, .max_aspect = 1}, "the erased area"},
      {{.erase = 1, .min_area = 0.1f, .max_area = 0.4f, .min_aspect = 0, .max_aspect = 1}, "the aspect"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cr_assert_eq(xr_augment_check(&cases[i].options), XR_BAD_INPUT);
    expect_message(cases[i].message);
  }
  cr_assert_eq(xr_augment_check(&xr_augment_irra), XR_OK);
}

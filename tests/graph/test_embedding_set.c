/* The bindings of op_embedding_set.c: what they refuse. Their gradients are in test_gradients.c. */
#include "host/ops/ops.h"
#include "tests/support/recording.h"

static const xr_set_similarity_options average = {.kind = XR_SET_AVERAGE};

static xr_var f32_input(recording r, const char *name, xr_shape shape) { return xr_input(r.graph, name, XR_F32, shape); }

static xr_var sets_without_elements(recording r) {
  return xr_set_similarity_of(r.graph, "op", f32_input(r, "a", XR_SHAPE(3, 4)), f32_input(r, "b", XR_SHAPE(3, 2, 4)), average);
}
static xr_var sets_in_bf16(recording r) {
  xr_var a = xr_input(r.graph, "a", XR_BF16, XR_SHAPE(3, 2, 4));
  return xr_set_similarity_of(r.graph, "op", a, f32_input(r, "b", XR_SHAPE(3, 2, 4)), average);
}
static xr_var sets_of_two_widths(recording r) {
  return xr_set_similarity_of(r.graph, "op", f32_input(r, "a", XR_SHAPE(3, 2, 4)), f32_input(r, "b", XR_SHAPE(3, 2, 5)), average);
}
static xr_var sets_of_17(recording r) {
  return xr_set_similarity_of(r.graph, "op", f32_input(r, "a", XR_SHAPE(3, 17, 4)), f32_input(r, "b", XR_SHAPE(3, 2, 4)), average);
}
static xr_var cosines_of_no_whole_sets(recording r) {
  return xr_set_reduce(r.graph, "op", f32_input(r, "cosine", XR_SHAPE(6, 7)), 2, 3, average);
}
static xr_var cosines_of_sets_of_none(recording r) {
  return xr_set_reduce(r.graph, "op", f32_input(r, "cosine", XR_SHAPE(6, 6)), 0, 3, average);
}
static xr_var cosines_without_sharpness(recording r) {
  return xr_set_reduce(r.graph, "op", f32_input(r, "cosine", XR_SHAPE(6, 6)), 2, 3, (xr_set_similarity_options){XR_SET_SMOOTH_CHAMFER, 0});
}
static xr_var clouds_of_two_widths(recording r) {
  return xr_mmd_loss(r.graph, "op", f32_input(r, "x", XR_SHAPE(3, 4)), f32_input(r, "y", XR_SHAPE(3, 5)),
                     (xr_mmd_options){XR_MMD_LAPLACE, 1});
}
static xr_var cloud_of_integers(recording r) {
  xr_var x = xr_input(r.graph, "x", XR_I32, XR_SHAPE(3, 4));
  return xr_mmd_loss(r.graph, "op", x, x, (xr_mmd_options){XR_MMD_LAPLACE, 1});
}
static xr_var gamma_of_nothing(recording r) {
  xr_var x = f32_input(r, "x", XR_SHAPE(3, 4));
  return xr_mmd_loss(r.graph, "op", x, x, (xr_mmd_options){XR_MMD_GAUSS, 0});
}
static xr_var spread_of_rows(recording r) {
  return xr_set_spread_of(r.graph, "op", f32_input(r, "x", XR_SHAPE(3, 4)), XR_SPREAD_UNIFORMITY);
}
static xr_var spread_in_bf16(recording r) {
  return xr_set_spread_of(r.graph, "op", xr_input(r.graph, "x", XR_BF16, XR_SHAPE(3, 4, 5)), XR_SPREAD_UNIFORMITY);
}

static const refusal refused[] = {
    {sets_without_elements, XR_F32, XR_BAD_SHAPE, "sets f32 [3, 4] and f32 [3, 2, 4]; f32 in 3 dimensions is expected"},
    {sets_in_bf16, XR_BF16, XR_BAD_SHAPE, "sets bf16 [3, 2, 4] and f32 [3, 2, 4]"},
    {sets_of_two_widths, XR_F32, XR_BAD_SHAPE, "[6, 4] and [6, 5] have rows of different lengths"},
    {sets_of_17, XR_F32, XR_BAD_SHAPE, "3 sets of 17 elements"},
    {cosines_of_no_whole_sets, XR_F32, XR_BAD_SHAPE, "cosines [6, 7] are not those of sets of 2 and 3 elements"},
    {cosines_of_sets_of_none, XR_F32, XR_BAD_SHAPE, "a set has 1 to 16"},
    {cosines_without_sharpness, XR_F32, XR_BAD_ARGUMENT, "sharpness 0"},
    {clouds_of_two_widths, XR_F32, XR_BAD_SHAPE, "rows are f32 [3, 4] and f32 [3, 5]"},
    {cloud_of_integers, XR_F32, XR_BAD_SHAPE, "both must be f32"},
    {gamma_of_nothing, XR_F32, XR_BAD_ARGUMENT, "gamma 0"},
    {spread_of_rows, XR_F32, XR_BAD_SHAPE, "the sets is [3, 4], 3 dimensions are expected"},
    {spread_in_bf16, XR_F32, XR_BAD_SHAPE, "the sets is bf16 [3, 4, 5]"},
};

Test(embedding_set, what_does_not_fit_is_refused) { expect_refusals(refused, sizeof refused / sizeof *refused); }

/* The bindings of op_map.c and op_batchnorm.c: what they refuse, and what a bf16 graph gives. Their gradients in f32 are in
 * test_gradients.c. */
#include <criterion/criterion.h>
#include <string.h>

#include "host/graph/executor.h"
#include "host/ops/ops.h"
#include "tests/support/recording.h"

static xr_var map_of(recording r, xr_shape shape) { return xr_input(r.graph, "x", XR_F32, shape); }

static xr_var wide_padding(recording r) {
  return xr_max_pool_of(r.graph, "op", map_of(r, XR_SHAPE(2, 8, 4, 3)), (xr_max_pool_options){3, 2, 2});
}
static xr_var large_window(recording r) {
  return xr_max_pool_of(r.graph, "op", map_of(r, XR_SHAPE(2, 8, 2, 3)), (xr_max_pool_options){5, 2, 1});
}
static xr_var pooled_tokens(recording r) {
  return xr_max_pool_of(r.graph, "op", map_of(r, XR_SHAPE(8, 2, 3)), (xr_max_pool_options){3, 2, 1});
}
static xr_var average_of_tokens(recording r) { return xr_average_pool_of(r.graph, "op", map_of(r, XR_SHAPE(8, 2, 3))); }
static xr_var gem_of_tokens(recording r) { return xr_gem_of(r.graph, map_of(r, XR_SHAPE(8, 2, 3)), "op", (xr_gem_options){0}); }
static xr_var to_nothing(recording r) { return xr_resize_bilinear_of(r.graph, "op", map_of(r, XR_SHAPE(2, 8, 2, 3)), 0, 4); }
static xr_var resized_bf16(recording r) {
  return xr_resize_bilinear_of(r.graph, "op", xr_input(r.graph, "x", XR_BF16, XR_SHAPE(2, 8, 2, 3)), 4, 4);
}
static xr_var another_residual(recording r) {
  xr_var add = xr_input(r.graph, "add", XR_F32, XR_SHAPE(2, 8, 4));
  return xr_batchnorm_of(r.graph, map_of(r, XR_SHAPE(2, 8, 3)), "op", (xr_batchnorm_options){.add = add});
}

static const refusal refused[] = {
    {wide_padding, XR_F32, XR_BAD_ARGUMENT, "windows of side 3, stride 2, padding 2"},
    {large_window, XR_F32, XR_BAD_SHAPE, "x [2, 8, 2, 3] holds no window of side 5"},
    {pooled_tokens, XR_F32, XR_BAD_SHAPE, "the map is [8, 2, 3], 4 dimensions are expected"},
    {average_of_tokens, XR_F32, XR_BAD_SHAPE, "the map is [8, 2, 3], 4 dimensions are expected"},
    {gem_of_tokens, XR_F32, XR_BAD_SHAPE, "the map is [8, 2, 3], 4 dimensions are expected"},
    {to_nothing, XR_F32, XR_BAD_SHAPE, "x [2, 8, 2, 3] to 0 x 4"},
    {resized_bf16, XR_F32, XR_BAD_SHAPE, "the map is bf16 [2, 8, 2, 3], expected is f32 [2, 8, 2, 3]"},
    {another_residual, XR_F32, XR_BAD_SHAPE, "what is added is f32 [2, 8, 4], expected is f32 [2, 8, 3]"},
};

Test(map, what_does_not_fit_is_refused_with_both_shapes) { expect_refusals(refused, sizeof refused / sizeof *refused); }

Test(map, dtypes_of_a_bf16_graph) {
  recording r = record(XR_BF16);
  xr_var x = xr_input(r.graph, "x", XR_BF16, XR_SHAPE(2, 9, 5, 4));
  xr_var y = xr_max_pool_of(r.graph, "pool", xr_batchnorm_of(r.graph, x, "bn1", (xr_batchnorm_options){.relu = true}),
                            (xr_max_pool_options){3, 2, 1});
  xr_var pooled = xr_gem_of(r.graph, y, "gem", (xr_gem_options){0}), mean = xr_average_pool_of(r.graph, "mean", y);
  cr_assert(pooled.id && mean.id, "%s", xr_message());
  cr_assert(xr_dtype_of(r.graph, y) == XR_BF16 && xr_same_shape(xr_shape_of(r.graph, y), XR_SHAPE(2, 5, 3, 4)));
  cr_assert(xr_dtype_of(r.graph, pooled) == XR_F32 && xr_same_shape(xr_shape_of(r.graph, pooled), XR_SHAPE(2, 4)));
  cr_assert(xr_dtype_of(r.graph, mean) == XR_BF16 && xr_same_shape(xr_shape_of(r.graph, mean), XR_SHAPE(2, 4)));
  drop(r);
}

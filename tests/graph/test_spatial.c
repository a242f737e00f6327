/* The bindings of op_spatial.c: what they refuse, and a bf16 graph, where a convolution's taps are bf16 and their gradient is f32. Their
 * gradients in f32 are in test_gradients.c. */
#include <criterion/criterion.h>
#include <string.h>

#include "host/graph/executor.h"
#include "host/ops/ops.h"
#include "tests/support/recording.h"

static xr_var tokens(recording r, xr_shape shape) { return xr_input(r.graph, "x", XR_F32, shape); }

static xr_var another_grid(recording r) { return xr_grid_mean_of(r.graph, "op", tokens(r, XR_SHAPE(2, 193, 4)), 16, 8, 2); }
static xr_var no_whole_cells(recording r) { return xr_grid_mean_of(r.graph, "op", tokens(r, XR_SHAPE(2, 193, 4)), 24, 8, 3); }
static xr_var no_factor(recording r) { return xr_grid_mean_of(r.graph, "op", tokens(r, XR_SHAPE(2, 193, 4)), 24, 8, 0); }
static xr_var one_image(recording r) { return xr_grid_mean_of(r.graph, "op", tokens(r, XR_SHAPE(193, 4)), 24, 8, 2); }
static xr_var taps_of_another_width(recording r) {
  return xr_token_conv_of(r.graph, "op", tokens(r, XR_SHAPE(2, 7, 4)), parameter(r, "w", XR_SHAPE(5, 3)), (xr_var){0});
}
static xr_var even_taps(recording r) {
  return xr_token_conv_of(r.graph, "op", tokens(r, XR_SHAPE(2, 7, 4)), parameter(r, "w", XR_SHAPE(4, 2)), (xr_var){0});
}
static xr_var lengths_of_another_batch(recording r) {
  xr_var length = xr_input(r.graph, "length", XR_I32, XR_SHAPE(3));
  return xr_token_conv_of(r.graph, "op", tokens(r, XR_SHAPE(2, 7, 4)), parameter(r, "w", XR_SHAPE(4, 3)), length);
}
static xr_var computed_taps(recording r) {
  xr_var weight = xr_cast_to(r.graph, "taps", xr_param_f32(r.graph, "w", XR_SHAPE(4, 3), (xr_init){XR_INIT_ONE, 1}), XR_BF16);
  return xr_token_conv_of(r.graph, "op", tokens(r, XR_SHAPE(2, 7, 4)), weight, (xr_var){0});
}

static const refusal refused[] = {
    {another_grid, XR_F32, XR_BAD_SHAPE, "the tokens [2, 193, 4] are not a grid of 16 x 8"},
    {no_whole_cells, XR_F32, XR_BAD_SHAPE, "24 x 8 tokens has no whole cells of 3 x 3"},
    {no_factor, XR_F32, XR_BAD_SHAPE, "in cells of side 0"},
    {one_image, XR_F32, XR_BAD_SHAPE, "the tokens is [193, 4], 3 dimensions are expected"},
    {taps_of_another_width, XR_F32, XR_BAD_SHAPE, "the weight is [5, 3], for tokens [2, 7, 4] it has 4 rows"},
    {even_taps, XR_F32, XR_BAD_SHAPE, "the weight has 2 taps"},
    {lengths_of_another_batch, XR_F32, XR_BAD_SHAPE, "the length is i32 [3], expected is i32 [2]"},
    {computed_taps, XR_BF16, XR_UNSUPPORTED, "the weight is a computed bf16 tensor"},
};

Test(spatial, what_does_not_fit_is_refused_with_both_shapes) {
  expect_refusals(refused, sizeof refused / sizeof *refused);
}

/* The sum of the results, with inputs that are whole numbers: values and gradients are exact in bf16. */
Test(spatial, pooled_and_convolved_tokens_of_a_bf16_graph) {
  enum { B = 2, H = 2, W = 4, N = 1 + H * W, T = W / 2, D = 3, K = 3 };
  recording r = record(XR_BF16);
  xr_var x = xr_input(r.graph, "x", XR_BF16, XR_SHAPE(B, N, D)), ones = xr_input(r.graph, "ones", XR_F32, XR_SHAPE(1, B * T * D));
  xr_var length = xr_input(r.graph, "length", XR_I32, XR_SHAPE(B));
  xr_var pooled = xr_grid_mean_of(r.graph, "pooled", x, H, W, 2);
  xr_var y = xr_token_conv_of(r.graph, "op", pooled, parameter(r, "w", XR_SHAPE(D, K)), length);
  cr_assert(y.id, "%s", xr_message());
  cr_assert_eq(xr_elements(xr_shape_of(r.graph, y)), B * T * D);
  xr_var row = xr_cast_to(r.graph, "f32", xr_reshape(r.graph, "row", y, XR_SHAPE(1, B * T * D)), XR_F32);
  xr_var loss = xr_reshape(r.graph, "loss", xr_matmul_transposed(r.graph, "product", row, ones), XR_SHAPE(1));
  xr_plan *plan;
  xr_executor *executor;
  cr_assert(xr_parameters_allocate(r.parameters, (xr_parameter_options){.seed = 7, .compute = XR_BF16, .training = true}) == XR_OK);
  cr_assert(xr_plan_new(&plan, r.graph, loss, (xr_plan_options){.backend = XR_CPU}) == XR_OK, "%s", xr_message());
  cr_assert(xr_plan_check(plan) == XR_OK, "%s", xr_message());
  cr_assert(xr_executor_new(&executor, plan, (xr_executor_options){.poison = true}) == XR_OK, "%s", xr_message());
  xr_bf16 *values = xr_executor_input(executor, x);
  float cell[B][T][D] = {0}, *weights = xr_executor_input(executor, ones);
  for (int i = 0; i < B * N * D; i++) {
    const int b = i / (N * D), place = i / D % N - 1;
    const float value = (float)(i * 7 % 23 * 4 - 40); /* multiples of 4: the means are whole */
    values[i] = xr_f32_to_bf16(value);
    if (place >= 0) cell[b][place % W / 2][i % D] += value / 4;
  }
  for (int i = 0; i < B * T * D; i++) weights[i] = 1;
  int32_t *lengths = xr_executor_input(executor, length);
  lengths[0] = 2;
  lengths[1] = 1;
  cr_assert(xr_executor_step(executor, (xr_seed){1, 1}) == XR_OK, "%s", xr_message());
  const float *gradient = xr_parameters_arrays(r.parameters).gradient;
  for (int d = 0; d < D; d++) { /* each tap meets the tokens that stand in its place */
    cr_assert_eq(gradient[d * K], cell[0][0][d]);
    cr_assert_eq(gradient[d * K + 1], cell[0][0][d] + cell[0][1][d] + cell[1][0][d]);
    cr_assert_eq(gradient[d * K + 2], cell[0][1][d]);
  }
  xr_executor_free(executor);
  xr_plan_free(plan);
  drop(r);
}

/* The bindings of op_combine.c: what they refuse, gradients of parameters in bf16 graphs, and memory that they share. Their gradients in
 * f32 are in test_gradients.c. */
#include <criterion/criterion.h>
#include <string.h>

#include "host/graph/executor.h"
#include "host/graph/plan_internal.h"
#include "host/ops/ops.h"
#include "tests/support/recording.h"

static xr_var not_a_suffix(recording r) {
  return xr_add_broadcast(r.graph, "op", xr_input(r.graph, "x", XR_F32, XR_SHAPE(2, 3, 4)), parameter(r, "v", XR_SHAPE(2, 4)));
}
static xr_var longer_than_x(recording r) {
  return xr_add_broadcast(r.graph, "op", xr_input(r.graph, "x", XR_F32, XR_SHAPE(3, 4)), parameter(r, "v", XR_SHAPE(1, 3, 4)));
}
static xr_var gamma_of_another_width(recording r) {
  xr_var x = xr_input(r.graph, "x", XR_F32, XR_SHAPE(3, 4));
  return xr_layer_scale(r.graph, "op", x, x, parameter(r, "gamma", XR_SHAPE(3)));
}
static xr_var branch_of_another_shape(recording r) {
  return xr_layer_scale(r.graph, "op", xr_input(r.graph, "x", XR_F32, XR_SHAPE(3, 4)), xr_input(r.graph, "y", XR_F32, XR_SHAPE(4, 4)),
                        parameter(r, "gamma", XR_SHAPE(4)));
}
static xr_var pair_of_two_dtypes(recording r) {
  return xr_pair_features(r.graph, "op", xr_input(r.graph, "v", XR_F32, XR_SHAPE(3, 4)), xr_input(r.graph, "t", XR_BF16, XR_SHAPE(3, 4)));
}
static xr_var pair_of_integers(recording r) {
  return xr_pair_features(r.graph, "op", xr_input(r.graph, "v", XR_I32, XR_SHAPE(3, 4)), xr_input(r.graph, "t", XR_I32, XR_SHAPE(3, 4)));
}
static xr_var gate_of_another_shape(recording r) {
  xr_var a = xr_input(r.graph, "a", XR_F32, XR_SHAPE(3, 4));
  return xr_gated_mix(r.graph, "op", xr_input(r.graph, "z", XR_F32, XR_SHAPE(3, 1)), a, a);
}
static xr_var mixed_parameter(recording r) {
  xr_var a = xr_input(r.graph, "a", XR_BF16, XR_SHAPE(3, 4));
  return xr_gated_mix(r.graph, "op", a, parameter(r, "p", XR_SHAPE(3, 4)), a);
}

static const refusal refused[] = {
    {not_a_suffix, XR_F32, XR_BAD_SHAPE, "[2, 4] is not the end of [2, 3, 4]"},
    {longer_than_x, XR_F32, XR_BAD_SHAPE, "[1, 3, 4] is not the end of [3, 4]"},
    {gamma_of_another_width, XR_F32, XR_BAD_SHAPE, "gamma is f32 [3], expected is f32 [4]"},
    {branch_of_another_shape, XR_F32, XR_BAD_SHAPE, "the branch is f32 [4, 4], expected is f32 [3, 4]"},
    {pair_of_two_dtypes, XR_F32, XR_BAD_SHAPE, "the second vector is bf16 [3, 4], expected is f32 [3, 4]"},
    {pair_of_integers, XR_F32, XR_BAD_SHAPE, "floating point is expected"},
    {gate_of_another_shape, XR_F32, XR_BAD_SHAPE, "the first tensor is f32 [3, 4], expected is f32 [3, 1]"},
    {mixed_parameter, XR_BF16, XR_BAD_ARGUMENT, "gated_mix has no f32 gradient for the parameter p"},
};

Test(combine, what_does_not_fit_is_refused_with_both_shapes) {
  expect_refusals(refused, sizeof refused / sizeof *refused);
}

/* loss = <y, w> with whole numbers w that bf16 holds, so that gradients that are sums of w are exact. */
static xr_var inner_product(recording r, xr_var y, xr_var *w) {
  const int64_t count = xr_elements(xr_shape_of(r.graph, y));
  *w = xr_input(r.graph, "w", XR_F32, XR_SHAPE(1, count));
  xr_var row = xr_cast_to(r.graph, "f32", xr_reshape(r.graph, "row", y, XR_SHAPE(1, count)), XR_F32);
  xr_var loss = xr_reshape(r.graph, "loss", xr_matmul_transposed(r.graph, "product", row, *w), XR_SHAPE(1));
  cr_assert(xr_graph_status(r.graph) == XR_OK, "%s", xr_message());
  return loss;
}

static float weight(int64_t i) { return (float)(i * 7 % 11) - 5; }

static const float *gradient_of(recording r, const char *name) {
  const xr_parameter *p = xr_parameter_at(r.parameters, xr_parameter_find(r.parameters, name));
  return xr_parameters_arrays(r.parameters).gradient + p->offset;
}

Test(combine, gradients_of_broadcast_parameters_are_f32_in_bf16_graphs) {
  enum { B = 3, M = 4, D = 5, COUNT = B * M * D };
  recording r = record(XR_BF16);
  xr_var x = parameter(r, "x", XR_SHAPE(B, M, D)), v = parameter(r, "v", XR_SHAPE(M, D)), u = parameter(r, "u", XR_SHAPE(D)), w;
  xr_var loss = inner_product(r, xr_add_broadcast(r.graph, "vector", xr_add_broadcast(r.graph, "matrix", x, v), u), &w);
  xr_plan *plan;
  xr_executor *executor;
  cr_assert(xr_parameters_allocate(r.parameters, (xr_parameter_options){.seed = 7, .compute = XR_BF16, .training = true}) == XR_OK);
  cr_assert(xr_plan_new(&plan, r.graph, loss, (xr_plan_options){.backend = XR_CPU}) == XR_OK, "%s", xr_message());
  cr_assert(xr_plan_check(plan) == XR_OK, "%s", xr_message());
  cr_assert(xr_executor_new(&executor, plan, (xr_executor_options){.poison = true}) == XR_OK, "%s", xr_message());
  float *values = xr_executor_input(executor, w);
  float expected_v[M * D] = {0}, expected_u[D] = {0};
  for (int i = 0; i < COUNT; i++) {
    values[i] = weight(i);
    expected_v[i % (M * D)] += weight(i);
    expected_u[i % D] += weight(i);
  }
  cr_assert(xr_executor_step(executor, (xr_seed){1, 1}) == XR_OK, "%s", xr_message());
  for (int i = 0; i < COUNT; i++) cr_assert_eq(gradient_of(r, "x")[i], weight(i));
  for (int i = 0; i < M * D; i++) cr_assert_eq(gradient_of(r, "v")[i], expected_v[i]);
  for (int i = 0; i < D; i++) cr_assert_eq(gradient_of(r, "u")[i], expected_u[i]);
  xr_executor_free(executor);
  xr_plan_free(plan);
  drop(r);
}

static int block_of(const xr_plan *plan, xr_var v) {
  int piece = plan->gradient[v.id];
  cr_assert_geq(piece, 0);
  while (plan->pieces[piece].block != piece) piece = plan->pieces[piece].block;
  return piece;
}

Test(combine, gradients_that_are_passed_on_share_memory) {
  recording r = record(XR_F32);
  xr_var p = parameter(r, "p", XR_SHAPE(6, 4)), gamma = parameter(r, "gamma", XR_SHAPE(4)), w;
  xr_var x = xr_scale_by(r.graph, "x", p, 2), branch = xr_activate(r.graph, "branch", x, XR_ACTIVATION_GELU);
  xr_var sum = xr_layer_scale(r.graph, "sum", x, branch, gamma), moved = xr_add_broadcast(r.graph, "moved", sum, gamma);
  xr_var mixed = xr_gated_mix(r.graph, "mixed", moved, p, p), loss = inner_product(r, mixed, &w);
  xr_plan *plan;
  cr_assert(xr_plan_new(&plan, r.graph, loss, (xr_plan_options){.backend = XR_CPU}) == XR_OK, "%s", xr_message());
  const int block = block_of(plan, mixed);
  cr_assert_eq(block_of(plan, moved), block, "of the gate");
  cr_assert_eq(block_of(plan, sum), block, "of the broadcast sum");
  cr_assert_eq(block_of(plan, x), block, "of the residual");
  cr_assert_neq(block_of(plan, branch), block, "of the branch");
  xr_plan_free(plan);
  drop(r);
}

/* xr_executor_options.tf32: layers on CUDA, and nothing else, read rounded operands. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/graph/executor.h"
#include "host/ops/ops.h"

enum { ROWS = 5, IN = 37, OUT = 11 };

typedef struct {
  float y[ROWS * OUT], similarity[ROWS * ROWS], dw[OUT * IN];
} results;

static results run(xr_backend backend, bool tf32) {
  results r;
  xr_plan *plan;
  xr_executor *executor;
  xr_parameters *parameters = xr_parameters_new();
  xr_graph *g = xr_graph_new(parameters, (xr_graph_options){.name = "tf32", .compute = XR_F32, .training = true});
  const xr_init normal = {XR_INIT_NORMAL, 1};
  xr_var x = xr_param(g, "x", XR_SHAPE(ROWS, IN), normal), w = xr_param(g, "w", XR_SHAPE(OUT, IN), normal);
  xr_var y = xr_linear_with(g, "layer", x, w, (xr_var){0}, (xr_linear_options){0}),
         similarity = xr_matmul_transposed(g, "similarity", x, x);
  xr_var labels = xr_input(g, "labels", XR_I32, XR_SHAPE(ROWS));
  xr_output(g, "y", y);
  xr_output(g, "similarity", similarity);
  xr_var loss = xr_cross_entropy_loss(g, "loss", xr_scale_by(g, "logits", y, 1), labels, 0);
  cr_assert(xr_plan_new(&plan, g, loss, (xr_plan_options){.backend = backend}) == XR_OK, "%s", xr_message());
  cr_assert(xr_parameters_allocate(parameters, (xr_parameter_options){.seed = 2, .training = true, .backend = backend}) == XR_OK, "%s",
            xr_message());
  cr_assert(xr_executor_new(&executor, plan, (xr_executor_options){.tf32 = tf32}) == XR_OK, "%s", xr_message());
  memset(xr_executor_input(executor, labels), 0, ROWS * sizeof(int32_t));
  cr_assert(xr_executor_step(executor, (xr_seed){0}) == XR_OK && xr_executor_wait(executor) == XR_OK, "%s", xr_message());
  memcpy(r.y, xr_executor_value(executor, y), sizeof r.y);
  memcpy(r.similarity, xr_executor_value(executor, similarity), sizeof r.similarity);
  cr_assert_eq(xr_parameter_read(parameters, XR_GRADIENT, xr_parameter_find(parameters, "w"), r.dw), XR_OK);
  xr_executor_free(executor);
  xr_plan_free(plan);
  xr_graph_free(g);
  xr_parameters_free(parameters);
  return r;
}

/* The largest difference, by the largest value. */
static double difference(const float *a, const float *b, int count) {
  double most = 0, largest = 0;
  for (int i = 0; i < count; i++) {
    most = fmax(most, fabs((double)a[i] - (double)b[i]));
    largest = fmax(largest, fabs((double)b[i]));
  }
  return most / largest;
}

Test(tf32, the_cpu_computes_in_f32) {
  const results exact = run(XR_CPU, false), asked = run(XR_CPU, true);
  cr_assert(memcmp(&exact, &asked, sizeof exact) == 0, "the CPU rounded something");
}

Test(tf32, layers_on_cuda_round_and_similarities_do_not) {
  xr_device device;
  if (xr_device_open(&device, "cuda") != XR_OK) cr_skip_test("%s", xr_message());
  const results exact = run(XR_CUDA, false), fast = run(XR_CUDA, true), cpu = run(XR_CPU, false);
  cr_assert_lt(difference(exact.y, cpu.y, ROWS * OUT), 1e-6);
  cr_assert_lt(difference(exact.dw, cpu.dw, OUT * IN), 1e-6);
  /* Two operands with errors of up to 2^-11 each; much smaller than that would be f32. */
  const double forward = difference(fast.y, exact.y, ROWS * OUT), backward = difference(fast.dw, exact.dw, OUT * IN);
  cr_assert(forward > 1e-5 && forward < 4e-3, "forward: %g", forward);
  cr_assert(backward > 1e-5 && backward < 4e-3, "backward: %g", backward);
  cr_assert(memcmp(fast.similarity, exact.similarity, sizeof exact.similarity) == 0, "similarities were rounded");
}

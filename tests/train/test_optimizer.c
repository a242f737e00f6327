/* What ends a step: on every backend of this build. */
#include <criterion/criterion.h>
#include <math.h>

#include "host/graph/executor.h"
#include "host/ops/ops.h"
#include "host/train/optimizer.h"

enum { ROWS = 3, CLASSES = 4 };

typedef struct {
  xr_config *config;
  xr_parameters *parameters;
  xr_graph *graph;
  xr_var labels, extra, total;
  xr_plan *plan;
  xr_optimizer *optimizer;
  xr_executor *executor;
} fixture;

/* total = cross entropy of a table of logits, the one parameter, + an input without a gradient */
static void record(fixture *f) {
  f->graph = xr_graph_new(f->parameters, (xr_graph_options){.name = "train", .compute = XR_F32, .training = true});
  xr_var logits = xr_param(f->graph, "logits", XR_SHAPE(ROWS, CLASSES), (xr_init){XR_INIT_NORMAL, 1});
  f->labels = xr_input(f->graph, "labels", XR_I32, XR_SHAPE(ROWS));
  f->extra = xr_input(f->graph, "extra", XR_F32, XR_SHAPE(1));
  xr_var loss = xr_cross_entropy_loss(f->graph, "loss", logits, f->labels, 0);
  f->total = xr_weighted_loss(f->graph, "total", 2, (xr_var[]){loss, f->extra}, (float[]){1, 1});
  xr_output(f->graph, "total", f->total);
  cr_assert(xr_graph_status(f->graph) == XR_OK, "%s", xr_message());
}

static fixture make(xr_backend backend, const char *kind) {
  fixture f = {.parameters = xr_parameters_new()};
  cr_assert(xr_config_load(&f.config, NULL, (const char *[]){kind}, 1) == XR_OK, "%s", xr_message());
  record(&f);
  cr_assert(xr_plan_new(&f.plan, f.graph, f.total, (xr_plan_options){.backend = backend}) == XR_OK, "%s", xr_message());
  const xr_parameter_options options = {
      .seed = 5, .compute = XR_F32, .training = true, .moments = xr_optimizer_moments(f.config), .backend = backend};
  cr_assert(xr_parameters_allocate(f.parameters, options) == XR_OK, "%s", xr_message());
  cr_assert(xr_optimizer_new(&f.optimizer, f.config, f.parameters) == XR_OK, "%s", xr_message());
  const xr_executor_options how = {.tail = xr_optimizer_tail(f.optimizer)};
  cr_assert(xr_executor_new(&f.executor, f.plan, how) == XR_OK, "%s", xr_message());
  return f;
}

static void drop(fixture *f) {
  xr_executor_free(f->executor);
  xr_optimizer_free(f->optimizer);
  xr_plan_free(f->plan);
  xr_graph_free(f->graph);
  xr_parameters_free(f->parameters);
  xr_config_free(f->config);
}

static void step(const fixture *f, float extra, float values[ROWS * CLASSES]) {
  for (int i = 0; i < ROWS; i++) ((int32_t *)xr_executor_input(f->executor, f->labels))[i] = i;
  *(float *)xr_executor_input(f->executor, f->extra) = extra;
  xr_optimizer_set(f->optimizer, 0.1, 1);
  cr_assert(xr_executor_step(f->executor, (xr_seed){0}) == XR_OK, "%s", xr_message());
  cr_assert(xr_executor_wait(f->executor) == XR_OK, "%s", xr_message());
  cr_assert_eq(xr_optimizer_update(f->optimizer).bad_parameter, -1, "the gradient is finite");
  cr_assert(xr_parameter_read(f->parameters, XR_MASTER, 0, values) == XR_OK, "%s", xr_message());
}

/* The gradient of total is finite whatever `extra` is: the loss alone must hold the update back. */
static void expect_bad_losses_left_out(xr_backend backend, const char *kind) {
  fixture f = make(backend, kind);
  float before[ROWS * CLASSES], after[ROWS * CLASSES];
  cr_assert(xr_parameter_read(f.parameters, XR_MASTER, 0, before) == XR_OK, "%s", xr_message());
  const float bad[] = {NAN, INFINITY, -INFINITY};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    step(&f, bad[i], after);
    cr_assert(memcmp(before, after, sizeof before) == 0, "%s: a loss of %f changed a parameter", kind, (double)bad[i]);
  }
  step(&f, 1, after);
  cr_assert(memcmp(before, after, sizeof before) != 0, "%s: a good step changed nothing", kind);
  drop(&f);
}

static const char *const kinds[] = {"optimizer.kind=adam", "optimizer.kind=adamw", "optimizer.kind=sgd"};

Test(optimizer, a_loss_that_is_not_finite_changes_nothing) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) expect_bad_losses_left_out(XR_CPU, kinds[i]);
}

#ifdef XREID_CUDA
Test(optimizer, nor_does_it_on_cuda) {
  xr_device device;
  if (xr_device_open(&device, "cuda") != XR_OK) cr_skip_test("%s", xr_message());
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) expect_bad_losses_left_out(XR_CUDA, kinds[i]);
}
#endif
